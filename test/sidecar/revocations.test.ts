// What was revoked stays revoked for as long as it was revoked for, and nothing else is.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultRevocationSeconds, makeEntry, type Revocation } from '../../shared/revocation.ts'
import { RevocationList, type RevocationListOptions } from '../../sidecar/revocations.ts'
import { clockMs } from '../support/certificates.ts'
import { assertionOf, nowS } from '../support/tokens.ts'

const alice = assertionOf('user', 'alice', { sessionId: 's1', tokenId: 'j1', keyId: 'k1' })
const issuer = 'pomerium'
const daySeconds = 24 * 60 * 60

function listAt(clock: { ms: number }, options: Partial<RevocationListOptions> = {}) {
  const list = new RevocationList({ now: () => clock.ms, elapsedMs: () => clock.ms, ...options })
  const entryOf = (revocation: Revocation, forSeconds = defaultRevocationSeconds) =>
    makeEntry(revocation, forSeconds, clock.ms)
  const revoke = (revocation: Revocation, forSeconds?: number) => list.revoke(entryOf(revocation, forSeconds))
  return { list, entryOf, revoke }
}

function revoked(...revocations: readonly Revocation[]): RevocationList {
  const { list, revoke } = listAt({ ms: clockMs })
  for (const revocation of revocations) revoke(revocation)
  return list
}

test('nothing is revoked at first', () => assert.ok(!revoked().isRevoked(alice)))

const rows: readonly (readonly [what: string, revocation: Revocation, isRevoked: boolean])[] = [
  ['her session', { kind: 'session', issuer, value: 's1' }, true],
  ['another session', { kind: 'session', issuer, value: 's2' }, false],
  ['a session of that name of another issuer', { kind: 'session', issuer: 'partner', value: 's1' }, false],
  ['her token', { kind: 'jti', issuer, value: 'j1' }, true],
  ['another token', { kind: 'jti', issuer, value: 'j2' }, false],
  ['a token of that name of another issuer', { kind: 'jti', issuer: 'partner', value: 'j1' }, false],
  ['herself', { kind: 'subject', issuer, value: 'alice' }, true],
  ['somebody else', { kind: 'subject', issuer, value: 'bob' }, false],
  ['her namesake of another issuer', { kind: 'subject', issuer: 'partner', value: 'alice' }, false],
  ['the key', { kind: 'kid', value: 'k1' }, true],
  ['another key', { kind: 'kid', value: 'k2' }, false],
  ['a session with the name of her token', { kind: 'session', issuer, value: 'j1' }, false],
  ['a token with the name of her session', { kind: 'jti', issuer, value: 's1' }, false],
  ['a key with her name', { kind: 'kid', value: 'alice' }, false],
]
for (const [what, revocation, isRevoked] of rows) {
  test(`where ${what} is revoked, her assertion is ${isRevoked ? '' : 'not '}revoked`, () => {
    assert.equal(revoked(revocation).isRevoked(alice), isRevoked)
  })
}

test('an assertion that was asked for before is found when it is revoked after', () => {
  const { list, revoke } = listAt({ ms: clockMs })
  revoke({ kind: 'session', issuer, value: 'another' })
  assert.ok(!list.isRevoked(alice))
  revoke({ kind: 'session', issuer, value: 's1' })
  assert.ok(list.isRevoked(alice))
})

test('a key is revoked by itself, too, and another is not', () => {
  const list = revoked({ kind: 'kid', value: 'k1' }, { kind: 'session', issuer, value: 'k2' })
  assert.ok(list.isKeyRevoked('k1'))
  assert.ok(!list.isKeyRevoked('k2'))
})

test('an assertion without session and id is not revoked by an empty one', () => {
  const list = revoked({ kind: 'session', issuer, value: '' }, { kind: 'jti', issuer, value: '' })
  assert.ok(!list.isRevoked({ ...alice, sessionId: '', tokenId: '' }))
})

test('a subject is revoked up to that moment: what is issued later is good', () => {
  const list = revoked({ kind: 'subject', issuer, value: 'alice' })
  assert.ok(list.isRevoked({ ...alice, issuedAt: nowS - 1 }))
  assert.ok(list.isRevoked({ ...alice, issuedAt: nowS }))
  assert.ok(!list.isRevoked({ ...alice, issuedAt: nowS + 1 }))
})

test('a subject that is revoked again is revoked up to the later moment, and no earlier one takes it back', () => {
  const clock = { ms: clockMs }
  const { list, revoke } = listAt(clock)
  revoke({ kind: 'subject', issuer, value: 'alice' })
  clock.ms += 10_000
  revoke({ kind: 'subject', issuer, value: 'alice' })
  clock.ms -= 10_000
  revoke({ kind: 'subject', issuer, value: 'alice' })
  assert.ok(list.isRevoked({ ...alice, issuedAt: nowS + 10 }))
  assert.equal(list.size, 1)
})

