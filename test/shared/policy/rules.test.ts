// Rules, operators, deny before allow, and callers who are nobody.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from 'yaml'
import {
  account,
  admits,
  alice,
  anonymous,
  assertion,
  bob,
  compile,
  denies,
  facts,
  sound,
  verdict,
} from './support.ts'

const isAlice = { user: { is: 'alice' } }
const isBob = { user: { is: 'bob' } }
const isGet = { http_method: 'GET' }
const isPost = { http_method: 'POST' }
const accept = { accept: true }

const operators = [
  { operator: 'and', both: true, one: false, none: false },
  { operator: 'or', both: true, one: true, none: false },
  { operator: 'not', both: false, one: false, none: true },
  { operator: 'nor', both: false, one: true, none: true },
]
for (const { operator, both, one, none } of operators) {
  for (const action of ['allow', 'deny']) {
    const matches = (criteria: unknown[]) =>
      action === 'allow' ? admits({ allow: { [operator]: criteria } }) : denies({ [operator]: criteria })
    test(`${action} ${operator} of two that hold is ${both}`, () => {
      assert.equal(matches([isAlice, isGet]), both)
    })
    test(`${action} ${operator} of one that holds and one that does not is ${one}`, () => {
      assert.equal(matches([isAlice, isPost]), one)
      assert.equal(matches([isBob, isGet]), one)
    })
    test(`${action} ${operator} of two that do not hold is ${none}`, () => {
      assert.equal(matches([isBob, isPost]), none)
    })
    test(`${action} ${operator} of nothing matches nothing`, () => {
      assert.equal(matches([]), false)
    })
  }
}

test('a policy is one rule or a list of rules', () => {
  assert.equal(admits({ allow: { or: [isAlice] } }), true)
  assert.equal(admits([{ allow: { or: [isAlice] } }]), true)
})

test('several operators of a rule are alternatives', () => {
  const policy = { allow: { and: [isAlice, isGet], or: [isBob] } }
  assert.equal(admits(policy), true)
  assert.equal(admits(policy, { caller: bob, method: 'POST' }), true)
  assert.equal(admits(policy, { method: 'POST' }), false)
})

test('several rules of one action are alternatives', () => {
  const policy = [{ allow: { and: [isAlice] } }, { allow: { and: [isBob] } }]
  assert.equal(admits(policy), true)
  assert.equal(admits(policy, { caller: bob }), true)
  assert.equal(admits(policy, { caller: account }), false)
})

test('deny wins over allow, wherever it stands', () => {
  const allow = { allow: { or: [isAlice] } }
  const deny = { deny: { or: [isGet] } }
  for (const policy of [[allow, deny], [deny, allow], { ...allow, ...deny }]) {
    assert.deepEqual(verdict(policy), { allowed: false, denied: true, reason: verdict(policy).reason })
    assert.equal(admits(policy, { method: 'POST' }), true)
  }
})

test('empty rules match nothing', () => {
  for (const policy of [[], {}, [{}], { allow: {} }, { deny: {} }]) assert.equal(admits(policy), false)
})

test('a verdict names the rule and the criterion that allowed', () => {
  const policy = [
    { allow: { and: [isBob] } },
    { allow: { or: [isBob, { 'claim/team': 'x' }, { domain: 'example.com' }] } },
  ]
  assert.deepEqual(verdict(policy), { allowed: true, denied: false, reason: 'allow[1].or domain' })
})

test('a verdict names the rule and the criteria that denied, and no value', () => {
  const inside = { email: 'alice@example.com', 'claim/team': { has: 'blue' } }
  const policy = [{ allow: { or: [accept] }, deny: { and: [isAlice, { original_user: inside }] } }]
  const originalUser = assertion({ claims: { team: 'blue' } })
  assert.deepEqual(verdict(policy, { originalUser }), {
    allowed: false,
    denied: true,
    reason: 'deny[0].and user, original_user(email, claim/team)',
  })
})

test('a verdict names the claim that decided, and not its value', () => {
  const caller = assertion({ claims: { team: 'blue' } })
  assert.equal(
    verdict({ allow: { or: [{ 'claim/team': 'blue' }] } }, { caller }).reason,
    'allow[0].or claim/team',
  )
})

test('a verdict says where no allow rule matched', () => {
  assert.deepEqual(verdict({ allow: { or: [isBob] } }), {
    allowed: false,
    denied: false,
    reason: 'no allow rule matched',
  })
})

