// The attacker can write to the Redis that sidecars share, fills it, or says without end that something was missed, and wants revocations unread, or sidecars busy.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { sealSession, sessionName } from '../../sidecar/session-seal.ts'
import { serviceTag } from '../../sidecar/sessions.ts'
import { connectRedis, type RedisConnection } from '../../sidecar/store/redis-connection.ts'
import { maxMembers } from '../../sidecar/store/store.ts'
import { callApi, comeIn, eventually, keyName, metric, sharing } from '../store/ground.ts'
import { send } from '../support/client.ts'
import { startMesh } from '../support/mesh.ts'
import { redisMissing, startRedis, type RedisServer } from '../support/redis.ts'
import { asUser } from './attack.ts'

const skip = redisMissing
const patienceMs = 20_000

async function connectTo(t: TestContext, { address }: RedisServer): Promise<RedisConnection> {
  const connection = await connectRedis(address, { tls: undefined, username: undefined, password: undefined })
  t.after(() => connection.drop())
  return connection
}

test('behind more revocations than can be read nobody is let in, and it shows', { skip }, async (t) => {
  const redis = await startRedis(t)
  const mesh = await startMesh(t, { run: ['App'], settings: sharing(redis) })
  await comeIn(mesh)
  const attacker = await connectTo(t, redis)
  const step = 5_000
  for (let i = 0; i <= maxMembers; i += step) {
    const members = Array.from({ length: step }, (_, k) => [9e9, `${String(i + k).padStart(43, 'A')}.1`])
    await attacker.call(patienceMs, 'zadd', keyName('revocations'), ...members.flat())
  }
  const headers = await asUser(mesh, 'alice')
  const enter = async () => (await send({ port: mesh.sidecars.App.inbound, headers })).code
  await redis.call('publish', keyName('revocations'), '')
  await eventually(async () => (await enter()) === 'keys_unavailable', 'what may be revoked is not let in')
  const rejected = 'onbehalf_revocations_rejected_total{reason="too_many"}'
  assert.ok(((await metric(mesh.sidecars.App, rejected)) ?? 0) > 0)
  assert.match(mesh.sidecars.App.logs.join(''), /more is revoked than can be kept/)
  await redis.call('del', keyName('revocations'))
  await redis.call('publish', keyName('revocations'), '')
  await eventually(async () => (await enter()) === '', 'all is well when they are gone')
})

test('gaps without end make nobody publish a certificate without end', { skip }, async (t) => {
  const redis = await startRedis(t)
  const mesh = await startMesh(t, { run: ['App', 'API'], settings: sharing(redis) })
  const { handle } = await comeIn(mesh)
  const sets = async () => (await metric(mesh.sidecars.App, setCommands)) ?? 0
  const before = await sets()
  const attacker = await connectTo(t, redis)
  const startedMs = performance.now()
  for (let round = 0; round < 10; round++) {
    const gap = () => attacker.call(patienceMs, 'publish', keyName('certificates'), '')
    await Promise.all(Array.from({ length: 500 }, gap))
  }
  assert.equal((await callApi(mesh, handle)).status, 200)
  const allowed = 10 + (performance.now() - startedMs) / 1_000
  assert.ok((await sets()) - before <= allowed, `${(await sets()) - before} of at most ${allowed}`)
})

const setCommands = 'onbehalf_store_commands_total{command="set",outcome="ok"}'

test('what is sealed under a chosen handle, and is no session, names nobody', { skip }, async (t) => {
  const redis = await startRedis(t)
  const services = { App: { share_with: ['App'] } }
  const mesh = await startMesh(t, { run: ['App', 'API'], settings: sharing(redis), services })
  const sealed = ['null', '{', '[]', '5', '"x"', '{"kind":"own"}', '{"kind":"user","userToken":1}']
  for (const [i, text] of sealed.entries()) {
    const handle = serviceTag('App') + String(i).padStart(22, 'A')
    const key = keyName(`session:${sessionName(handle)}`)
    await redis.call('set', key, sealSession(handle, 'App', text))
    assert.equal((await callApi(mesh, handle)).code, 'original_user_lost', text)
  }
  assert.equal(
    await metric(mesh.sidecars.App, 'onbehalf_shared_sessions_total{outcome="rejected"}'),
    sealed.length,
  )
})
