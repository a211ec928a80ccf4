// Which certificate is remembered for a key: the one that will be of use.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AccountVerdicts } from '../../../shared/assertion/account-verdicts.ts'
import { findAccountKey, isKey } from '../../../shared/assertion/account-key.ts'
import { keyThumbprint } from '../../../shared/certificate/thumbprint.ts'
import { makeTrust } from '../../../shared/trust.ts'
import { clockMs, makeMesh } from '../../support/certificates.ts'
import { meshIssuer, nothingElseIsKnown, peer } from '../../support/tokens.ts'

const minuteMs = 60_000
const accounts = makeMesh(meshIssuer, ['api-access'])
const renewed = accounts.issue('api-access', { notBeforeMs: clockMs - 20 * minuteMs })
const { keys } = renewed
const ended = accounts.issue('api-access', {
  keys,
  notBeforeMs: clockMs - 50 * minuteMs,
  notAfterMs: clockMs - 10 * minuteMs,
})

test('a certificate that came with an old link does not take the place of the one that came after it', () => {
  const trust = makeTrust([], [accounts.authority], new AccountVerdicts())
  const question = {
    keyId: keyThumbprint(keys.publicKey),
    authority: accounts.authority,
    trust,
    peer,
    missing: nothingElseIsKnown,
    nowMs: clockMs,
  }
  const shows = (certificate: typeof ended, atMs: number) =>
    isKey(findAccountKey({ ...question, certificates: [certificate.base64], atMs }))
  assert.ok(shows(renewed, clockMs))
  assert.ok(shows(ended, clockMs - 30 * minuteMs))
  assert.ok(isKey(findAccountKey({ ...question, certificates: undefined })))
})
