// The shorthands of a route, alone and beside a policy.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PolicySource } from '../../../shared/policy/compile.ts'
import type { PolicyFacts } from '../../../shared/policy/policy.ts'
import { account, alice, anonymous, assertion, bob, compile, facts, sound } from './support.ts'

const admits = (source: PolicySource, given: Partial<PolicyFacts> = {}) =>
  sound(source).evaluate(facts(given)).allowed

test('allowed_users matches the user or the email', () => {
  assert.equal(admits({ allowed_users: ['x', 'alice'] }), true)
  assert.equal(admits({ allowed_users: ['alice@example.com'] }), true)
  assert.equal(admits({ allowed_users: ['alice@example.com'] }, { caller: bob }), false)
  assert.equal(admits({ allowed_users: ['api-access'] }, { caller: account }), true)
})

test('allowed_domains matches what follows the @', () => {
  assert.equal(admits({ allowed_domains: ['x', 'example.com'] }), true)
  assert.equal(admits({ allowed_domains: ['example.com'] }, { caller: bob }), false)
  assert.equal(admits({ allowed_domains: ['example.com'] }, { caller: account }), false)
})

test('allowed_groups matches any of the groups', () => {
  const caller = assertion({ groups: ['dev', 'ops'] })
  assert.equal(admits({ allowed_groups: ['hr', 'ops'] }, { caller }), true)
  assert.equal(admits({ allowed_groups: ['hr'] }, { caller }), false)
})

test('allowed_idp_claims matches any value of any claim', () => {
  const caller = assertion({ claims: { family_name: 'Smith', level: 3, a: { b: ['c'] } } })
  assert.equal(admits({ allowed_idp_claims: { family_name: ['Jones', 'Smith'] } }, { caller }), true)
  assert.equal(admits({ allowed_idp_claims: { family_name: ['Jones'], level: [3] } }, { caller }), true)
  assert.equal(admits({ allowed_idp_claims: { 'a/b': ['c'] } }, { caller }), true)
  assert.equal(admits({ allowed_idp_claims: { family_name: ['Jones'] } }, { caller }), false)
})

test('allow_any_authenticated_user admits anybody with a subject', () => {
  assert.equal(admits({ allow_any_authenticated_user: true }), true)
  assert.equal(admits({ allow_any_authenticated_user: true }, { caller: account }), true)
})

test('allow_public_unauthenticated_access admits everybody', () => {
  assert.equal(admits({ allow_public_unauthenticated_access: true }, { caller: undefined }), true)
  assert.equal(admits({ allow_public_unauthenticated_access: true }, { caller: anonymous }), true)
  assert.equal(admits({ allow_public_unauthenticated_access: true }, { caller: bob }), true)
})

test('cors_allow_preflight admits preflights, and only those', () => {
  assert.equal(admits({ cors_allow_preflight: true }, { caller: undefined, corsPreflight: true }), true)
  assert.equal(admits({ cors_allow_preflight: true }), false)
})

const aboutCallers: PolicySource = {
  allowed_users: ['alice'],
  allowed_domains: ['example.com'],
  allowed_groups: ['dev'],
  allowed_idp_claims: { team: ['blue'] },
  allow_any_authenticated_user: true,
}
for (const [key, value] of Object.entries(aboutCallers)) {
  test(`${key} never admits an anonymous caller`, () => {
    const caller = assertion({
      subject: '',
      email: 'alice@example.com',
      groups: ['dev'],
      claims: { team: 'blue' },
    })
    assert.equal(admits({ [key]: value }, { caller }), false)
    assert.equal(admits({ [key]: value }, { caller: undefined }), false)
  })
}

test('shorthands are alternatives to each other and to the rules', () => {
  const source = {
    allowed_users: ['x'],
    allowed_domains: ['other.org'],
    policy: { allow: { and: [{ user: 'alice' }] } },
  }
  assert.equal(admits(source, { caller: alice }), true)
  assert.equal(admits(source, { caller: bob }), true)
  assert.equal(admits(source, { caller: account }), false)
})

test('deny rules win over every shorthand', () => {
  const source = { ...aboutCallers, allow_public_unauthenticated_access: true, cors_allow_preflight: true }
  const policy = sound({ ...source, policy: { deny: { or: [{ user: 'alice' }] } } })
  assert.deepEqual(policy.evaluate(facts({ corsPreflight: true })), {
    allowed: false,
    denied: true,
    reason: 'deny[0].or user',
  })
})

test('the verdict names the shorthand that allowed', () => {
  for (const [key, value] of Object.entries(aboutCallers)) {
    const caller = assertion({ groups: ['dev'], claims: { team: 'blue' } })
    const verdict = sound({ [key]: value }).evaluate(facts({ caller }))
    assert.deepEqual(verdict, { allowed: true, denied: false, reason: key })
  }
})

test('a shorthand that is empty in the file counts as missing', () => {
  assert.equal(admits({ allowed_users: null, allow_any_authenticated_user: true }, { caller: bob }), true)
})

const listOfStrings = (kind: string) => `Must be a list of strings, not ${kind}.`
const problems: [source: PolicySource, problem: string][] = [
  [{ allowed_users: 'alice' }, `allowed_users: ${listOfStrings('a string')}`],
  [{ allowed_domains: {} }, `allowed_domains: ${listOfStrings('an object')}`],
  [{ allowed_groups: ['a', 5] }, 'allowed_groups[1]: Must be a string, not a number: put it in quotes.'],
  [{ allowed_users: [''] }, 'allowed_users[0]: Must not be empty.'],
  [
    { allowed_idp_claims: ['a'] },
    'allowed_idp_claims: Must be an object of claims with lists of values, as in {family_name: [Smith]}, not a list.',
  ],
  [{ allowed_idp_claims: { a: 'b' } }, 'allowed_idp_claims.a: Must be a list of values, not a string.'],
  [{ allowed_idp_claims: { a: ['b', ''] } }, 'allowed_idp_claims.a[1]: Must not be empty.'],
  [
    { allowed_idp_claims: { a: [{ has: 'b' }] } },
    'allowed_idp_claims.a[0]: Must be a string, not an object.',
  ],
  [
    { allowed_idp_claims: { '': ['b'] } },
    'allowed_idp_claims.[0]: Must name the claim behind a slash, as in claim/family_name.',
  ],
  [
    { allow_any_authenticated_user: 'true' },
    'allow_any_authenticated_user: Must be true or false, not a string.',
  ],
  [
    { allow_public_unauthenticated_access: 1 },
    'allow_public_unauthenticated_access: Must be true or false, not a number.',
  ],
  [{ cors_allow_preflight: [] }, 'cors_allow_preflight: Must be true or false, not a list.'],
]
for (const [source, problem] of problems) {
  test(`${JSON.stringify(source)} is an error at its place`, () => {
    const { errors, policy } = compile({ allow_any_authenticated_user: true, ...source })
    assert.deepEqual(errors, [`routes[0].${problem}`])
    assert.equal(policy.evaluate(facts()).allowed, false)
  })
}
