// What is said about a broken policy as a whole, and that nothing in a file can throw.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { compile, facts } from './support.ts'

const identity = 'authenticated_user, user, email, domain, issuer, groups, claim'
const known = `accept, reject, cors_preflight, http_method, http_path, source_ip, client_certificate, date, day_of_week, time_of_day, ${identity}, original_user, chain`

const documents: [document: unknown, where: string, message: string][] = [
  ['allow', '', 'A rule must be an object with allow or deny, not a string.'],
  [[{ allow: {} }, 5], '[1]', 'A rule must be an object with allow or deny, not a number.'],
  [{ alow: {} }, '.alow', '"alow" is no action. Did you mean "allow"? Known: allow, deny.'],
  [
    { or: [] },
    '.or',
    'The operator "or" stands inside an action: write allow: {or: […]} or deny: {or: […]}.',
  ],
  [{ rego: 'x' }, '.rego', 'Raw Rego cannot be decided by a sidecar: write the rule in PPL.'],
  [{ allow: [] }, '.allow', 'Must be an object with the operators and, or, not, nor, not a list.'],
  [{ deny: null }, '.deny', 'Must be an object with the operators and, or, not, nor, not nothing.'],
  [
    { allow: { orr: [] } },
    '.allow.orr',
    '"orr" is no operator. Did you mean "or"? Known: and, or, not, nor.',
  ],
  [{ allow: { or: {} } }, '.allow.or', 'Must be a list of criteria, each behind a dash, not an object.'],
  [{ ['x'.repeat(60)]: 1 }, `.${'x'.repeat(60)}`, `"${'x'.repeat(40)}…" is no action. Known: allow, deny.`],
]
for (const [document, where, message] of documents) {
  test(`the policy ${JSON.stringify(document)} is an error at its place`, () => {
    assert.deepEqual(compile({ policy: document }).errors, [`routes[0].policy${where}: ${message}`])
  })
}

test('all problems of a policy are reported together', () => {
  const { errors } = compile({
    policy: [{ allow: { or: [{ usr: 'a' }, { user: { iss: 'a', is: 5 } }], xor: [] } }, { deni: {} }],
    allowed_users: 'alice',
  })
  assert.deepEqual(
    errors.map((error) => error.slice(0, error.indexOf(': '))),
    [
      'routes[0].policy[0].allow.or[0].usr',
      'routes[0].policy[0].allow.or[1].user.iss',
      'routes[0].policy[0].allow.or[1].user.is',
      'routes[0].policy[0].allow.xor',
      'routes[0].policy[1].deni',
      'routes[0].allowed_users',
    ],
  )
})

test('both bounds of a time are checked, and its time zone', () => {
  const rule = { time_of_day: { timezone: 'x', after: 'y', before: 'z' } }
  assert.equal(compile({ policy: { allow: { or: [rule] } } }).errors.length, 3)
})

const admitsNobody =
  'routes[0]: Admits nobody: no allow rule and no shorthand is given. Add a policy, or allow_any_authenticated_user: true for everybody who is signed in.'
for (const source of [
  {},
  { policy: null },
  { policy: [] },
  { policy: { deny: { or: [{ accept: true }] } } },
  { allowed_users: [] },
  { allow_any_authenticated_user: false },
]) {
  test(`a route with ${JSON.stringify(source)} is warned of, and admits nobody`, () => {
    const { policy, errors, warnings } = compile(source)
    assert.deepEqual({ errors, warnings }, { errors: [], warnings: [admitsNobody] })
    assert.equal(policy.evaluate(facts()).allowed, false)
  })
}

test('a broken policy is not also warned of', () => {
  assert.deepEqual(compile({ policy: { allow: { or: [{ usr: 'a' }] } } }).warnings, [])
})

test('compiling never throws, whatever stands in the file', () => {
  const names = [
    'allow',
    'deny',
    'and',
    'or',
    'not',
    'nor',
    'is',
    'in',
    'has',
    '__proto__',
    'constructor',
    '',
    'claim/a',
  ]
  const criterionNames = [
    ...known.split(', '),
    'device',
    'fingerprint',
    'spki_hash',
    'uri',
    'after',
    'before',
    'timezone',
  ]
  const key = fc.oneof(fc.constantFrom(...names), fc.constantFrom(...criterionNames), fc.string())
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 7 },
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.jsonValue({ maxDepth: 1 }),
        fc.constantFrom('10:00', '/%zz', '\ud800', 'mon'),
      ),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(key, tie('value'), { maxKeys: 3 }),
    ),
  }))
  const rules = fc.dictionary(
    fc.constantFrom('allow', 'deny'),
    fc.dictionary(
      fc.constantFrom('and', 'or', 'not', 'nor'),
      fc.array(fc.dictionary(key, value, { minKeys: 1, maxKeys: 1 })),
    ),
  )
  const source = fc.record(
    {
      policy: fc.oneof(rules, value),
      allowed_users: value,
      allowed_domains: value,
      allowed_groups: value,
      allowed_idp_claims: value,
      allow_any_authenticated_user: value,
      allow_public_unauthenticated_access: value,
      cors_allow_preflight: value,
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(source, (given) => {
      const { policy, errors } = compile(given)
      const { allowed } = policy.evaluate(facts())
      assert.ok(errors.length === 0 || !allowed)
    }),
    { numRuns: 500 },
  )
})
