// When the master dies, or is cut off, the store goes on with the one that takes its place.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Store } from '../../../sidecar/store/store.ts'
import {
  freePort,
  redisMissing,
  settingsFor,
  standalone,
  startCluster,
  startRedis,
  startSentinels,
} from '../../support/redis.ts'
import { Heard, openObserved, whenDown } from './ground.ts'
import { setTimeout as pause } from 'node:timers/promises'

/** Until a write passes. */
async function written(store: Store): Promise<void> {
  for (let i = 0; ; i++) {
    try {
      return await store.set('key', 'after', 60_000)
    } catch (error) {
      assert.ok(i < 1_200, String(error))
      await pause(25)
    }
  }
}

suite('a failover', { skip: redisMissing, concurrency: 3 }, () => {
  test('by sentinels: what was written is there, writes pass again, and listeners are told of the gap', async (t) => {
    const { master, replica, settings } = await startSentinels(t)
    const { store } = await openObserved(t, settings)
    const heard = new Heard(store, 'certificates')
    await heard.gap(1)
    await store.set('before', 'value', 60_000)
    await master.call('wait', '1', '1000')
    await master.kill()
    await whenDown(store)
    await written(store)
    assert.equal(await store.get('before'), 'value')
    await heard.gap(2)
    await store.publish('certificates', 'after')
    assert.deepEqual(await heard.until(1), ['after'])
    assert.equal(await replica.call('get', '{onbehalf}:key'), 'after')
  })

  test('by sentinels, of a master that was frozen and comes back as a replica', async (t) => {
    const { master, replica, settings } = await startSentinels(t)
    const { store } = await openObserved(t, settings)
    master.freeze()
    await whenDown(store)
    await written(store)
    master.thaw()
    await master.until((reply) => String(reply).includes('role:slave'), 'info', 'replication')
    await written(store)
    assert.equal(await replica.call('get', '{onbehalf}:key'), 'after')
  })

  test('in a cluster: writes pass again, and listeners are told of the gap', async (t) => {
    const { owner, replica, settings } = await startCluster(t)
    const { store } = await openObserved(t, settings)
    const heard = new Heard(store, 'certificates')
    await heard.gap(1)
    await store.set('before', 'value', 60_000)
    await owner.call('wait', '1', '1000')
    await owner.kill()
    await whenDown(store)
    await written(store)
    assert.equal(await store.get('before'), 'value')
    await heard.gap(2)
    assert.equal(await replica.call('get', '{onbehalf}:key'), 'after')
  })

  test('in a cluster of which only other nodes are named, the one that keeps the prefix is found', async (t) => {
    const { owner, masters } = await startCluster(t)
    const named = masters.find((node) => node !== owner)
    assert.ok(named)
    const nodes = [{ host: '127.0.0.1', port: await freePort() }, named.address]
    const { store } = await openObserved(t, settingsFor({ kind: 'cluster', nodes }))
    await store.set('key', 'value', 60_000)
    assert.equal(await owner.call('get', '{onbehalf}:key'), 'value')
  })

  test('in a cluster by command: both connections follow to the new master', async (t) => {
    const { owner, replica, settings } = await startCluster(t)
    const { store } = await openObserved(t, settings)
    const heard = new Heard(store, 'certificates')
    await heard.gap(1)
    await replica.call('cluster', 'failover')
    await owner.until((reply) => String(reply).includes('role:slave'), 'info', 'replication')
    await written(store)
    await heard.gap(2)
    await replica.until((reply) => String(reply).includes('{onbehalf}:certificates'), 'pubsub', 'channels')
  })

  test('of a standalone server that is made a replica and a master again: writes pass again', async (t) => {
    const [server, other] = await Promise.all([startRedis(t), startRedis(t)])
    const { store, line } = await openObserved(t, standalone(server))
    await server.call('replicaof', '127.0.0.1', other.port)
    await assert.rejects(store.set('key', 'value', 60_000), /it is a replica, which cannot be written to/)
    await line(/away .*it is a replica/)
    await server.call('replicaof', 'no', 'one')
    await written(store)
  })
})
