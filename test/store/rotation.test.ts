// Keys, certificates and the CA itself are replaced under load, with a shared store and without: no request fails.
import assert from 'node:assert/strict'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createAuthority, issueAccount } from '../../sidecar/ca.ts'
import { send } from '../support/client.ts'
import { meshIssuer, startMesh, type RunningSidecar, type TestMesh } from '../support/mesh.ts'
import { redisMissing, startRedis } from '../support/redis.ts'
import { eventually, sharing } from './ground.ts'
import { startChainLoad } from './load.ts'

interface Keys {
  readonly roots: readonly { fingerprint256: string }[]
  readonly account: { readonly key_id: string } | undefined
}

async function keysOf({ admin }: RunningSidecar): Promise<Keys> {
  const { body } = await send({ port: admin, host: `127.0.0.1:${admin}`, target: '/keys' })
  return JSON.parse(body) as Keys
}

/** As Kubernetes replaces a file. */
async function replace(mesh: TestMesh, name: string, content: string): Promise<void> {
  const file = join(mesh.folder, name)
  await writeFile(`${file}.new`, content, { mode: 0o600 })
  await rename(`${file}.new`, file)
}

/** Until each sidecar has taken what was written. */
async function taken(mesh: TestMesh, isTaken: (keys: Keys) => boolean): Promise<void> {
  for (const sidecar of Object.values(mesh.sidecars))
    await eventually(async () => isTaken(await keysOf(sidecar)), 'the files are taken')
}

async function underLoad(
  t: TestContext,
  settings: object,
  change: (mesh: TestMesh) => Promise<void>,
): Promise<void> {
  const timeouts = { linger: '5s', drain: '5s' }
  const mesh = await startMesh(t, { settings: { timeouts, ...settings } })
  const load = await startChainLoad(mesh)
  await pause(1_000)
  await change(mesh)
  await pause(1_000)
  const { served, failed, admitted } = await load.end()
  t.diagnostic(`${served} served`)
  assert.deepEqual([[...failed], admitted], [[], []])
  assert.ok(served > 20)
}

async function rotateAccounts(mesh: TestMesh): Promise<void> {
  for (const account of ['api-access', 'ledger-access']) {
    const { certificatePem, keyPem } = await mesh.certified(account)
    const service = account === 'api-access' ? 'App' : 'API'
    const before = (await keysOf(mesh.sidecars[service])).account?.key_id
    await replace(mesh, `${account}-key.pem`, keyPem)
    await replace(mesh, `${account}.pem`, certificatePem)
    const isNew = async () => (await keysOf(mesh.sidecars[service])).account?.key_id !== before
    await eventually(isNew, `${service} has the new certificate`)
  }
}

/** The order in which a root is changed: everybody trusts both, then all are certified by the new one, then the old one goes. */
async function rotateCa(mesh: TestMesh): Promise<void> {
  const nowMs = Date.now()
  const old = await readFile(join(mesh.folder, 'ca.pem'), 'utf8')
  const ca = await createAuthority({ issuer: meshIssuer, days: 1, nowMs })
  await replace(mesh, 'ca.pem', `${old}\n${ca.certificatePem}`)
  await taken(mesh, ({ roots }) => roots.length === 2)
  for (const account of ['api-access', 'ledger-access']) {
    const { certificatePem: caPem, keyPem: caKeyPem } = ca
    const certified = await issueAccount({
      caPem,
      caKeyPem,
      issuer: undefined,
      account,
      dnsNames: [],
      days: 1,
      nowMs,
    })
    const service = account === 'api-access' ? 'App' : 'API'
    const before = (await keysOf(mesh.sidecars[service])).account?.key_id
    await replace(mesh, `${account}-key.pem`, certified.keyPem)
    await replace(mesh, `${account}.pem`, certified.certificatePem)
    const isNew = async () => (await keysOf(mesh.sidecars[service])).account?.key_id !== before
    await eventually(isNew, `${service} has the new certificate`)
  }
  // What was minted by the old ones is under way for a moment.
  await pause(500)
  await replace(mesh, 'ca.pem', ca.certificatePem)
  await taken(mesh, ({ roots }) => roots.length === 1)
}

const changes = [
  ['the certificate of each account', rotateAccounts],
  ['the CA', rotateCa],
] as const

for (const [what, change] of changes) {
  test(`${what} is replaced, with store: memory`, async (t) => {
    await underLoad(t, {}, change)
  })

  test(`${what} is replaced, with a Redis`, { skip: redisMissing }, async (t) => {
    await underLoad(t, sharing(await startRedis(t)), change)
  })
}
