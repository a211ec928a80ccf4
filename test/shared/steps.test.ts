// The steps of a decision follow from its record: those before the one that refused, and none behind it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeDecision, type Decision, type DecisionFacts } from '../../shared/decision.ts'
import { Refusal, refusalCodes, type RefusalCode } from '../../shared/errors.ts'
import { stepsOf } from '../../shared/steps.ts'
import { assertionOf, meshOf, routeOf } from '../support/tokens.ts'

const facts: DecisionFacts = {
  requestId: 'r',
  direction: 'inbound',
  atMs: 0,
  mesh: meshOf(),
  refusal: undefined,
  reason: 'allow[0].or user',
  method: 'GET',
  target: undefined,
  route: routeOf(),
  peer: '192.0.2.7',
  caller: assertionOf('service_account', 'api-access'),
  originalUser: assertionOf('user', 'alice'),
}
const refusedWith = (code: RefusalCode, more: Partial<DecisionFacts> = {}): Decision =>
  makeDecision({ ...facts, ...more, refusal: new Refusal(code, 'no', { detail: 'found this' }) })
const resultsOf = (decision: Decision) => stepsOf(decision).map(({ name, result }) => `${name} ${result}`)

test('an inbound request that is let in passed every step that had something to look at', () => {
  assert.deepEqual(resultsOf(makeDecision(facts)), [
    'certificate absent',
    'assertion passed',
    'route passed',
    'original_user passed',
    'evidence absent',
    'policy passed',
    'session passed',
  ])
})

for (const [code, expected] of [
  ['request_ambiguous', ['request']],
  ['client_certificate_mismatch', ['certificate']],
  ['assertion_expired', ['certificate', 'assertion']],
  ['route_not_found', ['certificate', 'assertion', 'route']],
  ['original_user_signature', ['certificate', 'assertion', 'route', 'original_user']],
  ['evidence_missing', ['certificate', 'assertion', 'route', 'original_user', 'evidence']],
  ['policy_denied', ['certificate', 'assertion', 'route', 'original_user', 'evidence', 'policy']],
] as const) {
  test(`${code} is the last of the steps`, () => {
    const steps = stepsOf(refusedWith(code))
    assert.deepEqual(
      steps.map(({ name }) => name),
      expected,
    )
    assert.deepEqual(
      [steps.at(-1)?.result, steps.at(-1)?.code, steps.at(-1)?.found],
      ['refused', code, 'found this'],
    )
  })
}

test('whatever refuses, exactly one step does, and it is the last', () => {
  for (const direction of ['inbound', 'outbound'] as const) {
    for (const code of refusalCodes) {
      const steps = stepsOf(refusedWith(code, { direction }))
      const refusing = steps.filter(({ result }) => result === 'refused')
      assert.deepEqual(refusing, [steps.at(-1)], code)
    }
  }
})

const lastStep = (more: Partial<DecisionFacts>) => stepsOf(refusedWith('keys_unavailable', more)).at(-1)?.name

test('keys that cannot be had now are those of the assertion, or of the original user once there is a caller', () => {
  assert.equal(lastStep({ caller: undefined }), 'assertion')
  assert.equal(lastStep({}), 'original_user')
})

test('a call to a host that no route names has no steps but that', () => {
  const call = makeDecision({ ...facts, direction: 'outbound', route: undefined, caller: undefined })
  assert.deepEqual(resultsOf(call), ['route absent'])
})
