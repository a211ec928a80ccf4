// What an app is told of who calls: of verified assertions only, and nothing that could break a field.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { identityHeaders } from '../../../shared/headers/identity-headers.ts'
import type { Assertion } from '../../../shared/identity.ts'
import { assertionOf, meshOf, routeOf, userClaims } from '../../support/tokens.ts'

const route = routeOf()
const mesh = meshOf()
const caller = assertionOf('user', 'alice', {
  token: 'alice-token',
  claims: userClaims({ groups: ['staff', 'finance'], custom: 'x' }),
})
const account = assertionOf('service_account', 'api-access', {
  token: 'account-token',
  claims: { sub: 'api-access', email: '', groups: [] },
})
const bob = assertionOf('user', 'bob', { token: 'bob-token', email: 'bob@example.com', groups: ['a', 'b'] })

/** Values by name, which must be there once. */
function valuesOf(headers: readonly string[]): Record<string, string> {
  const values: Record<string, string> = {}
  for (let i = 0; i < headers.length; i += 2) {
    const name = (headers[i] as string).toLowerCase()
    assert.ok(!(name in values), `${name} twice`)
    values[name] = headers[i + 1] as string
  }
  return values
}

test('a user who calls directly is named, and there is no original user beside', () => {
  assert.deepEqual(valuesOf(identityHeaders({ caller, route }, mesh)), {
    'x-pomerium-jwt-assertion': 'alice-token',
    'x-pomerium-authenticated-user-id': 'alice',
    'x-pomerium-authenticated-user-email': 'alice@example.com',
    'x-pomerium-authenticated-user-groups': 'staff,finance',
  })
})

test('a service account and its original user are both named, and not mixed up', () => {
  assert.deepEqual(valuesOf(identityHeaders({ caller: account, originalUser: bob, route }, mesh)), {
    'x-pomerium-jwt-assertion': 'account-token',
    'x-pomerium-authenticated-user-id': 'api-access',
    'x-pomerium-authenticated-user-email': '',
    'x-pomerium-authenticated-user-groups': '',
    'x-pomerium-jwt-assertion-for': 'bob-token',
    'x-pomerium-original-user-id': 'bob',
    'x-pomerium-original-user-email': 'bob@example.com',
    'x-pomerium-original-user-groups': 'a,b',
  })
})

test('who or what has a name with blanks around it, which no reader would see, is not named', () => {
  const named = assertionOf('user', ' bob', { email: 'bob@example.com\t', groups: ['a ', 'b'], name: 'Bob ' })
  const claims = userClaims({ sub: 'alice ', email: ' alice@example.com', groups: ['staff', ' admins'] })
  const told = valuesOf(identityHeaders({ caller: withClaims(claims), originalUser: named, route }, mesh))
  assert.equal(told['x-pomerium-authenticated-user-id'], '')
  assert.equal(told['x-pomerium-authenticated-user-email'], '')
  assert.equal(told['x-pomerium-authenticated-user-groups'], 'staff')
  assert.equal(told['x-pomerium-original-user-id'], '')
  assert.equal(told['x-pomerium-original-user-email'], '')
  assert.equal(told['x-pomerium-original-user-groups'], 'b')
})

test('without pass_identity_headers nothing is said', () => {
  const silent = routeOf({ passIdentityHeaders: false })
  assert.deepEqual(identityHeaders({ caller, originalUser: bob, route: silent }, mesh), [])
})

test('without a route nothing is said', () => assert.deepEqual(identityHeaders({ caller }, mesh), []))

test('without an assertion nothing is said, not even of an original user', () => {
  assert.deepEqual(identityHeaders({ route, originalUser: bob }, mesh), [])
})

const withClaims = (claims: Assertion['claims']) => assertionOf('user', 'alice', { claims })
function claimValue(value: unknown): string | undefined {
  const told = identityHeaders(
    { caller: withClaims({ x: value }), route },
    { claimHeaders: [{ header: 'x-x', claim: 'x' }] },
  )
  return valuesOf(told)['x-x']
}

const shown: readonly (readonly [value: unknown, header: string])[] = [
  ['text', 'text'],
  ['', ''],
  [undefined, ''],
  [null, ''],
  [7, '7'],
  [true, 'true'],
  [false, 'false'],
  [[], ''],
  [['a'], 'a'],
  [['a', 'b'], 'a,b'],
  [['a', null, 1], 'a,,1'],
  [{ a: 1 }, '{"a":1}'],
  ['Zoë', 'Zo\u00c3\u00ab'],
  ['日', '\u00e6\u0097\u00a5'],
  [['Zoë', 'b'], 'Zo\u00c3\u00ab,b'],
]
for (const [value, header] of shown) {
  test(`a claim ${JSON.stringify(value)} is shown as ${JSON.stringify(header)}`, () =>
    assert.equal(claimValue(value), header))
}

for (const code of [0, 9, 10, 13, 27, 31, 127]) {
  test(`a claim with the character ${code} in it is shown as nothing`, () => {
    assert.equal(claimValue(`a${String.fromCharCode(code)}b`), '')
    assert.equal(claimValue(['a', `${String.fromCharCode(code)}b`]), '')
  })
}

test('an original user with a line feed in its name is shown as nothing', () => {
  const evil = assertionOf('user', 'bob\r\nX-Admin: 1', { email: 'a\nb', groups: ['a', 'b\n'] })
  const values = valuesOf(identityHeaders({ caller: account, originalUser: evil, route }, mesh))
  assert.equal(values['x-pomerium-original-user-id'], '')
  assert.equal(values['x-pomerium-original-user-email'], '')
  assert.equal(values['x-pomerium-original-user-groups'], '')
})

test('a missing claim sets its header to an empty string, so that the app never takes a peer’s', () => {
  const values = valuesOf(identityHeaders({ caller: withClaims({}), route }, mesh))
  assert.equal(values['x-pomerium-authenticated-user-email'], '')
})

test('a claim that every object has by birth is not shown', () => {
  for (const claim of ['constructor', 'toString', '__proto__']) {
    const told = identityHeaders(
      { caller: withClaims({}), route },
      { claimHeaders: [{ header: 'x-x', claim }] },
    )
    assert.equal(valuesOf(told)['x-x'], '', claim)
  }
})

test('whatever a claim is, its header is a valid field of bytes, and decodes to what the claim says', () => {
  const values = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }))
  fc.assert(
    fc.property(values, (value) => {
      const header = claimValue(value) as string
      // Field values of RFC 9110 section 5.5: visible ASCII, blank, and what lies beyond it.
      assert.match(header, /^[\u0020-\u007e\u0080-\u00ff]*$/)
      if (header !== '' && value.isWellFormed())
        assert.equal(Buffer.from(header, 'latin1').toString('utf8'), value)
    }),
    { numRuns: 500 },
  )
})
