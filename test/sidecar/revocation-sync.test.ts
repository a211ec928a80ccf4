// What is revoked at one sidecar is known at the others, whatever is lost or taken away in between.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises'
import { makeEntry, memberOf, messageOf, type Revocation } from '../../shared/revocation.ts'
import { RevocationSync, type Rejection } from '../../sidecar/revocation-sync.ts'
import { createRevocationWriter, type Reach } from '../../sidecar/revocation-writer.ts'
import { RevocationList, type RevocationListOptions } from '../../sidecar/revocations.ts'
import { createMemoryStore } from '../../sidecar/store/memory.ts'
import {
  StoreDenied,
  StoreOverfull,
  StoreUnavailable,
  type Listener,
  type Store,
} from '../../sidecar/store/store.ts'
import { createLog } from '../../sidecar/telemetry/log.ts'
import { clockMs } from '../support/certificates.ts'
import { assertionOf, nowS } from '../support/tokens.ts'

const issuer = 'pomerium'
const alice = assertionOf('user', 'alice', { sessionId: 's1' })
const session: Revocation = { kind: 'session', issuer, value: 's1' }
const entry = makeEntry(session, 60, clockMs)

interface Node {
  readonly list: RevocationList
  readonly sync: RevocationSync
  readonly store: Store
  readonly rejected: Rejection[]
  readonly logs: string[]
  /** As the store does after a gap. */
  readonly gap: () => void
  readonly revoke: (revocation: Revocation) => Promise<Reach>
}

interface Ground {
  readonly clock: { ms: number }
  readonly shared: Store
  readonly start: (changes?: Partial<Store>, options?: Partial<RevocationListOptions>) => Promise<Node>
}

/** Sidecars on one store, each with its own view of it. */
function ground(t: TestContext): Ground {
  const clock = { ms: clockMs }
  const now = () => clock.ms
  const shared = createMemoryStore(now)
  return {
    clock,
    shared,
    async start(changes = {}, options = {}) {
      const listeners: Listener[] = []
      const store: Store = {
        ...shared,
        subscribe(channel, given) {
          listeners.push(given)
          shared.subscribe(channel, given)
        },
        ...changes,
      }
      const list = new RevocationList({ now, elapsedMs: now, ...options })
      const rejected: Rejection[] = []
      const logs: string[] = []
      const settings = { level: 'debug', format: 'json', access: 'off', linesPerSecond: 0 } as const
      const sync = new RevocationSync({
        store,
        list,
        write: createRevocationWriter(store, () => list.floorSeconds),
        log: createLog(settings, { write: (line) => logs.push(line) }, now),
        now,
        random: () => 0,
        maxAgeMs: () => 0,
        onRejected: (reason) => rejected.push(reason),
      })
      t.after(() => sync.close())
      await sync.start()
      const revoke = (revocation: Revocation) => {
        const made = makeEntry(revocation, 60, clock.ms)
        list.revoke(made)
        return sync.tell(made)
      }
      return { list, sync, store, rejected, logs, gap: () => listeners[0]?.(undefined), revoke }
    },
  }
}

const unavailable = async () => {
  throw new StoreUnavailable('the store is away')
}
const denied = async () => {
  throw new StoreDenied('an ACL rule is missing')
}

test('what one revokes the others hear, and it is there for who starts later', async (t) => {
  const { start } = ground(t)
  const [one, other] = [await start(), await start()]
  const reach = await one.revoke(session)
  assert.deepEqual(reach, { kind: 'shared', listening: 2 })
  assert.ok(other.list.isRevoked(alice))
  assert.ok((await start()).list.isRevoked(alice))
})

test('where the message is lost, it is found when all are read', async (t) => {
  const { start } = ground(t)
  const one = await start({ publish: async () => 0 })
  const other = await start()
  await one.revoke(session)
  assert.ok(!other.list.isRevoked(alice))
  await other.sync.reconcile()
  assert.ok(other.list.isRevoked(alice))
})

test('a gap in the messages makes it read all', async (t) => {
  const { start, shared } = ground(t)
  const one = await start()
  await shared.merge('revocations', [[memberOf(entry), entry.forgetAtSeconds]], 0)
  one.gap()
  await one.sync.reconcile()
  assert.ok(one.list.isRevoked(alice))
})

test('what is deleted there stays revoked here, is there again, and a third learns it', async (t) => {
  const { start, shared } = ground(t)
  const one = await start()
  await one.revoke(session)
  await shared.merge('revocations', [], Infinity)
  assert.deepEqual(await shared.members('revocations', 0), [])
  await one.sync.reconcile()
  assert.ok(one.list.isRevoked(alice))
  assert.deepEqual(await shared.members('revocations', 0), [[memberOf(entry), entry.forgetAtSeconds]])
  assert.ok(one.logs.some((line) => line.includes('missing from the store')))
  assert.ok((await start()).list.isRevoked(alice))
})

