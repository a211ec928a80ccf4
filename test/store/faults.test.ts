// Whatever becomes of the store under load: no request fails that can be decided here, and none is let in wrongly.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { formatAddress } from '../../sidecar/store/redis-server.ts'
import { startMesh, type TestMesh } from '../support/mesh.ts'
import { redisMissing, startCluster, startRedis, startSentinels, type RedisServer } from '../support/redis.ts'
import { eventually, metric, sharing } from './ground.ts'
import { percentile, startChainLoad, type ChainLoad } from './load.ts'

const skip = redisMissing

const addressesOf = (servers: readonly RedisServer[]) => servers.map(({ address }) => formatAddress(address))

/** Runs the load while something happens to the store, and a while longer. */
async function underLoad(
  t: TestContext,
  redis: object,
  happen: (mesh: TestMesh, load: ChainLoad) => Promise<void>,
): Promise<void> {
  const settings = { store: { redis }, timeouts: { linger: '5s', drain: '5s' } }
  const mesh = await startMesh(t, { settings, services: { App: { share_with: ['App'] } } })
  const load = await startChainLoad(mesh)
  await pause(1_500)
  await happen(mesh, load)
  await untilUp(mesh)
  await pause(1_000)
  const { served, failed, attacks, admitted } = await load.end()
  t.diagnostic(
    `${served} served, ${[...failed.values()].reduce((a, b) => a + b, 0)} failed; ${JSON.stringify([...attacks])}`,
  )
  assert.deepEqual([...failed], [])
  assert.deepEqual(admitted, [])
  assert.ok(served > 20 && attacks.size >= 5)
}

async function untilUp(mesh: TestMesh): Promise<void> {
  for (const sidecar of Object.values(mesh.sidecars))
    await eventually(async () => (await metric(sidecar, 'onbehalf_store_up')) === 1, 'the store is up again')
}

async function untilDown(mesh: TestMesh): Promise<void> {
  for (const sidecar of Object.values(mesh.sidecars))
    await eventually(async () => (await metric(sidecar, 'onbehalf_store_up')) === 0, 'the store is down')
}

const url = (redis: RedisServer) => sharing(redis).store.redis

test('killed, and started again empty', { skip }, async (t) => {
  const redis = await startRedis(t)
  await underLoad(t, url(redis), async (mesh) => {
    await redis.kill()
    await untilDown(mesh)
    await pause(2_000)
    await redis.restart()
  })
})

test('frozen for ten seconds', { skip }, async (t) => {
  const redis = await startRedis(t)
  await underLoad(t, url(redis), async (mesh, load) => {
    load.takeTimes()
    await pause(3_000)
    const before = percentile(load.takeTimes(), 0.99)
    redis.freeze()
    await pause(10_000)
    redis.thaw()
    const frozen = percentile(load.takeTimes(), 0.99)
    t.diagnostic(
      `p99 of a request through three services: ${before.toFixed(1)} ms before, ${frozen.toFixed(1)} ms frozen`,
    )
    // Each of four hops that waited for the store would add 50 ms.
    assert.ok(frozen < before * 3 + 50, `${frozen} ms`)
    await untilUp(mesh)
  })
})

test('flushed again and again', { skip }, async (t) => {
  const redis = await startRedis(t)
  await underLoad(t, url(redis), async () => {
    for (let i = 0; i < 40; i++) {
      await redis.call('flushall')
      await pause(50)
    }
  })
})

test('its memory full', { skip }, async (t) => {
  const redis = await startRedis(t)
  await underLoad(t, url(redis), async (mesh) => {
    await redis.call('config', 'set', 'maxmemory', '1')
    const failures = 'onbehalf_store_commands_total{command="set",outcome="error"}'
    await eventually(async () => ((await metric(mesh.sidecars.App, failures)) ?? 0) > 20, 'writes fail')
    await pause(1_000)
    await redis.call('config', 'set', 'maxmemory', '0')
  })
})

test('something else in its place, which answers garbage', { skip }, async (t) => {
  const redis = await startRedis(t)
  await underLoad(t, url(redis), async (mesh) => {
    await redis.kill()
    const garbage = [
      '*3\r\n$-7\r\n',
      '+OK\r\n'.repeat(50),
      '-WRONG secret\r\n',
      ':x\r\n',
      '\x15\x03\x01',
      '$99999999\r\n',
      '_\r\n>3\r\n',
    ]
    let i = 0
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.on('data', () => socket.write(garbage[i++ % garbage.length] as string))
    }).listen(redis.port, '127.0.0.1')
    await once(server, 'listening')
    await untilDown(mesh)
    await pause(2_000)
    const closed = once(server, 'close')
    server.close()
    for (const sidecar of Object.values(mesh.sidecars)) assert.ok(sidecar.logs.length > 0)
    await Promise.race([closed, pause(3_000)])
    await redis.restart()
  })
})

test('a failover by its sentinels', { skip }, async (t) => {
  const { master, replica, sentinels } = await startSentinels(t)
  await underLoad(t, { sentinels: addressesOf(sentinels), master: 'main' }, async (mesh) => {
    await master.kill()
    await untilDown(mesh)
    await replica.until((reply) => String(reply).includes('role:master'), 'info', 'replication')
  })
})

test('a failover in a cluster', { skip }, async (t) => {
  const { masters, replica, owner } = await startCluster(t)
  await underLoad(t, { cluster: addressesOf([...masters, replica]) }, async (mesh) => {
    await owner.kill()
    await untilDown(mesh)
    await replica.until((reply) => String(reply).includes('role:master'), 'info', 'replication')
  })
})