const nobodies = { 'no assertion': undefined, 'an assertion about nobody': anonymous }
const identityCriteria = [
  { authenticated_user: true },
  { user: { not: 'bob' } },
  { email: { not: 'bob@other.org' } },
  { domain: { not_in: ['other.org'] } },
  { groups: { exclude: 'contractors' } },
  { 'claim/team': { exclude: 'blue' } },
  { issuer: { not: 'partner' } },
]
for (const [who, caller] of Object.entries(nobodies)) {
  for (const criterion of identityCriteria) {
    const text = JSON.stringify(criterion)
    test(`an allow rule with ${text} never admits ${who}`, () => {
      for (const operator of ['and', 'or', 'not', 'nor']) {
        assert.equal(admits({ allow: { [operator]: [criterion] } }, { caller }), false, operator)
      }
      assert.equal(admits({ allow: { nor: [criterion, isPost] } }, { caller }), false)
      assert.equal(admits({ allow: { not: [criterion, isPost] } }, { caller }), false)
    })
  }

  test(`a rule about the request alone admits ${who}, negated or not`, () => {
    assert.equal(admits({ allow: { and: [isGet] } }, { caller }), true)
    assert.equal(admits({ allow: { not: [{ http_method: 'DELETE' }] } }, { caller }), true)
    assert.equal(admits({ allow: { nor: [{ http_method: 'DELETE' }, isGet] } }, { caller }), true)
  })

  test(`an alternative about the request alone admits ${who} beside one about the caller`, () => {
    assert.equal(admits({ allow: { or: [isAlice, isGet] } }, { caller }), true)
  })

  test(`a deny rule for all but some also denies ${who}`, () => {
    assert.equal(denies({ not: [{ domain: 'example.com' }] }, { caller }), true)
    assert.equal(denies({ not: [{ authenticated_user: true }] }, { caller }), true)
    assert.equal(denies({ nor: [{ domain: 'example.com' }, isGet] }, { caller }), true)
    assert.equal(denies({ or: [{ domain: { not: 'example.com' } }] }, { caller }), true)
    assert.equal(denies({ or: [{ groups: { exclude: 'staff' } }] }, { caller }), true)
  })

  test(`a deny rule for some does not deny ${who}`, () => {
    assert.equal(
      denies({ or: [isBob, { domain: 'other.org' }, { groups: 'contractors' }] }, { caller }),
      false,
    )
  })
}

test('a rule that names original_user never allows without one', () => {
  const criterion = { original_user: { email: 'bob@other.org' } }
  for (const rule of [
    { and: [criterion] },
    { or: [criterion] },
    { not: [criterion] },
    { nor: [criterion] },
  ]) {
    assert.equal(admits({ allow: rule }), false)
  }
  assert.equal(admits({ allow: { nor: [criterion, isPost] } }), false)
  assert.equal(admits({ allow: { not: [criterion] } }, { originalUser: alice }), true)
  assert.equal(admits({ allow: { not: [criterion] } }, { originalUser: bob }), false)
})

test('a rule that names chain never allows without verified evidence', () => {
  const criterion = { chain: { has: 'api-access' } }
  for (const rule of [
    { and: [criterion] },
    { or: [criterion] },
    { not: [criterion] },
    { nor: [criterion] },
  ]) {
    assert.equal(admits({ allow: rule }), false)
  }
  assert.equal(admits({ allow: { nor: [criterion, isPost] } }), false)
  assert.equal(admits({ allow: { not: [criterion] } }, { chain: ['other'] }), true)
  assert.equal(admits({ allow: { not: [criterion] } }, { chain: ['api-access'] }), false)
})

test('what is said of an original user or a chain admits no anonymous caller', () => {
  const given = { caller: undefined, originalUser: alice, chain: ['api-access'] }
  assert.equal(admits({ allow: { or: [{ original_user: { user: 'alice' } }] } }, given), false)
  assert.equal(admits({ allow: { or: [{ chain: 'api-access' }] } }, given), false)
})

