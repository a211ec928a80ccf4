// Every matcher, and every criterion about who somebody is.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { account, admits, alice, assertion, bob, denies, matches } from './support.ts'

const stringMatchers: [matcher: unknown, value: string, expected: boolean][] = [
  ['alice', 'alice', true],
  ['alice', 'Alice', false],
  [{ is: 'alice' }, 'alice', true],
  [{ is: 'alice' }, 'alice2', false],
  [{ not: 'alice' }, 'bob', true],
  [{ not: 'alice' }, 'alice', false],
  [{ contains: 'lic' }, 'alice', true],
  [{ contains: 'LIC' }, 'alice', false],
  [{ starts_with: 'al' }, 'alice', true],
  [{ starts_with: 'li' }, 'alice', false],
  [{ ends_with: 'ce' }, 'alice', true],
  [{ ends_with: 'ic' }, 'alice', false],
  [{ in: ['bob', 'alice'] }, 'alice', true],
  [{ in: ['bob', 'alice'] }, 'carol', false],
  [{ not_in: ['bob', 'alice'] }, 'carol', true],
  [{ not_in: ['bob', 'alice'] }, 'alice', false],
  [{ starts_with: 'a', ends_with: 'e' }, 'alice', true],
  [{ starts_with: 'a', ends_with: 'x' }, 'alice', false],
  [{ starts_with: 'b', ends_with: 'e' }, 'alice', false],
]
for (const [matcher, subject, expected] of stringMatchers) {
  test(`the string matcher ${JSON.stringify(matcher)} on ${subject} is ${expected}`, () => {
    assert.equal(matches({ user: matcher }, { caller: assertion({ subject }) }), expected)
  })
}

const listMatchers: [matcher: unknown, groups: string[], expected: boolean][] = [
  ['dev', ['ops', 'dev'], true],
  ['dev', ['ops'], false],
  [{ has: 'dev' }, ['ops', 'dev'], true],
  [{ has: 'dev' }, ['Dev', 'developers'], false],
  [{ is: 'dev' }, ['dev'], true],
  [{ is: 'dev' }, ['dev', 'ops'], false],
  [{ is: 'dev' }, ['dev', 'dev'], false],
  [{ is: 'dev' }, [], false],
  [{ exclude: 'dev' }, ['ops'], true],
  [{ exclude: 'dev' }, [], true],
  [{ exclude: 'dev' }, ['ops', 'dev'], false],
  [{ has: 'dev', exclude: 'ops' }, ['dev'], true],
  [{ has: 'dev', exclude: 'ops' }, ['dev', 'ops'], false],
  [{ has: 'dev' }, ['x,dev'], false],
]
for (const [matcher, list, expected] of listMatchers) {
  test(`the list matcher ${JSON.stringify(matcher)} on ${JSON.stringify(list)} is ${expected}`, () => {
    assert.equal(matches({ groups: matcher }, { caller: assertion({ groups: list }) }), expected)
    assert.equal(matches({ chain: matcher }, { chain: list }), expected)
  })
}

test('accept admits anybody, reject nobody', () => {
  assert.equal(matches({ accept: true }, { caller: undefined }), true)
  assert.equal(matches({ reject: true }), false)
  assert.equal(admits({ allow: { not: [{ reject: true }] } }), true)
})

test('constant criteria take any data but no', () => {
  assert.equal(matches({ accept: 1 }), true)
  assert.equal(matches({ authenticated_user: null }), true)
})

test('authenticated_user is anybody with a subject', () => {
  assert.equal(matches({ authenticated_user: true }), true)
  assert.equal(matches({ authenticated_user: true }, { caller: account }), true)
})

test('user is the subject', () => {
  assert.equal(matches({ user: 'api-access' }, { caller: account }), true)
  assert.equal(matches({ user: 'alice@example.com' }), false)
})

test('email is the email', () => {
  assert.equal(matches({ email: 'alice@example.com' }), true)
  assert.equal(matches({ email: 'alice' }), false)
})

test('domain is what follows the last @', () => {
  assert.equal(matches({ domain: 'example.com' }), true)
  assert.equal(matches({ domain: 'Example.com' }), false)
  const tricky = assertion({ email: 'x@example.com@evil.org' })
  assert.equal(matches({ domain: 'example.com' }, { caller: tricky }), false)
  assert.equal(denies({ or: [{ domain: 'evil.org' }] }, { caller: tricky }), true)
  assert.equal(matches({ domain: 'alice' }, { caller: assertion({ email: 'alice' }) }), false)
})

test('an empty email matches no email criterion that admits, whatever the matcher', () => {
  for (const criterion of [
    { email: { not: 'bob@other.org' } },
    { email: { not_in: ['bob@other.org'] } },
    { domain: { not: 'other.org' } },
  ]) {
    assert.equal(matches(criterion, { caller: account }), false)
    assert.equal(matches(criterion, { caller: alice }), true)
  }
})

test('an empty email is not one that a negated rule means', () => {
  assert.equal(admits({ allow: { not: [{ email: 'bob@other.org' }] } }, { caller: account }), true)
  assert.equal(admits({ allow: { not: [{ email: { not: 'bob@other.org' } }] } }, { caller: account }), false)
})

test('an empty email does not slip through a deny rule for all but some', () => {
  assert.equal(denies({ not: [{ domain: 'example.com' }] }, { caller: account }), true)
  assert.equal(denies({ or: [{ domain: { not: 'example.com' } }] }, { caller: account }), true)
  assert.equal(denies({ or: [{ domain: 'example.com' }] }, { caller: account }), false)
})

