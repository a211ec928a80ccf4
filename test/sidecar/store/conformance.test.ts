// One suite of what a store does, run against each implementation and each way to reach a Redis.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import type { StoreSettings } from '../../../shared/config/mesh.ts'
import { openStore } from '../../../sidecar/store/open-store.ts'
import { maxValueBytes, StoreUnavailable, type Scored, type Store } from '../../../sidecar/store/store.ts'
import {
  redisMissing,
  standalone,
  startCluster,
  startRedis,
  startSecureRedis,
  startSentinels,
} from '../../support/redis.ts'
import { Heard, silentLog, whenUp } from './ground.ts'

const aclFile = join(import.meta.dirname, '../../../deploy/redis/users.acl')

type Start = (t: TestContext) => Promise<StoreSettings>

/** A user that may write all, since the suite plays all parts. */
async function secure(t: TestContext): Promise<StoreSettings> {
  const acl = (await readFile(aclFile, 'utf8')).replaceAll(
    /(?<=SIDECAR_PASSWORD).*/g,
    ' ~{onbehalf}:* &{onbehalf}:* +@all',
  )
  return (await startSecureRedis(t, acl)).settings
}

const places: Readonly<Record<string, Start>> = {
  memory: async () => ({ kind: 'memory' }),
  standalone: async (t) => standalone(await startRedis(t)),
  'TLS with ACL': secure,
  cluster: async (t) => (await startCluster(t)).settings,
  sentinel: async (t) => (await startSentinels(t)).settings,
}

for (const [place, start] of Object.entries(places)) {
  suite(`a store in ${place}`, { skip: place === 'memory' ? false : redisMissing }, () => conform(start))
}

function conform(start: Start): void {
  let count = 0
  // One server for the suite: each test has names of its own.
  test('does what a store does', async (whole) => {
    const settings = await start(whole)
    const opened = async (t: TestContext): Promise<Store> => {
      const store = await openStore(settings, { now: Date.now, log: silentLog })
      t.after(() => store.close())
      return whenUp(store)
    }
    for (const [name, run] of Object.entries(behaviours)) {
      await whole.test(name, async (t) => run({ open: () => opened(t), name: `lease:${count++}` }))
    }
  })
}

interface Ground {
  readonly open: () => Promise<Store>
  /** That no other test uses. */
  readonly name: string
}

const unavailable = (error: unknown) => error instanceof StoreUnavailable

const behaviours: Readonly<Record<string, (ground: Ground) => Promise<void>>> = {
  async 'gives back what was set'({ open, name }) {
    const store = await open()
    await store.set(name, 'välue', 60_000)
    assert.equal(await store.get(name), 'välue')
  },
  async 'knows nothing of what was never set'({ open, name }) {
    assert.equal(await (await open()).get(name), undefined)
  },
  async 'forgets at the end of its life'({ open, name }) {
    const store = await open()
    await store.set(name, 'value', 1)
    while ((await store.get(name)) !== undefined) await new Promise((resolve) => setTimeout(resolve, 5))
    assert.equal(await store.get(name), undefined)
  },
  async 'takes a value as long as allowed, and none that is longer'({ open, name }) {
    const store = await open()
    const longest = 'x'.repeat(maxValueBytes)
    await store.set(name, longest, 60_000)
    assert.equal(await store.get(name), longest)
    await assert.rejects(store.set(name, `${longest}x`, 60_000), unavailable)
    await assert.rejects(store.publish(name, `${longest}x`), unavailable)
  },
  async 'gives a lease to one at a time'({ open, name }) {
    const store = await open()
    assert.equal(await store.lease(name, 'a', 60_000), true)
    assert.equal(await store.lease(name, 'b', 60_000), false)
    assert.equal(await store.lease(name, 'a', 60_000), true, 'the holder renews it')
  },
  async 'takes a lease back from its holder only'({ open, name }) {
    const store = await open()
    await store.lease(name, 'a', 60_000)
    await store.release(name, 'b')
    assert.equal(await store.lease(name, 'b', 60_000), false)
    await store.release(name, 'a')
    assert.equal(await store.lease(name, 'b', 60_000), true)
  },
  async 'gives a lease to another when it ends'({ open, name }) {
    const store = await open()
    assert.equal(await store.lease(name, 'a', 1), true)
    while (!(await store.lease(name, 'b', 60_000))) await new Promise((resolve) => setTimeout(resolve, 5))
    assert.equal(await store.lease(name, 'a', 60_000), false)
  },
  async 'merges members by their highest score'({ open, name }) {
    const store = await open()
    await store.merge(
      name,
      [
        ['a', 5],
        ['b', 2.5],
      ],
      -Infinity,
    )
    await store.merge(
      name,
      [
        ['a', 3],
        ['b', 4],
        ['c', Infinity],
      ],
      -Infinity,
    )
    assert.deepEqual(sorted(await store.members(name, -Infinity)), [
      ['a', 5],
      ['b', 4],
      ['c', Infinity],
    ])
  },
  async 'removes members below the floor'({ open, name }) {
    const store = await open()
    await store.merge(
      name,
      [
        ['a', 1],
        ['b', 2],
        ['c', 3],
      ],
      2,
    )
    assert.deepEqual(sorted(await store.members(name, -Infinity)), [
      ['b', 2],
      ['c', 3],
    ])
    await store.merge(name, [], 3)
    assert.deepEqual(sorted(await store.members(name, -Infinity)), [['c', 3]])
  },
  async 'gives members from the floor on'({ open, name }) {
    const store = await open()
    await store.merge(
      name,
      [
        ['a', 1],
        ['b', 2],
        ['c', Infinity],
      ],
      -Infinity,
    )
    assert.deepEqual(sorted(await store.members(name, 2)), [
      ['b', 2],
      ['c', Infinity],
    ])
    assert.deepEqual(await store.members(`${name}:none`, 0), [])
  },
  async 'keeps thousands of members'({ open, name }) {
    const store = await open()
    const many = Array.from({ length: 2_345 }, (_, i): Scored => [`member ${String(i).padStart(5, '0')}`, i])
    await store.merge(name, many, 10)
    assert.deepEqual(sorted(await store.members(name, 0)), many.slice(10))
  },
  async 'tells each listener of a channel of each message, in order'({ open, name }) {
    const store = await open()
    const heard = [new Heard(store, name), new Heard(store, name)]
    for (const each of heard) await each.ready()
    await store.publish(name, 'one')
    await store.publish(name, 'two')
    for (const each of heard) assert.deepEqual(await each.until(2), ['one', 'two'])
  },
  async 'tells nobody of another channel'({ open, name }) {
    const store = await open()
    const heard = new Heard(store, name)
    await heard.ready()
    await store.publish(`${name}:other`, 'not for us')
    await store.publish(name, 'for us')
    assert.deepEqual(await heard.until(1), ['for us'])
  },
  async 'tells an empty message as a gap'({ open, name }) {
    const store = await open()
    const heard = new Heard(store, name)
    await heard.ready()
    const { gaps } = heard
    await store.publish(name, '')
    await heard.gap(gaps + 1)
    assert.deepEqual(heard.messages, [])
  },
  async 'can be listened to on a second channel later'({ open, name }) {
    const store = await open()
    const first = new Heard(store, name)
    await first.ready()
    const second = new Heard(store, `${name}:second`)
    await second.ready()
    await store.publish(`${name}:second`, 'hello')
    assert.deepEqual(await second.until(1), ['hello'])
  },
}

function sorted(members: readonly Scored[]): Scored[] {
  return [...members].sort(([a], [b]) => (a < b ? -1 : 1))
}
