// What sidecars tell each other of an issuer's keys through a real Redis.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Minter } from '../../sidecar/credential/minter.ts'
import { send } from '../support/client.ts'
import { makeEntry, memberOf } from '../../shared/revocation.ts'
import { hosts, startMesh, startPod, type RunningSidecar, type TestMesh } from '../support/mesh.ts'
import { redisMissing, startRedis, type RedisServer } from '../support/redis.ts'
import { assertionName, eventually, keyName, metric, sharing } from './ground.ts'
import { startChainLoad } from './load.ts'

const skip = redisMissing

async function scene(
  t: TestContext,
  jwksFrom?: readonly string[],
): Promise<{ redis: RedisServer; mesh: TestMesh }> {
  const redis = await startRedis(t)
  const issuer = jwksFrom === undefined ? {} : { jwks_from: jwksFrom }
  return { redis, mesh: await startMesh(t, { settings: sharing(redis), issuer }) }
}

async function keyIds(sidecar: RunningSidecar): Promise<string[]> {
  const { body } = await send({ port: sidecar.admin, host: `127.0.0.1:${sidecar.admin}`, target: '/keys' })
  return (JSON.parse(body) as { issuers: { key_ids: string[] }[] }).issuers[0]?.key_ids ?? []
}

/** Under which what concerns the issuer's keys is kept. */
const nameOf = (mesh: TestMesh) =>
  createHash('sha256').update(mesh.pomerium.jwksUrl).digest('hex').slice(0, 32)

const present = async (mesh: TestMesh, sidecar = mesh.sidecars.App) => {
  const token = await mesh.pomerium.assertion('alice', hosts.App)
  return send({ port: sidecar.inbound, headers: [assertionName, token] })
}

test(
  'a sidecar that sees a new key tells the others, who have it before they need it',
  { skip },
  async (t) => {
    const { mesh } = await scene(t)
    const { kid } = await mesh.pomerium.rotateKey()
    assert.equal((await present(mesh)).status, 200)
    for (const service of ['API', 'Ledger'] as const)
      await eventually(
        async () => (await keyIds(mesh.sidecars[service])).includes(kid),
        `${service} has the new key`,
      )
  },
)

test("the issuer's signing key is rotated under load without a failed request", { skip }, async (t) => {
  const { mesh } = await scene(t)
  const load = await startChainLoad(mesh)
  for (let i = 0; i < 3; i++) {
    await pause(700)
    await mesh.pomerium.rotateKey()
  }
  await pause(700)
  const { served, failed, admitted } = await load.end()
  t.diagnostic(`${served} served`)
  assert.deepEqual([[...failed], admitted], [[], []])
  assert.ok(served > 10)
})

test('a hint, from whomever, makes nobody hammer the issuer', { skip }, async (t) => {
  const { redis, mesh } = await scene(t)
  const watched = new Set<string>()
  const hints = redis.call('pubsub', 'channels', keyName('*')) as Promise<string[]>
  for (const channel of await hints) watched.add(channel)
  assert.ok(watched.has(keyName('jwks')))
  await mesh.pomerium.rotateKey()
  await present(mesh)
  await eventually(async () => (await keyIds(mesh.sidecars.Ledger)).length === 2, 'Ledger heard')
  const before = mesh.pomerium.jwksFetches()
  const hint = nameOf(mesh)
  for (let i = 0; i < 200; i++) await redis.call('publish', keyName('jwks'), hint)
  await pause(500)
  const fetched = mesh.pomerium.jwksFetches() - before
  // Three sidecars, of which each had heard none or one hint before.
  assert.ok(fetched >= 3 && fetched <= 15, `${fetched} fetches`)
})

test(
  'leases that somebody never gives back delay no request, and no refresh for long',
  { skip },
  async (t) => {
    const { redis, mesh } = await scene(t)
    const name = nameOf(mesh)
    for (let slot = 0; slot < 8; slot++)
      await redis.call('set', keyName(`lease:jwks:${name}:${slot}`), 'somebody')
    await mesh.pomerium.rotateKey()
    assert.equal((await present(mesh)).status, 200)
    const late = await startPod(t, mesh, 'App', { awaitReady: false })
    await eventually(() => late.sidecar.notReady().length === 0, 'it is ready all the same')
  },
)

test('leases are given back', { skip }, async (t) => {
  const { redis, mesh } = await scene(t)
  await mesh.pomerium.rotateKey()
  await present(mesh)
  await eventually(
    async () => ((await redis.call('keys', keyName('lease:*'))) as string[]).length === 0,
    'none is left',
  )
})

test('a pod that cannot reach the issuer takes the keys that an account signed', { skip }, async (t) => {
  const { mesh } = await scene(t, ['api-access'])
  mesh.pomerium.failJwks('status')
  const late = await startPod(t, mesh, 'App')
  assert.equal((await present(mesh, late)).status, 200)
})

test("without jwks_from the keys in the store are nobody's word", { skip }, async (t) => {
  const { redis, mesh } = await scene(t)
  assert.deepEqual(await redis.call('keys', keyName('jwks:*')), [])
  mesh.pomerium.failJwks('status')
  const late = await startPod(t, mesh, 'App', { awaitReady: false })
  await pause(300)
  assert.equal((await present(mesh, late)).code, 'keys_unavailable')
})

