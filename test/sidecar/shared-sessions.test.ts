// What was redeemed is worth what it would be worth now: under the keys, the mesh file and the time of now.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Refusal } from '../../shared/errors.ts'
import type { Session } from '../../shared/session.ts'
import { Sessions } from '../../sidecar/sessions.ts'
import type { Members } from '../../sidecar/statement.ts'
import { SharedSessions, type CarriedUser } from '../../sidecar/shared-sessions.ts'
import { createMemoryStore } from '../../sidecar/store/memory.ts'
import { StoreUnavailable, type Store } from '../../sidecar/store/store.ts'
import { clockMs } from '../support/certificates.ts'
import { assertionOf, meshOf, nowS } from '../support/tokens.ts'

const originalUserGraceMs = 3_600_000
const alice = assertionOf('user', 'alice', { expiresAt: nowS + 60 })

/** A pod that took alice's request, directly or carried by an account, and a worker of the same service. */
function scene(isEntry: boolean) {
  const live = { nowMs: clockMs, basis: {}, mesh: sharing(), isUp: true, isGood: true }
  const verified: CarriedUser[] = []
  const shared = createMemoryStore(() => live.nowMs)
  const store: Store = {
    ...shared,
    kind: 'redis',
    get: (key) => (live.isUp ? shared.get(key) : Promise.reject(new StoreUnavailable('away'))),
  }
  const options = {
    store,
    mesh: () => live.mesh,
    basis: () => live.basis,
    statements: {
      sign: (_service: string, _sinceMs: number, members: Members) => JSON.stringify(members),
      read: (_service: string, signed: string) => JSON.parse(signed) as Members,
    },
    verify: async (carried: CarriedUser) => {
      verified.push(carried)
      if (!live.isGood) throw new Refusal('original_user_key_unknown', 'no such key any more')
      return { originalUser: alice, evidence: undefined }
    },
    count: () => undefined,
    now: () => live.nowMs,
  }
  const taker = new Sessions({
    service: 'API',
    now: () => live.nowMs,
    maxBytes: () => 0,
    lingerMs: () => 0,
    shared: new SharedSessions(options),
  })
  const { handle } = isEntry
    ? taker.keep(alice, undefined)
    : taker.keep(assertionOf('service_account', 'api-access'), alice)
  return { live, handle, verified, worker: new SharedSessions(options) }
}

const sharing = (shareWith: readonly string[] = ['API']) =>
  meshOf({ service: 'API', shareWith: new Set(shareWith), evidence: 'verify', originalUserGraceMs })

const userOf = (session: Session | undefined) => session?.originalUser

test('what was redeemed is verified again when keys or the mesh file have changed, without the store', async () => {
  const { live, handle, verified, worker } = scene(true)
  assert.equal(await worker.redeem(handle), 'found')
  assert.equal(userOf(worker.get(handle)), alice)
  live.basis = {}
  live.isUp = false
  assert.equal(worker.get(handle), undefined)
  assert.equal(await worker.redeem(handle), 'found')
  assert.equal(userOf(worker.get(handle)), alice)
  assert.deepEqual(verified[1], verified[0])
})

test('a user whose key is gone is not called for any more', async () => {
  const { live, handle, worker } = scene(true)
  await worker.redeem(handle)
  live.basis = {}
  live.isGood = false
  assert.equal(await worker.redeem(handle), 'unknown')
  assert.equal(worker.get(handle), undefined)
})

test('what is shared no more is not redeemed again', async () => {
  const { live, handle, worker } = scene(true)
  await worker.redeem(handle)
  live.basis = {}
  live.mesh = sharing([])
  assert.equal(await worker.redeem(handle), 'unknown')
  assert.equal(worker.get(handle), undefined)
})

for (const isEntry of [true, false]) {
  test(`a user who came in ${isEntry ? 'here has' : 'without evidence has no'} grace`, async () => {
    const { live, handle, worker } = scene(isEntry)
    await worker.redeem(handle)
    live.nowMs = alice.expiresAt * 1000 + originalUserGraceMs
    assert.equal(userOf(worker.get(handle)), isEntry ? alice : undefined)
  })
}
