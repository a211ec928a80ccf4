// What holds for every policy and every request, against a naive interpreter of PPL.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Assertion } from '../../../shared/identity.ts'
import type { PolicyFacts } from '../../../shared/policy/policy.ts'
import { interpret, requestNames, type Entry, type Operators, type Rule } from './interpreter.ts'
import { assertion, facts, sound } from './support.ts'

const words = fc.constantFrom('a', 'b', 'ab', 'a,b')
const stringMatcher = fc.oneof(
  words,
  fc
    .record(
      {
        is: words,
        not: words,
        contains: words,
        starts_with: words,
        ends_with: words,
        in: fc.array(words, { minLength: 1, maxLength: 2 }),
        not_in: fc.array(words, { minLength: 1, maxLength: 2 }),
      },
      { requiredKeys: [] },
    )
    .filter((matcher) => Object.keys(matcher).length > 0),
)
const listMatcher = fc.oneof(
  words,
  fc
    .record({ has: words, is: words, exclude: words }, { requiredKeys: [] })
    .filter((matcher) => Object.keys(matcher).length > 0),
)
const issuers = fc.constantFrom('pomerium', 'mesh')
const identityEntry: fc.Arbitrary<Entry> = fc.oneof(
  fc.constant({ authenticated_user: true }),
  stringMatcher.map((user) => ({ user })),
  stringMatcher.map((email) => ({ email })),
  stringMatcher.map((domain) => ({ domain })),
  issuers.map((issuer) => ({ issuer })),
  issuers.map((issuer) => ({ issuer: { not: issuer } })),
  listMatcher.map((groups) => ({ groups })),
  listMatcher.map((team) => ({ 'claim/team': team })),
)
const requestEntry: fc.Arbitrary<Entry> = fc.oneof(
  fc.constant({ accept: true }),
  fc.constant({ reject: true }),
  fc.constant({ cors_preflight: true }),
  fc.constantFrom('GET', 'POST').map((http_method) => ({ http_method })),
  fc.constantFrom('/a', '/b').map((http_path) => ({ http_path: { starts_with: http_path } })),
  fc.constantFrom('10.0.0.0/8', '192.0.2.1').map((source_ip) => ({ source_ip })),
)
const entry: fc.Arbitrary<Entry> = fc.oneof(
  { weight: 4, arbitrary: identityEntry },
  { weight: 3, arbitrary: requestEntry },
  { weight: 1, arbitrary: listMatcher.map((chain) => ({ chain })) },
  {
    weight: 2,
    arbitrary: fc
      .array(identityEntry, { minLength: 1, maxLength: 2 })
      .map((entries) => ({ original_user: Object.assign({}, ...entries) as Entry })),
  },
)
const entries = fc.array(entry, { maxLength: 3 })
const operators: fc.Arbitrary<Operators> = fc.record(
  { and: entries, or: entries, not: entries, nor: entries },
  { requiredKeys: [] },
)
const allowRule: fc.Arbitrary<Rule> = operators.map((allow) => ({ allow }))
const denyRule: fc.Arbitrary<Rule> = operators.map((deny) => ({ deny }))
const policies = fc.array(fc.oneof({ weight: 3, arbitrary: allowRule }, denyRule), { maxLength: 4 })

const somebody: fc.Arbitrary<Assertion> = fc
  .record({
    subject: words,
    issuer: issuers,
    email: fc.constantFrom('', 'a', 'a@a', 'b@ab', 'a@b@a'),
    groups: fc.array(words, { maxLength: 2 }),
    claims: fc.oneof(
      fc.constant({}),
      words.map((team) => ({ team })),
      fc.array(words, { maxLength: 2 }).map((team) => ({ team })),
    ),
  })
  .map(assertion)
const nobody = fc.constantFrom(
  undefined,
  assertion({ subject: '' }),
  assertion({ subject: '', email: 'a@a' }),
)
const requests = (caller: fc.Arbitrary<Assertion | undefined>): fc.Arbitrary<PolicyFacts> =>
  fc
    .record({
      caller,
      originalUser: fc.option(somebody, { nil: undefined }),
      chain: fc.option(fc.array(words, { maxLength: 2 }), { nil: undefined }),
      method: fc.constantFrom('GET', 'POST'),
      path: fc.constantFrom('/a', '/b/c', '/'),
      corsPreflight: fc.boolean(),
      peer: fc.constantFrom('10.1.2.3', '192.0.2.1', '::1').map((address) => ({ address })),
    })
    .map(facts)
const anyRequest = requests(fc.oneof(somebody, nobody))

const evaluate = (policy: readonly Rule[], request: PolicyFacts) => sound({ policy }).evaluate(request)
const runs = { numRuns: 3000 }

test('what is compiled decides as the naive interpreter does', () => {
  fc.assert(
    fc.property(policies, anyRequest, (policy, request) => {
      const { allowed, denied } = evaluate(policy, request)
      assert.deepEqual({ allowed, denied }, interpret(policy, request))
    }),
    runs,
  )
})

test('a deny rule that matches always wins', () => {
  fc.assert(
    fc.property(policies, denyRule, anyRequest, (policy, deny, request) => {
      fc.pre(evaluate([{ allow: { or: [{ accept: true }] } }, deny], request).denied)
      assert.equal(evaluate([...policy, deny], request).allowed, false)
      assert.equal(evaluate([deny, ...policy], request).allowed, false)
    }),
    runs,
  )
})

test('adding a deny rule never admits more', () => {
  fc.assert(
    fc.property(policies, denyRule, anyRequest, (policy, deny, request) => {
      const before = evaluate(policy, request).allowed
      assert.ok(before || !evaluate([...policy, deny], request).allowed)
    }),
    runs,
  )
})

test('an anonymous caller is admitted only where a rule without identity criteria matches', () => {
  fc.assert(
    fc.property(policies, requests(nobody), (policy, request) => {
      if (!evaluate(policy, request).allowed) return
      const withoutIdentity = policy.map(({ allow = {} }) => ({ allow: withoutIdentityCriteria(allow) }))
      assert.equal(evaluate(withoutIdentity, request).allowed, true)
    }),
    runs,
  )
})

test('no email criterion admits a caller without an email, whatever the matcher', () => {
  fc.assert(
    fc.property(stringMatcher, (email) => {
      const caller = assertion({ email: '' })
      assert.equal(evaluate([{ allow: { and: [{ email }] } }], facts({ caller })).allowed, false)
    }),
  )
})

function isAboutRequest(each: Entry): boolean {
  return requestNames.has(Object.keys(each)[0] as string)
}

/** Alternatives are rules of their own; any other operator that asks about somebody is left out whole. */
function withoutIdentityCriteria(given: Operators): Operators {
  const kept = Object.entries(given).map(([operator, list]) => {
    if (operator === 'or') return [operator, list.filter(isAboutRequest)] as const
    return [operator, list.every(isAboutRequest) ? list : []] as const
  })
  return Object.fromEntries(kept)
}
