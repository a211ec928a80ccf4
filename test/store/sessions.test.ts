// Sessions that a service shares through a real Redis: for a job that another pod, or another service, takes from a queue.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { rawValues } from '../support/app.ts'
import { send } from '../support/client.ts'
import { hosts, startMesh, startPod, type RunningSidecar, type TestMesh } from '../support/mesh.ts'
import { redisMissing, startRedis, type RedisServer } from '../support/redis.ts'
import { callApi, comeIn, eventually, forName, keyName, metric, sharing } from './ground.ts'

const skip = redisMissing

interface Scene {
  readonly redis: RedisServer
  readonly mesh: TestMesh
  /** Another pod of App. */
  readonly worker: RunningSidecar
}

async function scene(
  t: TestContext,
  shareWith: readonly string[] = ['App'],
  clockOffsetMs = () => 0,
): Promise<Scene> {
  const redis = await startRedis(t)
  const mesh = await startMesh(t, {
    run: ['App', 'API', 'Ledger'],
    settings: { ...sharing(redis), timeouts: { linger: '0s', drain: '5s' } },
    services: { App: { share_with: shareWith } },
  })
  return { redis, mesh, worker: await startPod(t, mesh, 'App', { clockOffsetMs }) }
}

const users = (mesh: TestMesh) => mesh.apps.API.received.map((received) => rawValues(received, forName)[0])
const sessionKeys = (redis: RedisServer) => redis.call('keys', keyName('session:*')) as Promise<string[]>

test('a worker in another pod makes its call as the user whose job it took', { skip }, async (t) => {
  const { mesh, worker } = await scene(t)
  const [alice, bob] = [await comeIn(mesh, 'alice'), await comeIn(mesh, 'bob')]
  for (const { handle } of [bob, alice]) {
    const answer = await callApi(mesh, handle, { app: worker })
    assert.deepEqual([answer.status, answer.code], [200, ''])
  }
  assert.deepEqual(users(mesh), [bob.token, alice.token])
})

test('the evidence goes on from where the request came in', { skip }, async (t) => {
  const { mesh, worker } = await scene(t)
  const { handle } = await comeIn(mesh)
  assert.equal((await callApi(mesh, handle, { app: worker })).status, 200)
  assert.deepEqual(rawValues(mesh.apps.API.received.at(-1), 'x-onbehalf-chain'), ['api-access'])
})

/** API's sidecar calls Ledger for a request that came to App. */
async function asOtherService(t: TestContext, shareWith: readonly string[]) {
  const { mesh } = await scene(t, shareWith)
  const { handle, token } = await comeIn(mesh)
  const headers = ['x-onbehalf-handle', handle]
  const answer = await send({ port: mesh.sidecars.API.outbound, host: hosts.Ledger, headers })
  return { answer, token, received: mesh.apps.Ledger.received.at(-1) }
}

test(
  'another service that sessions are shared with makes its call as the user, and it shows',
  { skip },
  async (t) => {
    const { answer, token, received } = await asOtherService(t, ['API'])
    assert.deepEqual([answer.status, answer.code], [200, ''])
    assert.deepEqual(rawValues(received, forName), [token])
    assert.deepEqual(rawValues(received, 'x-onbehalf-chain'), ['ledger-access'])
  },
)

test('a service that they are not shared with calls as itself', { skip }, async (t) => {
  const { answer, received } = await asOtherService(t, ['App'])
  assert.equal(answer.status, 200)
  assert.deepEqual(rawValues(received, forName), [])
})

test('the trace context of a message is enough', { skip }, async (t) => {
  const { mesh, worker } = await scene(t)
  const { token } = await comeIn(mesh)
  const received = mesh.apps.App.received[0]
  const message = ['traceparent', 'tracestate', 'baggage'].flatMap((name) => [
    name,
    rawValues(received, name)[0] as string,
  ])
  const answer = await send({ port: worker.outbound, host: hosts.API, headers: message })
  assert.deepEqual([answer.status, users(mesh)], [200, [token]])
})

test(
  'a session is worth something after its request has lingered, in its own sidecar too',
  { skip },
  async (t) => {
    const { mesh } = await scene(t)
    const { handle, token } = await comeIn(mesh)
    await eventually(
      async () => mesh.sidecars.App.sidecar !== undefined && (await sessionsOf(mesh)) === 0,
      'it ended',
    )
    assert.equal((await callApi(mesh, handle)).status, 200)
    assert.deepEqual(users(mesh), [token])
  },
)

async function sessionsOf(mesh: TestMesh): Promise<number> {
  const { body } = await send({
    port: mesh.sidecars.App.admin,
    host: `127.0.0.1:${mesh.sidecars.App.admin}`,
    target: '/sessions',
  })
  const { active, lingering } = JSON.parse(body) as { active: number; lingering: number }
  return active + lingering
}