test('the union of two is known to both', async (t) => {
  const { start } = ground(t)
  const [one, other] = [await start({ publish: async () => 0 }), await start({ publish: async () => 0 })]
  await one.revoke(session)
  await other.revoke({ kind: 'kid', value: 'k' })
  await Promise.all([one.sync.reconcile(), other.sync.reconcile()])
  for (const { list } of [one, other]) {
    assert.ok(list.isRevoked(alice))
    assert.ok(list.isKeyRevoked('k'))
  }
})

test('a time is never lowered: neither by a member with an earlier one, nor by a lower score', async (t) => {
  const { start, shared, clock } = ground(t)
  const subject: Revocation = { kind: 'subject', issuer, value: 'alice' }
  const one = await start()
  await one.revoke(subject)
  const made = makeEntry(subject, 60, clock.ms)
  const earlier = { ...made, revokedAtSeconds: made.revokedAtSeconds - 100, forgetAtSeconds: nowS + 1 }
  await shared.merge('revocations', [[memberOf(earlier), earlier.forgetAtSeconds]], 0)
  await shared.publish('revocations', messageOf(earlier))
  await one.sync.reconcile()
  clock.ms += 59_000
  assert.ok(one.list.isRevoked(alice))
})

test('what is revoked while the store is away holds here, and is told when it is back, once', async (t) => {
  const { start, shared } = ground(t)
  const other = await start()
  const away: Pick<Store, 'merge'> = { merge: unavailable }
  const one = await start({ merge: (...args) => away.merge(...args) })
  const reach = await one.revoke(session)
  assert.equal(reach.kind, 'unreachable')
  assert.ok(one.list.isRevoked(alice))
  assert.ok(!other.list.isRevoked(alice))
  let told = 0
  shared.subscribe('revocations', () => void told++)
  away.merge = (...args) => shared.merge(...args)
  for (let i = 0; i < 2; i++) await one.sync.reconcile()
  assert.ok(other.list.isRevoked(alice))
  assert.equal(told, 1)
})

test('what is revoked while others are told of something else is told too', async (t) => {
  const { start, shared } = ground(t)
  const away: Pick<Store, 'merge'> = { merge: unavailable }
  const one = await start({ merge: (...args) => away.merge(...args) })
  await one.revoke(session)
  const heard: (string | undefined)[] = []
  shared.subscribe('revocations', (message) => heard.push(message))
  const [begun, held] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  away.merge = async (...args) => {
    begun.resolve()
    await held.promise
    await shared.merge(...args)
  }
  const reconciled = one.sync.reconcile()
  await begun.promise
  away.merge = unavailable
  await one.revoke({ kind: 'kid', value: 'k' })
  held.resolve()
  await reconciled
  away.merge = (...args) => shared.merge(...args)
  await one.sync.reconcile()
  assert.equal(heard.filter((message) => message?.endsWith(' inf')).length, 1)
})

test('a store that does not come to an end holds up no end of ours', async (t) => {
  const { start } = ground(t)
  const away: Pick<Store, 'members'> = { members: unavailable }
  const one = await start({ isUp: false, members: (...args) => away.members(...args) })
  away.members = () => new Promise<never>(() => undefined)
  void one.sync.reconcile()
  // Somebody must keep the process alive.
  const alive = setInterval(() => undefined, 1_000)
  await one.sync.close()
  clearInterval(alive)
})

test('who may not write reads on, says so once and at debug, and asks no more for a while', async (t) => {
  const { start, shared, clock } = ground(t)
  let asked = 0
  const merge: Store['merge'] = () => {
    asked++
    return denied()
  }
  const one = await start({ merge })
  assert.equal((await one.revoke(session)).kind, 'not_permitted')
  for (let i = 0; i < 3; i++) await one.sync.reconcile()
  assert.equal(asked, 2)
  await shared.merge(
    'revocations',
    [[memberOf(makeEntry({ kind: 'kid', value: 'k' }, 60, clock.ms)), Infinity]],
    0,
  )
  await one.sync.reconcile()
  assert.ok(one.list.isKeyRevoked('k'))
  assert.equal(one.logs.filter((line) => line.includes('may not write')).length, 1)
  assert.ok(one.logs.every((line) => line.includes('"debug"')))
  one.gap()
  await one.sync.reconcile()
  assert.equal(asked, 3)
})

test('with a credential of its own for revoking, that one writes, and is closed again', async (t) => {
  const { shared, clock } = ground(t)
  let closed = 0
  const revoker: Store = { ...shared, close: async () => void closed++ }
  const store: Store = { ...shared, merge: denied }
  const write = createRevocationWriter(
    store,
    () => clock.ms / 1000,
    async () => revoker,
  )
  assert.equal((await write([entry], true)).kind, 'shared')
  assert.equal(closed, 1)
  assert.equal((await shared.members('revocations', 0)).length, 1)
})

test('without word of the store it is not heard of; with it, it is', async (t) => {
  const { start, shared, clock } = ground(t)
  const away: Pick<Store, 'members'> = { members: (...args) => shared.members(...args) }
  const one = await start({ members: (...args) => away.members(...args) }, { maxAgeMs: () => 30_000 })
  assert.equal(one.list.gap, undefined)
  away.members = unavailable
  clock.ms += 30_001
  await one.sync.reconcile()
  assert.equal(one.list.gap, 'unheard')
  away.members = (...args) => shared.members(...args)
  await one.sync.reconcile()
  assert.equal(one.list.gap, undefined)
})

