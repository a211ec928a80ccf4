// The attacker can write to the Redis that sidecars share, and wants to be somebody there, or to make somebody nobody.
import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { forge } from '../../deploy/demo/forge.ts'
import { keyThumbprint } from '../../shared/certificate/thumbprint.ts'
import { createAuthority, issueAccount, type Certified } from '../../sidecar/ca.ts'
import {
  callApi,
  comeIn,
  eventually,
  headerOf,
  keyName,
  lastAssertion,
  metric,
  sharing,
} from '../store/ground.ts'
import { send } from '../support/client.ts'
import { hosts, meshIssuer, startMesh, startPod, x5cOf, type TestMesh } from '../support/mesh.ts'
import { redisMissing, startRedis, type RedisServer } from '../support/redis.ts'
import { assertionName } from './attack.ts'

const skip = redisMissing

async function scene(
  t: TestContext,
): Promise<{ redis: RedisServer; mesh: TestMesh; put: (kid: string, chain: unknown) => Promise<unknown> }> {
  const redis = await startRedis(t)
  const mesh = await startMesh(t, { run: ['App', 'API'], settings: sharing(redis) })
  const put = (kid: string, chain: unknown) =>
    redis.call('set', keyName(`certificate:${kid}`), JSON.stringify(chain))
  return { redis, mesh, put }
}

const kidOf = ({ keyPem }: Certified) => keyThumbprint(createPublicKey(createPrivateKey(keyPem)))

/** An assertion about an account, signed by the key of some certificate, that is looked up by its kid. */
function sign(certified: Certified, account: string): string {
  const iat = Math.floor(Date.now() / 1000)
  const about = { sub: account, user: account, email: '', groups: [], name: '' }
  return forge({
    header: { alg: 'ES256', kid: kidOf(certified), typ: 'JWT' },
    payload: { iss: meshIssuer, aud: hosts.API, iat, exp: iat + 60, jti: 'jti', sid: 'sid', ...about },
    key: createPrivateKey(certified.keyPem),
  })
}

async function ofMyOwnCa(account: string): Promise<Certified> {
  const nowMs = Date.now()
  const ca = await createAuthority({ issuer: meshIssuer, days: 1, nowMs })
  const { certificatePem: caPem, keyPem: caKeyPem } = ca
  return issueAccount({ caPem, caKeyPem, issuer: undefined, account, dnsNames: [], days: 1, nowMs })
}

const present = (mesh: TestMesh, token: string) =>
  send({ port: mesh.sidecars.API.inbound, headers: [assertionName, token] })

test("a certificate of the attacker's own CA mints nothing", { skip }, async (t) => {
  const { mesh, put } = await scene(t)
  const mine = await ofMyOwnCa('api-access')
  await put(kidOf(mine), x5cOf(mine))
  assert.equal((await present(mesh, sign(mine, 'api-access'))).status, 503)
  assert.equal(await metric(mesh.sidecars.API, 'onbehalf_store_rejected_entries{kind="certificate"}'), 1)
  assert.deepEqual(mesh.apps.API.received, [])
})

test('a good certificate under the kid of another key mints nothing', { skip }, async (t) => {
  const { mesh, put } = await scene(t)
  const mine = await ofMyOwnCa('api-access')
  await put(kidOf(mine), x5cOf(await mesh.certified('api-access')))
  assert.equal((await present(mesh, sign(mine, 'api-access'))).status, 503)
  assert.deepEqual(mesh.apps.API.received, [])
})

test("an account's own certificate makes it no other account", { skip }, async (t) => {
  const { mesh, put } = await scene(t)
  const ledgerAccess = await mesh.certified('ledger-access')
  await put(kidOf(ledgerAccess), x5cOf(ledgerAccess))
  assert.equal((await present(mesh, sign(ledgerAccess, 'api-access'))).code, 'assertion_key_unknown')
  assert.equal((await present(mesh, sign(ledgerAccess, 'ledger-access'))).code, 'policy_denied')
})