test('a service that shares with none leaves nothing in the store', { skip }, async (t) => {
  const { mesh, redis, worker } = await scene(t, [])
  const { handle } = await comeIn(mesh)
  assert.deepEqual(await sessionKeys(redis), [])
  assert.equal((await callApi(mesh, handle, { app: worker })).code, 'original_user_lost')
})

test(
  'a reader of the store finds neither a token nor a handle, and a life that ends with the assertion',
  { skip },
  async (t) => {
    const { mesh, redis } = await scene(t)
    const { handle, token } = await comeIn(mesh)
    const [key] = await sessionKeys(redis)
    const text = String(await redis.call('get', key as string))
    for (const secret of [handle.slice(4), token.slice(0, 40), token.split('.')[1] as string, 'alice'])
      assert.equal(
        `${key} ${text} ${Buffer.from(text, 'base64url').toString('latin1')}`.includes(secret),
        false,
      )
    const lifeMs = Number(await redis.call('pttl', key as string))
    assert.ok(lifeMs > 300_000 && lifeMs <= 361_000, `${lifeMs}`)
  },
)

test('an altered session, and one put in the place of another, name nobody', { skip }, async (t) => {
  const { mesh, redis, worker } = await scene(t)
  const alice = await comeIn(mesh, 'alice')
  const [hers] = await sessionKeys(redis)
  const bob = await comeIn(mesh, 'bob')
  const his = (await sessionKeys(redis)).find((key) => key !== hers) as string
  const good = Buffer.from(String(await redis.call('get', hers as string)), 'base64url')
  good[20] = (good[20] as number) ^ 1
  await redis.call('set', his, String(await redis.call('get', hers as string)))
  await redis.call('set', hers as string, good.toString('base64url'))
  for (const { handle } of [alice, bob])
    assert.equal((await callApi(mesh, handle, { app: worker })).code, 'original_user_lost')
  assert.deepEqual(users(mesh), [])
  assert.equal(await metric(worker, 'onbehalf_shared_sessions_total{outcome="rejected"}'), 2)
})

test('an expired session is lost, also where the store still has it', { skip }, async (t) => {
  let offsetMs = 0
  const { mesh, redis, worker } = await scene(t, ['App'], () => offsetMs)
  const { handle } = await comeIn(mesh)
  const [key] = await sessionKeys(redis)
  await redis.call('persist', key as string)
  offsetMs = 361_000
  assert.equal((await callApi(mesh, handle, { app: worker })).code, 'original_user_lost')
})

test(
  'while the store is away a job of another pod cannot be told: 503; one of this pod goes on',
  { skip },
  async (t) => {
    const redis = await startRedis(t)
    const mesh = await startMesh(t, { settings: sharing(redis), services: { App: { share_with: ['App'] } } })
    const worker = await startPod(t, mesh, 'App')
    const { handle, token } = await comeIn(mesh)
    await redis.kill()
    const answer = await callApi(mesh, handle, { app: worker })
    assert.deepEqual([answer.status, answer.code], [503, 'session_unavailable'])
    assert.equal((await callApi(mesh, handle)).status, 200)
    assert.deepEqual(users(mesh), [token])
  },
)

test('a handle that nobody shared is lost, and asked for once in a while', { skip }, async (t) => {
  const { mesh, worker } = await scene(t)
  const { handle } = await comeIn(mesh)
  const made = `${handle.slice(0, 4)}AAAAAAAAAAAAAAAAAAAAAA`
  for (let i = 0; i < 20; i++)
    assert.equal((await callApi(mesh, made, { app: worker })).code, 'original_user_lost')
  assert.equal(await metric(worker, 'onbehalf_shared_sessions_total{outcome="absent"}'), 1)
})

test("what was nobody's, or an account's own, is so in another pod too", { skip }, async (t) => {
  const redis = await startRedis(t)
  const mesh = await startMesh(t, {
    settings: sharing(redis),
    services: { API: { share_with: ['API'] } },
    routes: { API: { policy: undefined, allow_public_unauthenticated_access: true } },
  })
  const worker = await startPod(t, mesh, 'API')
  const handleOf = () => rawValues(mesh.apps.API.received.at(-1), 'x-onbehalf-handle')[0] as string
  const callLedger = (handle: string) =>
    send({ port: worker.outbound, host: hosts.Ledger, headers: ['x-onbehalf-handle', handle] })
  await send({ port: mesh.sidecars.API.inbound, host: hosts.API })
  assert.equal((await callLedger(handleOf())).code, 'original_user_required')
  await send({ port: mesh.sidecars.App.outbound, host: hosts.API })
  assert.equal((await callLedger(handleOf())).status, 200)
  assert.deepEqual(rawValues(mesh.apps.Ledger.received.at(-1), forName), [])
})
