// Which step refused, which passed, and which was never reached: for each code that a decision can have.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { refusalCodes } from '../../shared/errors.ts'
import { stepsOf, type StepName } from '../../shared/steps.ts'
import { alice, makeDecision, makeWay } from '../inspector/made.ts'

const words = (decision: ReturnType<typeof makeDecision>) =>
  stepsOf(decision).map(({ name, result }) => `${name}: ${result}`)

const refused = (code: (typeof refusalCodes)[number], direction: 'inbound' | 'outbound' = 'inbound') =>
  makeDecision({ outcome: 'refused', code, direction, sources: direction === 'outbound' ? [] : undefined })

function refusingStep(decision: ReturnType<typeof makeDecision>): string | undefined {
  const refusing = stepsOf(decision).filter(({ result }) => result === 'refused')
  assert.equal(refusing.length, 1, `${decision.code}`)
  return refusing[0]?.name
}

const byPrefix: readonly (readonly [prefix: string, inbound: StepName, outbound?: StepName])[] = [
  ['client_certificate_', 'certificate'],
  ['assertion_', 'assertion'],
  ['original_user_', 'original_user', 'cause'],
  ['evidence_', 'evidence'],
  ['route_not_found', 'route', 'route'],
  ['policy_denied', 'policy'],
  ['call_not_allowed', 'route', 'route'],
  ['egress_denied', 'route', 'route'],
  ['credential_unavailable', 'credential', 'credential'],
  ['session_unavailable', 'session', 'cause'],
  ['keys_unavailable', 'assertion', 'credential'],
  ['request_', 'request', 'request'],
  ['body_too_large', 'request', 'request'],
  ['headers_too_large', 'request', 'request'],
  ['overloaded', 'request', 'request'],
  ['draining', 'request', 'request'],
]

test('each code that a decision can have says which step refused', () => {
  for (const code of refusalCodes.filter((each) => !each.startsWith('upstream_'))) {
    const rows = byPrefix.filter(([prefix]) => code.startsWith(prefix))
    assert.equal(rows.length, 1, `${code} is in ${rows.length} rows`)
    const [, inbound, outbound] = rows[0] as (typeof byPrefix)[number]
    assert.equal(refusingStep(refused(code)), inbound, code)
    if (outbound !== undefined) assert.equal(refusingStep(refused(code, 'outbound')), outbound, code)
  }
})

test('what comes after a refusal was never reached', () => {
  assert.deepEqual(words(refused('route_not_found')), [
    'certificate: absent',
    'assertion: absent',
    'route: refused',
    'original_user: not_reached',
    'evidence: not_reached',
    'policy: not_reached',
    'session: not_reached',
  ])
  assert.deepEqual(words(refused('original_user_lost', 'outbound')), [
    'route: passed',
    'cause: refused',
    'credential: not_reached',
  ])
  assert.equal(words(refused('overloaded')).filter((each) => each.endsWith('not_reached')).length, 7)
})

test('all that was verified on the way is said to have passed, with what was found', () => {
  const [atApp, toApi, atApi, , atLedger] = makeWay()
  assert.ok(atApp && toApi && atApi && atLedger)
  assert.deepEqual(words(atApp), [
    'certificate: absent',
    'assertion: passed',
    'route: passed',
    'original_user: absent',
    'evidence: absent',
    'policy: passed',
    'session: passed',
  ])
  assert.ok(stepsOf(atApi).every(({ result }) => result === 'passed'))
  assert.deepEqual(
    stepsOf(atLedger).map(({ found }) => found),
    [
      'spiffe://mesh.companydomain.com/ledger-access',
      'service account ledger-access of mesh',
      'Ledger',
      'user alice of pomerium',
      'by way of api-access, ledger-access',
      'policy_denied',
      '',
    ],
  )
  assert.deepEqual(
    stepsOf(toApi).map(({ name, found }) => `${name}: ${found}`),
    ['route: API', 'cause: user alice of pomerium, as handle says', 'credential: the service account’s own'],
  )
})

test('a user whose way is not shown is not said to be verified', () => {
  const [, , , step] = stepsOf(refused('evidence_missing'))
  assert.deepEqual(step, {
    name: 'original_user',
    result: 'absent',
    found: 'no user counts without evidence',
  })
})

test('that a user is required is said when the policy has allowed the caller', () => {
  const decision = {
    ...refused('original_user_required'),
    caller: { ...alice, kind: 'service_account' as const },
  }
  assert.deepEqual(words(decision).slice(3), [
    'original_user: refused',
    'evidence: absent',
    'policy: passed',
    'session: not_reached',
  ])
})

test('a call to a host that no route names carries no identity, and no step claims one', () => {
  const decision = makeDecision({ direction: 'outbound', route: undefined, host: 'example.com' })
  assert.deepEqual(words(decision), ['route: absent', 'cause: absent', 'credential: absent'])
})

test('keys that cannot be had stop the caller’s assertion first, then the user’s', () => {
  assert.equal(refusingStep(refused('keys_unavailable')), 'assertion')
  const known = { ...refused('keys_unavailable'), caller: { ...alice, kind: 'service_account' as const } }
  assert.equal(refusingStep(known), 'original_user')
})