test('a session, a token or a key is revoked for what is issued later too', () => {
  const later = { ...alice, issuedAt: nowS + 3_600 }
  for (const revocation of [
    { kind: 'session', issuer, value: 's1' },
    { kind: 'jti', issuer, value: 'j1' },
    { kind: 'kid', value: 'k1' },
  ] as const) {
    assert.ok(revoked(revocation).isRevoked(later))
  }
})

test('names with any characters are not mixed up', () => {
  const list = revoked({ kind: 'session', issuer: 'a","b', value: 'c' })
  assert.ok(!list.isRevoked({ ...alice, principal: { issuer: 'a', subject: 'x' }, sessionId: 'b","c' }))
})

test('a key is revoked for ever, a session for as long as is said, and then forgotten', () => {
  const clock = { ms: clockMs }
  const { list, revoke } = listAt(clock)
  revoke({ kind: 'kid', value: 'k1' }, 60)
  revoke({ kind: 'session', issuer, value: 's1' })
  const ofKey = { ...alice, sessionId: 'other' }
  const ofSession = { ...alice, keyId: 'other' }
  clock.ms = clockMs + (defaultRevocationSeconds - 1) * 1000
  list.sweep()
  assert.ok(list.isRevoked(ofSession), 'the session, a second before')
  clock.ms += 1_000
  assert.ok(!list.isRevoked(ofSession), 'the session, though it was not swept yet')
  list.sweep()
  assert.equal(list.size, 1)
  clock.ms += 3_650 * daySeconds * 1000
  assert.ok(list.isRevoked(ofKey), 'the key')
})

test('that a revocation is to be forgotten sooner is not heard', () => {
  const clock = { ms: clockMs }
  const { list, revoke } = listAt(clock)
  revoke({ kind: 'session', issuer, value: 's1' }, 100)
  revoke({ kind: 'session', issuer, value: 's1' }, 10)
  clock.ms += 99_000
  assert.ok(list.isRevoked(alice))
})

test('beyond what can be kept nothing is forgotten: there is a gap until all that is there could be learned', () => {
  const clock = { ms: clockMs }
  const { list, entryOf } = listAt(clock, { maxEntries: 2 })
  const session = (value: string, forSeconds?: number) =>
    list.learn(entryOf({ kind: 'session', issuer, value }, forSeconds))
  assert.deepEqual([session('s1'), session('s2', 60), session('s2', 60)], ['new', 'new', 'known'])
  assert.equal(list.gap, undefined)
  assert.equal(session('s3'), 'too_many')
  assert.equal(list.gap, 'too_many')
  assert.ok(list.isRevoked(alice))
  list.hear()
  session('s3')
  list.heard(clock.ms)
  assert.equal(list.gap, 'too_many')
  clock.ms += 60_000
  list.hear()
  assert.equal(session('s3'), 'new')
  list.heard(clock.ms)
  assert.equal(list.gap, undefined)
})

test('what was turned away while all were read is still missing then', () => {
  const clock = { ms: clockMs }
  const { list, entryOf } = listAt(clock, { maxEntries: 0 })
  list.hear()
  assert.equal(list.learn(entryOf({ kind: 'kid', value: 'k1' })), 'too_many')
  list.heard(clock.ms)
  assert.equal(list.gap, 'too_many')
})

test('what is revoked here is kept, however full it is', () => {
  const { list, revoke } = listAt({ ms: clockMs }, { maxEntries: 0 })
  revoke({ kind: 'kid', value: 'k1' })
  assert.ok(list.isRevoked(alice))
})

test('what was not heard of for longer than allowed is a gap; so is what was never heard, and a clock set back', () => {
  const clock = { ms: clockMs }
  const { list } = listAt(clock, { maxAgeMs: () => 30_000 })
  assert.equal(list.gap, 'unheard')
  list.heard(clockMs)
  clock.ms += 30_000
  assert.equal(list.gap, undefined)
  clock.ms += 1
  assert.equal(list.gap, 'unheard')
  clock.ms = clockMs - 30_001
  assert.equal(list.gap, 'unheard')
  list.heard(clock.ms)
  assert.equal(list.gap, undefined)
})

test('what has expired is not learned, and only news are told', () => {
  let told = 0
  const { list, entryOf } = listAt({ ms: clockMs })
  list.watch(() => void told++)
  const entry = entryOf({ kind: 'session', issuer, value: 's1' })
  assert.equal(list.learn({ ...entry, forgetAtSeconds: nowS }), 'expired')
  assert.equal(told, 0)
  list.learn(entry)
  list.learn(entry)
  assert.equal(told, 1)
})
