// Eight honest hops, signed as sidecars sign them and checked at the end as a sidecar does, and how large they are.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keyThumbprint } from '../../../shared/certificate/thumbprint.ts'
import { evidenceOf, type Evidence } from '../../../shared/evidence/evidence.ts'
import { readLink } from '../../../shared/evidence/link.ts'
import { decideInbound } from '../../../shared/inbound.ts'
import { createLinker } from '../../../sidecar/credential/linker.ts'
import { createMinter } from '../../../sidecar/credential/minter.ts'
import { clockMs } from '../../support/certificates.ts'
import { meshIssuer, nothingElseIsKnown, nothingRevoked, nowS, peer } from '../../support/tokens.ts'
import {
  accountOf,
  aliceToken,
  certificateOf,
  hostOf,
  routeAt,
  services,
  snapshotAt,
  verifiedUser,
} from '../../shared/evidence/ground.ts'

const signerOf = (service: string) => {
  const certificate = certificateOf(service)
  return {
    account: accountOf(service),
    issuer: meshIssuer,
    privateKey: certificate.keys.privateKey,
    chain: [certificate.certificate],
    x5c: [certificate.base64],
    keyId: keyThumbprint(certificate.keys.publicKey),
    notAfterMs: clockMs + 86_400_000,
    now: () => clockMs,
  }
}

/** The links of a call from the last service but one to the last. */
function walk(withChain: boolean): string {
  let evidence: Evidence | undefined
  let via = ''
  for (const [i, service] of services.slice(0, -1).entries()) {
    const { tokenHash, expiresAt } = verifiedUser(aliceToken)
    const passage = { userTokenHash: tokenHash, userTokenEndsAt: expiresAt, sinceMs: clockMs, evidence }
    const route = routeAt(services[i + 1] as string)
    via = createLinker(signerOf(service)).viaFor(route, passage, withChain)
    evidence = evidenceOf(via.split(',').map((text) => readLink(text).link))
  }
  return via
}

async function headersOf(withChain: boolean): Promise<string[]> {
  const minter = createMinter(signerOf('S7'))
  return [
    'Host',
    hostOf('S8'),
    'Accept',
    '*/*',
    'User-Agent',
    'node',
    'traceparent',
    `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
    'X-Pomerium-Jwt-Assertion',
    minter.assertionFor(hostOf('S8'), withChain),
    'X-Pomerium-Jwt-Assertion-For',
    aliceToken,
    'x-onbehalf-via',
    walk(withChain),
  ]
}

const bytesOf = (headers: readonly string[]) =>
  headers.reduce((sum, part) => sum + Buffer.byteLength(part) + 2, 0)

test('eight honest hops take at most 8 KB of headers where certificates are known by their kid, and are verified', async () => {
  const headers = await headersOf(false)
  assert.ok(bytesOf(headers) <= 8_192, `${bytesOf(headers)} bytes`)
  const snapshot = snapshotAt('S8')
  for (const service of services.slice(0, -1)) {
    const { keys, base64 } = certificateOf(service)
    snapshot.trust.certificates.set(keyThumbprint(keys.publicKey), [base64])
  }
  const answer = decideInbound({
    head: { method: 'GET', target: '/', headers },
    peer,
    snapshot,
    revocations: nothingRevoked,
    nowMs: nowS * 1000,
    missing: nothingElseIsKnown,
  })
  if (!answer.permitted) assert.fail(answer.refusal.detail ?? answer.refusal.code)
  assert.deepEqual(answer.findings.evidence?.accounts, services.slice(0, -1).map(accountOf))
})

test('with a certificate in each link they still fit into the 32 KiB that a sidecar takes', async () => {
  const headers = await headersOf(true)
  assert.ok(bytesOf(headers) <= 32 * 1024, `${bytesOf(headers)} bytes`)
})