interface Forgery {
  readonly what: string
  readonly make: (mesh: TestMesh, jwks: string) => Promise<string>
}

const sealed = { typ: 'onbehalf-jwks+jwt' }
const payloadOf = (mesh: TestMesh, { account, issuer }: Minter, jwks: string) => ({
  iss: issuer,
  sub: account,
  aud: mesh.pomerium.jwksUrl,
  iat: Math.floor(Date.now() / 1000) + 10,
  jwks,
})

async function signed(
  mesh: TestMesh,
  account: string,
  jwks: string,
  change: (payload: ReturnType<typeof payloadOf>) => object = (payload) => payload,
  header: object = sealed,
): Promise<string> {
  const minter = await mesh.minter(account)
  return minter.sign({ ...header, x5c: minter.x5c }, { ...change(payloadOf(mesh, minter, jwks)) })
}

const forgeries: readonly Forgery[] = [
  { what: 'that another account signed', make: (mesh, jwks) => signed(mesh, 'ledger-access', jwks) },
  {
    what: 'in the name of another account',
    make: (mesh, jwks) => signed(mesh, 'ledger-access', jwks, (p) => ({ ...p, sub: 'api-access' })),
  },
  {
    what: 'for the keys of another issuer',
    make: (mesh, jwks) =>
      signed(mesh, 'api-access', jwks, (p) => ({ ...p, aud: 'https://other.example.com/' })),
  },
  {
    what: 'of another type',
    make: (mesh, jwks) => signed(mesh, 'api-access', jwks, (p) => p, { typ: 'JWT' }),
  },
  {
    what: 'from the future',
    make: (mesh, jwks) => signed(mesh, 'api-access', jwks, (p) => ({ ...p, iat: p.iat + 3_600 })),
  },
  {
    what: 'of long ago',
    make: (mesh, jwks) => signed(mesh, 'api-access', jwks, (p) => ({ ...p, iat: p.iat - 3_600 })),
  },
  {
    what: 'that was changed',
    make: async (mesh, jwks) => `${(await signed(mesh, 'api-access', jwks)).slice(0, -8)}AAAAAAAA`,
  },
  { what: 'that is none', make: async () => '{"keys":[]}' },
]

for (const { what, make } of forgeries) {
  test(`a document ${what} is not taken`, { skip }, async (t) => {
    const { redis, mesh } = await scene(t, ['api-access'])
    const [key] = (await redis.call('keys', keyName('jwks:*'))) as string[]
    mesh.pomerium.failJwks('status')
    const forged = await mesh.pomerium.rotateKey()
    await redis.call('set', key as string, await make(mesh, JSON.stringify({ keys: [forged.jwk] })))
    const late = await startPod(t, mesh, 'App', { awaitReady: false })
    await pause(300)
    assert.equal((await present(mesh, late)).code, 'keys_unavailable')
    const rejected = await metric(late, 'onbehalf_store_rejected_entries{kind="jwks"}')
    assert.ok((rejected ?? 0) > 0)
  })
}

test(
  'the same document, honestly signed, is taken: the forgeries fail for what they are',
  { skip },
  async (t) => {
    const { redis, mesh } = await scene(t, ['api-access'])
    const [key] = (await redis.call('keys', keyName('jwks:*'))) as string[]
    mesh.pomerium.failJwks('status')
    const { jwk } = await mesh.pomerium.rotateKey()
    await redis.call('set', key as string, await signed(mesh, 'api-access', JSON.stringify({ keys: [jwk] })))
    const late = await startPod(t, mesh, 'App')
    assert.equal((await present(mesh, late)).status, 200)
  },
)

test('a document of an account that was revoked since is not taken', { skip }, async (t) => {
  const { redis, mesh } = await scene(t, ['api-access'])
  mesh.pomerium.failJwks('status')
  const revocation = { kind: 'subject', issuer: 'mesh', value: 'api-access' } as const
  const entry = makeEntry(revocation, 60, Date.now())
  await redis.call('zadd', keyName('revocations'), entry.forgetAtSeconds, memberOf(entry))
  const late = await startPod(t, mesh, 'App', { awaitReady: false })
  const rejected = 'onbehalf_store_rejected_entries{kind="jwks"}'
  await eventually(async () => ((await metric(late, rejected)) ?? 0) > 0, 'it is rejected')
  assert.equal((await present(mesh, late)).code, 'keys_unavailable')
})

test('an older document does not bring back a key that was withdrawn', { skip }, async (t) => {
  const { redis, mesh } = await scene(t, ['api-access'])
  const [key] = (await redis.call('keys', keyName('jwks:*'))) as string[]
  const old = String(await redis.call('get', key as string))
  const withdrawn = await mesh.pomerium.assertion('alice', hosts.App)
  await mesh.pomerium.rotateKey({ dropOld: true })
  assert.equal((await present(mesh)).status, 200)
  await redis.call('set', key as string, old)
  mesh.pomerium.failJwks('status')
  await send({
    port: mesh.sidecars.App.inbound,
    headers: [
      assertionName,
      await mesh.pomerium.sign(mesh.pomerium.claims('alice', hosts.App), {
        header: { alg: 'ES256', kid: 'another' },
      }),
    ],
  })
  const answer = await send({ port: mesh.sidecars.App.inbound, headers: [assertionName, withdrawn] })
  assert.notEqual(answer.status, 200)
})
