// What was revoked stays revoked, and nothing else is.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RevocationList, type Revocation } from '../../sidecar/revocations.ts'
import { clockMs } from '../support/certificates.ts'
import { assertionOf, nowS } from '../support/tokens.ts'

const alice = assertionOf('user', 'alice', { sessionId: 's1', tokenId: 'j1', keyId: 'k1' })
const issuer = 'pomerium'

function revoked(...revocations: readonly Revocation[]): RevocationList {
  const list = new RevocationList()
  for (const revocation of revocations) list.revoke(revocation, clockMs)
  return list
}

test('nothing is revoked at first', () => assert.ok(!new RevocationList().isRevoked(alice)))

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

test('a subject is revoked up to that moment: what is issued later is good', () => {
  const list = revoked({ kind: 'subject', issuer, value: 'alice' })
  assert.ok(list.isRevoked({ ...alice, issuedAt: nowS - 1 }))
  assert.ok(list.isRevoked({ ...alice, issuedAt: nowS }))
  assert.ok(!list.isRevoked({ ...alice, issuedAt: nowS + 1 }))
})

test('a subject that is revoked again is revoked up to the later moment', () => {
  const list = revoked({ kind: 'subject', issuer, value: 'alice' })
  list.revoke({ kind: 'subject', issuer, value: 'alice' }, clockMs + 10_000)
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

test('a revocation is not undone by time: a key that leaked is never good again', () => {
  const list = revoked({ kind: 'kid', value: 'k1' }, { kind: 'session', issuer, value: 's1' })
  const yearLaterMs = clockMs + 365 * 24 * 60 * 60 * 1000
  list.revoke({ kind: 'jti', issuer, value: 'other' }, yearLaterMs)
  const later = { ...alice, issuedAt: yearLaterMs / 1000, expiresAt: yearLaterMs / 1000 + 300 }
  assert.ok(list.isRevoked({ ...later, sessionId: 'other' }), 'the key')
  assert.ok(list.isRevoked({ ...later, keyId: 'other' }), 'the session')
})