test(
  'a certificate of the mesh that the attacker does not hold the key of mints nothing',
  { skip },
  async (t) => {
    const { mesh, put } = await scene(t)
    const theirs = await mesh.certified('api-access')
    await put(kidOf(theirs), x5cOf(theirs))
    const mine = await ofMyOwnCa('api-access')
    const [, payload] = sign(mine, 'api-access').split('.')
    const header = Buffer.from(JSON.stringify({ alg: 'ES256', kid: kidOf(theirs), typ: 'JWT' })).toString(
      'base64url',
    )
    const signature = sign(mine, 'api-access').split('.')[2]
    assert.equal((await present(mesh, `${header}.${payload}.${signature}`)).code, 'assertion_signature')
  },
)

for (const [what, chain] of [
  ['garbage', 'garbage'],
  ['nothing', []],
  ['too much', Array.from({ length: 50 }, () => 'A'.repeat(1_000))],
  ['something else', { x5c: [1, null] }],
] as const) {
  test(`a good caller whose entry was replaced by ${what} goes on, and it shows`, { skip }, async (t) => {
    const { mesh, put } = await scene(t)
    const { handle } = await comeIn(mesh)
    const isBare = async () =>
      (await callApi(mesh, handle)).status === 200 && headerOf(lastAssertion(mesh))['x5c'] === undefined
    await eventually(isBare, 'it settles')
    const kid = String(headerOf(lastAssertion(mesh))['kid'])
    await put(kid, chain)
    // A pod that never saw the caller: it is called as App would, and App is told to send its certificate along.
    const late = await startPod(t, mesh, 'API')
    await mesh.writeMeshFile(({ routes }) => {
      for (const route of routes)
        if (route['name'] === 'API') route['to'] = `http://127.0.0.1:${late.inbound}`
    })
    await mesh.sidecars.App.sidecar.reload('the pod has another port')
    await put(kid, chain)
    const answer = await callApi(mesh, handle)
    assert.deepEqual([answer.status, answer.code], [200, ''])
    const bare = (await mesh.minter('api-access')).assertionFor(hosts.API, false)
    const stranger = await send({ port: late.inbound, headers: [assertionName, bare] })
    assert.equal(stranger.code, 'assertion_key_unknown')
  })
}

test('what is said on the channels is a hint at most: floods of it change nothing', { skip }, async (t) => {
  const { redis, mesh } = await scene(t)
  const { handle } = await comeIn(mesh)
  const before = mesh.pomerium.jwksFetches()
  const lines = [
    '',
    'x',
    '\0',
    '{}',
    'a'.repeat(64),
    'f'.repeat(64),
    'A'.repeat(200_000),
    '../../etc/passwd',
    '[]',
  ]
  for (let round = 0; round < 30; round++)
    for (const channel of ['certificates', 'jwks', 'revocations', 'elsewhere'])
      for (const line of lines) await redis.call('publish', keyName(channel), line)
  await pause(200)
  assert.equal((await callApi(mesh, handle)).status, 200)
  assert.equal(mesh.pomerium.jwksFetches() - before, 0)
  for (const sidecar of Object.values(mesh.sidecars))
    assert.equal(sidecar.logs.filter((line) => line.includes('"level":"error"')).length, 0)
})

test('values of other types, and of a megabyte, under our keys are no answers', { skip }, async (t) => {
  const { redis, mesh } = await scene(t)
  const { handle } = await comeIn(mesh)
  const mine = await ofMyOwnCa('api-access')
  const key = keyName(`certificate:${kidOf(mine)}`)
  for (const write of [
    ['lpush', key, 'x'],
    ['hset', key, 'x', 'y'],
    ['set', key, 'A'.repeat(1_000_000)],
  ] as const) {
    await redis.call('del', key)
    const [command, ...args] = write
    await redis.call(command, ...args)
    assert.equal((await present(mesh, sign(mine, 'api-access'))).code, 'keys_unavailable')
  }
  assert.equal((await callApi(mesh, handle)).status, 200)
})