test('issuer is the name of the issuer: the same user of another is someone else', () => {
  const criteria = [{ user: 'alice' }, { issuer: 'partner' }]
  assert.equal(admits({ allow: { and: criteria } }), false)
  assert.equal(admits({ allow: { and: criteria } }, { caller: assertion({ issuer: 'partner' }) }), true)
  assert.equal(matches({ issuer: { in: ['mesh'] } }, { caller: account }), true)
  assert.equal(matches({ issuer: { not_in: ['mesh'] } }, { caller: account }), false)
  assert.equal(
    matches({ issuer: { starts_with: 'part' } }, { caller: assertion({ issuer: 'partner' }) }),
    true,
  )
})

const claims = {
  family_name: 'Smith',
  level: 5,
  admin: true,
  roles: ['dev', 'ops', 7],
  'a.b': 'exact dot',
  'c/d': 'exact slash',
  a: { b: 'nested dot', deep: { er: 'found' } },
  c: { d: 'nested slash' },
  nothing: null,
  object: {},
  objects: [{}],
  joined: 'dev,ops',
}
const claimCases: [criterion: Record<string, unknown>, expected: boolean][] = [
  [{ 'claim/family_name': 'Smith' }, true],
  [{ 'claim/family_name': 'smith' }, false],
  [{ 'claim/family_name': { is: 'Smith' } }, true],
  [{ 'claim/level': 5 }, true],
  [{ 'claim/level': '5' }, true],
  [{ 'claim/level': 6 }, false],
  [{ 'claim/admin': true }, true],
  [{ 'claim/admin': false }, false],
  [{ 'claim/roles': 'ops' }, true],
  [{ 'claim/roles': { is: 'ops' } }, false],
  [{ 'claim/roles': 7 }, true],
  [{ 'claim/roles': { exclude: 'ops' } }, false],
  [{ 'claim/roles': { exclude: 'hr' } }, true],
  [{ 'claim/a.b': 'exact dot' }, true],
  [{ 'claim/a.b': 'nested dot' }, false],
  [{ 'claim/c/d': 'exact slash' }, true],
  [{ 'claim/a/b': 'nested dot' }, true],
  [{ 'claim/a.deep/er': 'found' }, true],
  [{ 'claim/a.deep.none': 'found' }, false],
  [{ 'claim/missing': 'x' }, false],
  [{ 'claim/missing': { exclude: 'x' } }, true],
  [{ 'claim/nothing': 'null' }, false],
  [{ 'claim/object': '[object Object]' }, false],
  [{ 'claim/objects': '[object Object]' }, false],
  [{ 'claim/constructor': { has: 'x' } }, false],
  [{ 'claim/family_name/length': 5 }, false],
  [{ 'claim/roles/length': 3 }, false],
]
for (const [criterion, expected] of claimCases) {
  test(`${JSON.stringify(criterion)} is ${expected}`, () => {
    assert.equal(matches(criterion, { caller: assertion({ claims }) }), expected)
  })
}

test('a claim joined with commas is not taken apart where that would admit', () => {
  const caller = assertion({ claims })
  assert.equal(matches({ 'claim/joined': 'dev' }, { caller }), false)
  assert.equal(matches({ 'claim/joined': 'dev,ops' }, { caller }), true)
  assert.equal(matches({ 'claim/joined': { is: 'dev,ops' } }, { caller }), true)
  assert.equal(matches({ 'claim/joined': { is: 'dev' } }, { caller }), false)
  assert.equal(admits({ allow: { not: [{ 'claim/joined': { exclude: 'ops' } }] } }, { caller }), false)
  assert.equal(denies({ not: [{ 'claim/joined': 'dev' }] }, { caller }), true)
})

test('a claim joined with commas is taken apart where that would deny', () => {
  const caller = assertion({ claims })
  assert.equal(denies({ or: [{ 'claim/joined': 'ops' }] }, { caller }), true)
  assert.equal(denies({ or: [{ 'claim/joined': 'hr' }] }, { caller }), false)
  assert.equal(matches({ 'claim/joined': { exclude: 'ops' } }, { caller }), false)
  assert.equal(matches({ 'claim/joined': { exclude: 'hr' } }, { caller }), true)
  assert.equal(matches({ 'claim/joined': { exclude: 'dev,ops' } }, { caller }), false)
  assert.equal(admits({ allow: { not: [{ 'claim/joined': 'ops' }] } }, { caller }), false)
})

test('original_user takes several identity criteria, all of which must hold', () => {
  const criterion = {
    original_user: { domain: 'other.org', user: 'bob', issuer: 'pomerium', authenticated_user: true },
  }
  assert.equal(matches(criterion, { caller: account, originalUser: bob }), true)
  assert.equal(
    matches(criterion, { caller: account, originalUser: { ...bob, email: 'bob@example.com' } }),
    false,
  )
  assert.equal(matches(criterion, { caller: bob }), false)
})

test('original_user takes claims and groups', () => {
  const originalUser = assertion({ groups: ['dev'], claims: { team: { name: 'blue' } } })
  const criterion = { original_user: { groups: 'dev', 'claim/team/name': { has: 'blue' } } }
  assert.equal(matches(criterion, { originalUser }), true)
  assert.equal(matches(criterion, { originalUser: { ...originalUser, groups: [] } }), false)
})
