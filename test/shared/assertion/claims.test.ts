// Each claim is of its right type, or the token is malformed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readClaims } from '../../../shared/assertion/claims.ts'
import { MalformedToken } from '../../../shared/assertion/jws.ts'

const least = { iss: 'app.example.com', sub: 'alice', aud: 'app.example.com', iat: 1_000, exp: 1_300 }

test('a token needs no more than iss, sub, aud, iat and exp', () => {
  assert.deepEqual(readClaims(least), {
    issuer: 'app.example.com',
    subject: 'alice',
    audience: 'app.example.com',
    expiresAt: 1_300,
    issuedAt: 1_000,
    notBefore: undefined,
    tokenId: '',
    sessionId: '',
    user: undefined,
    email: '',
    groups: [],
    name: '',
  })
})

test('the claims of a Pomerium assertion are all read', () => {
  const more = {
    nbf: 999,
    jti: 'j',
    sid: 's',
    user: 'alice',
    email: 'a@b.c',
    groups: ['x', 'y'],
    name: 'Alice',
  }
  const claims = readClaims({ ...least, ...more })
  const { notBefore, tokenId, sessionId, user, email, groups, name } = claims
  assert.deepEqual({ nbf: notBefore, jti: tokenId, sid: sessionId, user, email, groups, name }, more)
})

test('an empty subject is read: it stands for nobody', () => {
  assert.equal(readClaims({ ...least, sub: '' }).subject, '')
})

for (const claim of Object.keys(least)) {
  test(`${claim} must be there`, () => {
    assert.throws(() => readClaims({ ...least, [claim]: undefined }), MalformedToken)
    const { [claim as 'iss']: _gone, ...others } = least
    assert.throws(() => readClaims(others), MalformedToken)
  })
}

test('a claim of a prototype is not the token’s own', () => {
  assert.throws(
    () => readClaims(JSON.parse('{"__proto__":{"iss":"x","sub":"x","aud":"x","iat":1,"exp":1}}')),
    MalformedToken,
  )
})

const notText: readonly unknown[] = [null, 0, 1, true, false, [], ['alice'], {}, { toString: 'alice' }]
for (const claim of ['iss', 'sub', 'aud', 'jti', 'sid', 'user', 'email', 'name']) {
  test(`${claim} must be a string`, () => {
    for (const value of notText)
      assert.throws(() => readClaims({ ...least, [claim]: value }), MalformedToken, JSON.stringify(value))
  })
}

test('aud is never a list, not even of one', () => {
  assert.throws(() => readClaims({ ...least, aud: ['app.example.com'] }), MalformedToken)
})

const notTimes: readonly unknown[] = [
  null,
  '1000',
  '',
  1000.5,
  0.1,
  -1,
  -0.5,
  1e16,
  2 ** 53,
  1e308,
  Infinity,
  NaN,
  true,
  [],
  [1000],
  {},
]
for (const claim of ['iat', 'exp', 'nbf']) {
  test(`${claim} must be a time in whole seconds from 1970`, () => {
    for (const value of notTimes)
      assert.throws(() => readClaims({ ...least, [claim]: value }), MalformedToken, String(value))
  })

  test(`${claim} in milliseconds is malformed: it would be far in the future for ever`, () => {
    assert.throws(() => readClaims({ ...least, [claim]: Date.UTC(2026, 0, 1) }), /milliseconds/)
  })

  test(`${claim} may be the first and the last second there is`, () => {
    assert.doesNotThrow(() => readClaims({ ...least, [claim]: 0 }))
    assert.doesNotThrow(() => readClaims({ ...least, [claim]: Date.UTC(9999, 11, 31, 23, 59, 59) / 1000 }))
    assert.doesNotThrow(() => readClaims({ ...least, [claim]: JSON.parse('1.0e3') }))
  })
}

test('a time that JSON makes infinite is malformed', () => {
  assert.throws(() => readClaims({ ...least, exp: JSON.parse('1e400') }), MalformedToken)
})

for (const groups of [
  null,
  'staff',
  'staff,admin',
  1,
  true,
  {},
  { 0: 'staff' },
  [1],
  [null],
  ['staff', 1],
  [['staff']],
  [{}],
]) {
  test(`groups is not ${JSON.stringify(groups)}`, () => {
    assert.throws(() => readClaims({ ...least, groups }), MalformedToken)
  })
}

test('whatever a claim is, the message names the claim and never its value', () => {
  const claim = fc.constantFrom('iss', 'sub', 'aud', 'iat', 'exp', 'nbf', 'jti', 'groups')
  const value = fc.oneof(fc.constant('SECRET'), fc.constant(['SECRET', 1]), fc.constant({ SECRET: 1 }))
  fc.assert(
    fc.property(claim, value, (name, given) => {
      try {
        readClaims({ ...least, [name]: given })
      } catch (error) {
        assert.ok(error instanceof MalformedToken)
        assert.match(error.message, new RegExp(`^${name} is `))
        assert.doesNotMatch(error.message, /SECRET/)
      }
    }),
  )
})
