// Of an assertion minted in the mesh only `sub` is believed, and that only with a certificate for it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { verifyToken, type VerifyOptions } from '../../../shared/assertion/verify.ts'
import {
  clockMs,
  makeIntermediate,
  makeLeaf,
  makeMesh,
  type TestCertificate,
} from '../../support/certificates.ts'
import * as tokens from '../../support/tokens.ts'

const { hosts, meshIssuer, mint, mintedClaims, nowS } = tokens
const mesh = makeMesh(meshIssuer, ['api-access', 'ledger-access', 'ns/shop/sa/app'])
const certificate = mesh.issue('api-access')

const codeOf = (token: string, changes: Partial<VerifyOptions> = {}) =>
  tokens.refusalOf(() => verify(token, changes))
function verify(token: string, changes: Partial<VerifyOptions> = {}) {
  return verifyToken(token, {
    role: 'assertion',
    audiences: new Set([hosts.API]),
    peer: tokens.peer,
    snapshot: tokens.snapshotOf({ authorities: [mesh.authority] }),
    revocations: tokens.nothingRevoked,
    nowMs: clockMs,
    missing: ({ kind }) => (kind === 'certificates' ? 'unknown' : assert.fail('no issuer knows its key')),
    ...changes,
  })
}

test('a minted assertion is about its account', () => {
  const { kind, principal, audience, email, groups, name } = verify(
    mint(certificate, mintedClaims('api-access')),
  )
  assert.deepEqual(
    { kind, principal },
    { kind: 'service_account', principal: { issuer: 'mesh', subject: 'api-access' } },
  )
  assert.deepEqual(
    { audience, email, groups, name },
    { audience: hosts.API, email: '', groups: [], name: '' },
  )
})

test('an account may hold slashes', () => {
  const token = mint(mesh.issue('ns/shop/sa/app'), mintedClaims('ns/shop/sa/app'))
  assert.equal(verify(token).principal.subject, 'ns/shop/sa/app')
})

test('what is empty may be missing', () => {
  const token = mint(
    certificate,
    mintedClaims('api-access', { email: undefined, groups: undefined, name: undefined }),
  )
  assert.equal(verify(token).kind, 'service_account')
})

test('a certificate by way of an intermediate counts', () => {
  const intermediate = makeIntermediate(mesh.root)
  const leaf = makeLeaf(intermediate, `spiffe://${meshIssuer}/api-access`)
  const token = mint(leaf, mintedClaims('api-access'), { x5c: [leaf.base64, intermediate.base64] })
  assert.equal(verify(token).principal.subject, 'api-access')
})

const malformed: Readonly<Record<string, Record<string, unknown>>> = {
  'an email': { email: 'alice@example.com' },
  'a group': { groups: ['admin'] },
  'an empty group': { groups: [''] },
  'a name': { name: 'Alice' },
  'another user': { user: 'ledger-access' },
  'an empty user': { user: '' },
  'no user': { user: undefined },
  'an empty subject': { sub: '', user: '' },
  'a claim that sidecars do not mint': { role: 'admin' },
  'a claim of Pomerium’s that sidecars do not mint': { nbf: nowS },
  'a claim named __proto__': JSON.parse('{"__proto__":1}') as Record<string, unknown>,
}
for (const [what, claims] of Object.entries(malformed)) {
  test(`a minted assertion with ${what} is malformed`, () => {
    assert.equal(codeOf(mint(certificate, mintedClaims('api-access', claims))), 'assertion_malformed')
  })
}

test('a minted assertion is signed by ES256 and nothing else', () => {
  for (const alg of ['none', 'RS256', 'ES384', 'HS256', 'EdDSA']) {
    const [, payload] = mint(certificate, mintedClaims('api-access')).split('.')
    const header = Buffer.from(JSON.stringify({ alg, kid: 'x', x5c: [certificate.base64] })).toString(
      'base64url',
    )
    assert.equal(codeOf(`${header}.${payload}.AAAA`), 'assertion_algorithm', alg)
  }
})

const stranger = makeMesh(meshIssuer, ['api-access'])
const unknownKeys: Readonly<Record<string, readonly [TestCertificate, Record<string, unknown>?]>> = {
  'without a certificate': [certificate, { x5c: undefined }],
  'with an empty list of certificates': [certificate, { x5c: [] }],
  'with what is no certificate': [certificate, { x5c: ['AAAA'] }],
  'under the certificate of another account': [mesh.issue('ledger-access')],
  'under a certificate of another authority': [stranger.issue('api-access')],
  'under a certificate of an account that the mesh file does not know': [mesh.issue('unknown-access')],
  'under an expired certificate': [mesh.issue('api-access', { notAfterMs: clockMs - 1_000 })],
  'under a certificate that is not valid yet': [mesh.issue('api-access', { notBeforeMs: clockMs + 61_000 })],
  'with another kid than that of its key': [certificate, { kid: 'a'.repeat(64) }],
  'without kid': [certificate, { kid: undefined }],
}
test('a certificate that begins within a minute by our clock has begun by that of who uses it', () => {
  const early = mesh.issue('api-access', { notBeforeMs: clockMs + 60_000 })
  assert.equal(verify(mint(early, mintedClaims('api-access'))).principal.subject, 'api-access')
})