test('garbage in the set and on the channel is ignored and counted, and what is beside it is learned', async (t) => {
  const { start, shared } = ground(t)
  const one = await start()
  await shared.publish('revocations', 'garbage')
  await shared.publish('revocations', JSON.stringify(session))
  assert.deepEqual(one.rejected, ['malformed', 'malformed'])
  const members = [
    ['garbage', Infinity],
    [`${memberOf(entry)}x`, nowS + 60],
    [memberOf(entry), entry.forgetAtSeconds],
  ] as const
  await shared.merge('revocations', members, 0)
  await one.sync.reconcile()
  assert.equal(one.rejected.length, 4)
  assert.ok(one.list.isRevoked(alice))
  assert.equal(one.list.size, 1)
  assert.equal(one.logs.filter((line) => line.includes('no revocation')).length, 1)
})

test('more than can be kept is a gap, counted and said; it is over when they are gone', async (t) => {
  const { start, shared, clock } = ground(t)
  const one = await start({}, { maxEntries: 1 })
  await one.revoke(session)
  const flood = makeEntry({ kind: 'session', issuer, value: 'flood' }, 100, clock.ms)
  await shared.merge('revocations', [[memberOf(flood), flood.forgetAtSeconds]], 0)
  await one.sync.reconcile()
  assert.equal(one.list.gap, 'too_many')
  assert.ok(one.list.isRevoked(alice))
  assert.deepEqual(one.rejected, ['too_many'])
  assert.ok(one.logs.some((line) => line.includes('"error"') && line.includes('more is revoked')))
  await shared.merge('revocations', [], nowS + 101)
  await one.sync.reconcile()
  assert.equal(one.list.gap, undefined)
  assert.ok(one.list.isRevoked(alice))
})

test('more than can be read is a gap, counted and said; it is over when they are gone', async (t) => {
  const { start, shared } = ground(t)
  let isOverfull = true
  const one = await start({
    members: async (...args) => {
      if (isOverfull) throw new StoreOverfull('too many')
      return shared.members(...args)
    },
  })
  assert.equal(one.list.gap, 'too_many')
  assert.deepEqual(one.rejected, ['too_many'])
  isOverfull = false
  await one.sync.reconcile()
  assert.equal(one.list.gap, undefined)
})

test('that they cannot be read is said while the store answers, and does not keep the next thing from being said', async (t) => {
  const { start, shared } = ground(t)
  const asked: Pick<Store, 'members'> = { members: unavailable }
  const one = await start({ members: (...args) => asked.members(...args) })
  assert.match(one.logs.join(''), /the revocations in the store cannot be read/)
  await shared.merge('revocations', [['garbage', 2e9]], 0)
  asked.members = (...args) => shared.members(...args)
  await one.sync.reconcile()
  assert.match(one.logs.join(''), /what is no revocation is in the store among them/)
})

test('reading that takes long is not done again at once, however often there is a gap', async (t) => {
  const { start, shared } = ground(t)
  let reads = 0
  const one = await start({
    members: async (...args) => {
      reads++
      await pause(200)
      return shared.members(...args)
    },
  })
  const startedMs = performance.now()
  while (performance.now() - startedMs < 1_500) {
    one.gap()
    await pause(20)
  }
  assert.ok(reads <= 3 + (performance.now() - startedMs) / 1_000, `${reads} reads`)
})

test('gaps without end do not make it read without end', async (t) => {
  const { start, shared } = ground(t)
  let reads = 0
  const one = await start({
    members: (...args) => {
      reads++
      return shared.members(...args)
    },
  })
  const startedMs = performance.now()
  for (let i = 0; i < 1_000; i++) {
    one.gap()
    await turn()
  }
  const elapsedMs = performance.now() - startedMs
  assert.ok(reads <= 3 + elapsedMs / 250, `${reads} reads in ${elapsedMs} ms`)
})

test('a start waits for what is there, also where a first reading fails', async (t) => {
  const { start, shared } = ground(t)
  await shared.merge('revocations', [[memberOf(entry), entry.forgetAtSeconds]], 0)
  let fails = 1
  const one = await start({ members: (...args) => (fails-- > 0 ? unavailable() : shared.members(...args)) })
  assert.ok(one.list.isRevoked(alice))
})

test('a start does not wait for a store that is away, nor for ever for one that says nothing', async (t) => {
  const { start } = ground(t)
  await start({ isUp: false, members: unavailable })
  await start({ members: unavailable })
})

test('another’s clock that is an hour ahead takes nothing from the store', async (t) => {
  const { start, shared, clock } = ground(t)
  const one = await start()
  await one.revoke(session)
  clock.ms += 60 * 60 * 1000
  await one.revoke({ kind: 'kid', value: 'k' })
  assert.equal((await shared.members('revocations', 0)).length, 2)
})