for (const [criterion, given, warning] of [
  [{ chain: { has: 'x' } }, { chain: ['y'] }, 'without verified evidence'],
  [{ original_user: { user: 'x' } }, { originalUser: alice }, 'without an original user'],
] as const) {
  const name = Object.keys(criterion)[0] as string

  test(`a deny rule that negates ${name} denies only where it is known, and is warned of`, () => {
    assert.equal(denies({ not: [criterion] }), false)
    assert.equal(denies({ nor: [criterion] }), false)
    assert.equal(denies({ not: [criterion] }, given), true)
    const { errors, warnings } = compile({
      policy: [{ allow: { or: [accept] } }, { deny: { not: [criterion] } }],
    })
    assert.deepEqual(errors, [])
    assert.equal(warnings.length, 1)
    assert.match(
      warnings[0] as string,
      new RegExp(`^routes\\[0\\]\\.policy\\[1\\]\\.deny\\.not\\[0\\]\\.${name}: Denies nothing ${warning}`),
    )
  })

  test(`the rest of a deny nor beside an unknown ${name} still denies`, () => {
    assert.equal(denies({ nor: [criterion, isPost] }), true)
  })

  test(`a deny rule that names ${name} denies where it holds`, () => {
    assert.equal(denies({ or: [criterion] }), false)
    const { warnings } = compile({ policy: [{ allow: { or: [accept] } }, { deny: { or: [criterion] } }] })
    assert.deepEqual(warnings, [])
  })
}

test('a deny rule with a negative matcher on the chain is warned of too', () => {
  const { warnings } = compile({
    policy: { allow: { or: [accept] }, deny: { or: [{ chain: { exclude: 'x' } }] } },
  })
  assert.match(warnings[0] as string, /^routes\[0\]\.policy\.deny\.or\[0\]\.chain: Denies nothing/)
})

test('a deny rule with a negative matcher on the original user is warned of too', () => {
  const rule = { or: [{ original_user: { user: { not: 'x' } } }] }
  const { warnings } = compile({ policy: { allow: { or: [accept] }, deny: rule } })
  assert.match(warnings[0] as string, /^routes\[0\]\.policy\.deny\.or\[0\]\.original_user: Denies nothing/)
})

test('an allow rule that negates a claim is warned of, since the assertion may not carry it', () => {
  const { warnings } = compile({ policy: { allow: { not: [{ 'claim/team': 'blue' }] } } })
  assert.equal(warnings.length, 1)
  assert.match(warnings[0] as string, /^routes\[0\]\.policy\.allow\.not\[0\]\.claim\/team: Admits also where/)
  const exclude = compile({ policy: { allow: { and: [{ 'claim/team': { exclude: 'blue' } }] } } })
  assert.equal(exclude.warnings.length, 1)
})

test('an allow rule that negates a claim of every assertion is not warned of', () => {
  assert.deepEqual(compile({ policy: { allow: { not: [{ 'claim/groups': 'blue' }] } } }).warnings, [])
})

test('readsPath tells whether http_path occurs', () => {
  assert.equal(sound({ policy: { allow: { or: [accept] } } }).readsPath, false)
  assert.equal(sound({ policy: { allow: { or: [accept, { http_path: '/a' }] } } }).readsPath, true)
  assert.equal(sound({ policy: { allow: { and: [accept, { http_path: '/a' }] } } }).readsPath, true)
  const deny = { allow: { or: [accept] }, deny: { nor: [{ http_path: { contains: 'x' } }] } }
  assert.equal(sound({ policy: deny }).readsPath, true)
})

test('a policy with one error denies everything', () => {
  const { policy, errors } = compile({
    policy: [{ allow: { or: [accept] } }, { deny: { or: [{ usr: 'bob' }] } }],
    allow_public_unauthenticated_access: true,
  })
  assert.equal(errors.length, 1)
  assert.deepEqual(policy.evaluate(facts()), {
    allowed: false,
    denied: true,
    reason: 'the policy has errors',
  })
})

test('the examples of Pomerium load as they stand', () => {
  const examples = [
    'policy: [{allow: {or: [{domain: {is: companydomain.com}}]}}]',
    'policy: [{allow: {or: [{user: {is: api-access}}]}}]',
    'policy: {allow: {and: [{claim/family_name: Smith}]}, deny: {not: [{http_method: {is: GET}}]}}',
    'policy: {allow: {and: [{date: {after: 2020-01-02T16:20:00, before: 2150-01-02T16:20:00}}]}}',
    'policy: {allow: {and: [{time_of_day: {timezone: UTC, after: 2:20:00, before: 4:30PM}}]}}',
    'policy: {allow: {and: [{day_of_week: tue-fri}, {groups: {has: 00gv40ki4gmtCyl5d4x6}}]}}',
  ]
  for (const example of examples) {
    const { errors, warnings } = compile(parse(example))
    assert.deepEqual({ errors, warnings }, { errors: [], warnings: [] }, example)
  }
})
