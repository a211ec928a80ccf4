// The table of refusals is a contract, code by code.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Refusal, refusalCodes } from '../../shared/errors.ts'

const faults = [
  'malformed',
  'signature',
  'algorithm',
  'key_unknown',
  'issuer',
  'audience',
  'expired',
  'not_yet_valid',
  'revoked',
]
const codesByStatus: Readonly<Record<number, readonly string[]>> = {
  400: ['request_malformed', 'request_ambiguous'],
  401: [
    // Beyond the contract, which has none for what a connection shows.
    ...['missing', 'invalid', 'expired', 'revoked', 'mismatch'].map((fault) => `client_certificate_${fault}`),
    'assertion_missing',
    'assertion_anonymous',
    'assertion_not_from_edge',
    'assertion_reused',
    ...faults.map((fault) => `assertion_${fault}`),
    ...faults.map((fault) => `original_user_${fault}`),
  ],
  403: [
    'policy_denied',
    'original_user_not_allowed',
    'original_user_required',
    'original_user_ambiguous',
    'original_user_lost',
    'evidence_missing',
    'evidence_invalid',
    'egress_denied',
    'call_not_allowed',
  ],
  404: ['route_not_found'],
  413: ['body_too_large'],
  431: ['headers_too_large'],
  502: ['upstream_refused', 'upstream_reset', 'upstream_invalid'],
  504: ['upstream_timeout'],
  503: ['keys_unavailable', 'credential_unavailable', 'session_unavailable', 'overloaded', 'draining'],
}

for (const [status, codes] of Object.entries(codesByStatus)) {
  test(`${status} is for ${codes.length} codes`, () => {
    const found = refusalCodes.filter((code) => new Refusal(code, '').status === Number(status))
    assert.deepEqual([...found].sort(), [...codes].sort())
  })
}

test('there is no code beside those of the table', () => {
  assert.deepEqual([...refusalCodes].sort(), Object.values(codesByStatus).flat().sort())
})

test('a refusal may have another status than its code’s', () => {
  assert.equal(new Refusal('route_not_found', '', { status: 421 }).status, 421)
})

test('a refusal has a cause only where one was given', () => {
  assert.ok(!('cause' in new Refusal('overloaded', '')))
  assert.ok(!('cause' in new Refusal('overloaded', '', { cause: undefined })))
  assert.equal(new Refusal('overloaded', '', { cause: 'why' }).cause, 'why')
})

test('a refusal is an error with its message and its name', () => {
  const refusal = new Refusal('overloaded', 'Try again.')
  assert.ok(refusal instanceof Error)
  assert.deepEqual(
    { name: refusal.name, message: refusal.message, code: refusal.code },
    { name: 'Refusal', message: 'Try again.', code: 'overloaded' },
  )
})