for (const [what, [under, header]] of Object.entries(unknownKeys)) {
  test(`a minted assertion ${what} is of an unknown key`, () => {
    assert.equal(codeOf(mint(under, mintedClaims('api-access'), header)), 'assertion_key_unknown')
  })
}

test('an assertion about an account that the mesh file does not know is refused, though its certificate is sound', () => {
  const under = mesh.issue('unknown-access')
  assert.equal(codeOf(mint(under, mintedClaims('unknown-access'))), 'assertion_key_unknown')
})

test('a certificate of the account that somebody else carries along signs nothing', () => {
  const thief = mesh.issue('ledger-access')
  const stolen = { ...thief, base64: certificate.base64 }
  assert.equal(codeOf(mint(stolen, mintedClaims('api-access'))), 'assertion_key_unknown')
  const kid = JSON.parse(
    Buffer.from(mint(certificate, {}).split('.')[0] as string, 'base64url').toString(),
  ) as { kid: string }
  assert.equal(codeOf(mint(stolen, mintedClaims('api-access'), { kid: kid.kid })), 'assertion_signature')
})

test('a key of a user issuer signs no minted assertion', () => {
  const token = tokens.pomerium.sign(mintedClaims('api-access'))
  assert.equal(codeOf(token), 'assertion_key_unknown')
})

test('a certificate signs no token of a user issuer', () => {
  const token = mint(certificate, tokens.userClaims({ aud: hosts.API }))
  assert.equal(codeOf(token, { missing: tokens.nothingElseIsKnown }), 'assertion_key_unknown')
})

test('a certificate of one mesh mints nothing in the name of another', () => {
  const other = makeMesh('partner.example.com', ['api-access'], 'partner.example.com')
  const snapshot = tokens.snapshotOf({ authorities: [mesh.authority, other.authority] })
  const good = mint(other.issue('api-access'), mintedClaims('api-access', { iss: 'partner.example.com' }))
  assert.deepEqual(verify(good, { snapshot }).principal, {
    issuer: 'partner.example.com',
    subject: 'api-access',
  })
  assert.equal(
    codeOf(mint(other.issue('api-access'), mintedClaims('api-access')), { snapshot }),
    'assertion_key_unknown',
  )
  const foreign = mint(certificate, mintedClaims('api-access', { iss: 'partner.example.com' }))
  assert.equal(codeOf(foreign, { snapshot }), 'assertion_key_unknown')
})

test('a minted assertion is refused from the moment its certificate has ended, though it was verified before', () => {
  const snapshot = tokens.snapshotOf({ authorities: [mesh.authority] })
  const token = mint(mesh.issue('api-access', { notAfterMs: clockMs + 10_000 }), mintedClaims('api-access'))
  verify(token, { snapshot })
  assert.equal(verify(token, { snapshot, nowMs: clockMs + 10_000 }).kind, 'service_account')
  assert.equal(codeOf(token, { snapshot, nowMs: clockMs + 10_001 }), 'assertion_key_unknown')
  assert.equal(codeOf(token, { nowMs: clockMs + 10_001 }), 'assertion_key_unknown')
})

test('a minted assertion has the same limits in time and place as any', () => {
  assert.equal(
    codeOf(mint(certificate, mintedClaims('api-access', { aud: hosts.App }))),
    'assertion_audience',
  )
  assert.equal(codeOf(mint(certificate, mintedClaims('api-access', { exp: nowS - 60 }))), 'assertion_expired')
  assert.equal(
    codeOf(mint(certificate, mintedClaims('api-access', { iat: nowS + 61 }))),
    'assertion_not_yet_valid',
  )
  assert.equal(
    codeOf(mint(certificate, mintedClaims('api-access')), { revocations: tokens.everythingRevoked }),
    'assertion_revoked',
  )
})

const bad = (i: number) =>
  mint(certificate, mintedClaims('api-access'), { x5c: [Buffer.alloc(3, i).toString('base64')] })

test('a peer that sends bad certificates without end is told to wait, and others are not', () => {
  const snapshot = tokens.snapshotOf({ authorities: [mesh.authority] })
  for (let i = 0; i < 20; i++) assert.equal(codeOf(bad(i), { snapshot }), 'assertion_key_unknown')
  assert.equal(codeOf(bad(20), { snapshot }), 'overloaded')
  assert.equal(codeOf(bad(20), { snapshot, peer: { address: '192.0.2.8' } }), 'assertion_key_unknown')
})
