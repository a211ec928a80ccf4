// A single-use assertion is accepted once, for as long as it could be accepted at all.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UsedTokens } from '../../sidecar/used-tokens.ts'
import { clockMs } from '../support/certificates.ts'
import { assertionOf, nowS, refusalOf } from '../support/tokens.ts'

const using = (tokenId: string, changes: Parameters<typeof assertionOf>[2] = {}) =>
  assertionOf('user', 'alice', { tokenId, ...changes })

test('an assertion is used once', () => {
  const used = new UsedTokens(() => clockMs)
  used.use(using('a'))
  assert.equal(
    refusalOf(() => used.use(using('a'))),
    'assertion_reused',
  )
  assert.doesNotThrow(() => used.use(using('b')))
})

test('it is the jti that is used up, whatever else the token says', () => {
  const used = new UsedTokens(() => clockMs)
  used.use(using('a'))
  assert.equal(
    refusalOf(() => used.use(using('a', { token: 'another', expiresAt: nowS + 900 }))),
    'assertion_reused',
  )
})

test('the same jti of another issuer is another', () => {
  const used = new UsedTokens(() => clockMs)
  used.use(using('a'))
  assert.doesNotThrow(() => used.use(using('a', { principal: { issuer: 'partner', subject: 'alice' } })))
})

test('an assertion without jti is malformed, every time', () => {
  const used = new UsedTokens(() => clockMs)
  for (let i = 0; i < 2; i++)
    assert.equal(
      refusalOf(() => used.use(using(''))),
      'assertion_malformed',
    )
  assert.equal(used.size, 0)
})

test('an assertion is remembered until it has expired with the skew, and then forgotten', () => {
  const clock = { ms: clockMs }
  const used = new UsedTokens(() => clock.ms)
  used.use(using('a', { expiresAt: nowS + 10 }))
  clock.ms += 70_000
  assert.equal(
    refusalOf(() => used.use(using('a', { expiresAt: nowS + 10 }))),
    'assertion_reused',
  )
  clock.ms += 1_001
  used.use(using('b', { expiresAt: nowS + 300 }))
  assert.equal(used.size, 1)
})

test('one that lives long does not keep those behind it from being forgotten', () => {
  const clock = { ms: clockMs }
  const used = new UsedTokens(() => clock.ms)
  used.use(using('long', { expiresAt: nowS + 86_400 }))
  for (let i = 0; i < 100; i++) used.use(using(`short ${i}`, { expiresAt: nowS }))
  clock.ms += 62_000
  used.use(using('new', { expiresAt: nowS + 300 }))
  assert.equal(used.size, 2)
})

test('beyond the bound a new one is refused, and no old one becomes usable again', () => {
  const used = new UsedTokens(() => clockMs)
  for (let i = 0; i < 200_000; i++) used.use(using(String(i)))
  assert.equal(
    refusalOf(() => used.use(using('one more'))),
    'overloaded',
  )
  assert.equal(
    refusalOf(() => used.use(using('0'))),
    'assertion_reused',
  )
  assert.equal(used.size, 200_000)
})
