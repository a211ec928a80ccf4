// Whom a connection names, and what that admits: each mode of TLS against each certificate, and each caller.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { ChainFault, verifyPeerCertificates } from '../../shared/certificate/chain.ts'
import { keyThumbprint } from '../../shared/certificate/thumbprint.ts'
import type { Issuer, Mesh } from '../../shared/config/mesh.ts'
import { decideInbound } from '../../shared/inbound.ts'
import type { Policy } from '../../shared/policy/policy.ts'
import { parseNetwork } from '../../shared/network.ts'
import { ShownCertificates } from '../../shared/peer.ts'
import {
  clockMs,
  extendedKeyUsage,
  leafExtensions,
  makeEcKeys,
  makeIntermediate,
  makeLeaf,
  makeMesh,
  makeRoot,
  makeRsaKeys,
  usageIds,
  type TestCertificate,
} from '../support/certificates.ts'
import * as tokens from '../support/tokens.ts'

const { anyone, hosts, meshIssuer, meshOf, policyOf, routeOf, snapshotOf, userToken } = tokens
const dayMs = 86_400_000
const accounts = makeMesh(meshIssuer, ['api-access', 'ledger-access'])
const { authority, root } = accounts
const own = accounts.issue('api-access')
const edgeUri = `spiffe://${meshIssuer}/edge/pomerium`
const uriOf = (account: string) => `spiffe://${meshIssuer}/${account}`
const edge = makeLeaf(root, edgeUri, { keys: makeRsaKeys(2048) })
const expired = makeLeaf(root, uriOf('api-access'), { notAfterMs: clockMs - 1 })
const stranger = makeLeaf(makeRoot(), uriOf('api-access'))
const accountToken = tokens.mint(own, tokens.mintedClaims('api-access'))
const user = userToken({ aud: hosts.API })

const edges: Issuer['edges'] = { sourceIp: [], clientCertificate: [edgeUri] }

interface Case {
  readonly tls: Mesh['tls']
  readonly shown?: TestCertificate
  readonly token?: string
  readonly edges?: Issuer['edges']
  readonly revoked?: TestCertificate
  readonly policy?: Policy
}

function verdict({ tls, shown, token, edges: given, revoked, policy }: Case): string {
  const issuers = [tokens.issuerOf(given === undefined ? {} : { edges: given })]
  const mesh = meshOf({ tls, issuers, routes: [routeOf(policy && { policy })] })
  const answer = decideInbound({
    head: {
      method: 'GET',
      target: '/',
      headers: ['Host', hosts.API, ...(token === undefined ? [] : ['X-Pomerium-Jwt-Assertion', token])],
    },
    peer: { ...tokens.peer, shown: shown && new ShownCertificates([shown.certificate]) },
    snapshot: snapshotOf({ mesh, authorities: [authority] }),
    revocations: {
      ...tokens.nothingRevoked,
      isKeyRevoked: (keyId) => revoked !== undefined && keyId === keyThumbprint(revoked.keys.publicKey),
    },
    nowMs: clockMs,
    missing: tokens.nothingElseIsKnown,
  })
  return answer.permitted ? 'permitted' : answer.refusal.code
}

const other = accounts.issue('ledger-access')
const networks = ['192.0.2.0/24'].map((text) => parseNetwork(text)).filter((network) => network !== undefined)
const edgeNetwork: Issuer['edges'] = { sourceIp: networks, clientCertificate: [] }
const missing = 'client_certificate_missing'
const invalid = 'client_certificate_invalid'
const mismatch = 'client_certificate_mismatch'
const notFromEdge = 'assertion_not_from_edge'
const table: readonly [who: string, what: Omit<Case, 'tls'>, permissive: string, strict: string][] = [
  ['an account with nothing', { token: accountToken }, 'permitted', missing],
  ['an account with its certificate', { token: accountToken, shown: own }, 'permitted', 'permitted'],
  ['another account', { token: accountToken, shown: other }, mismatch, mismatch],
  [
    'an edge with the assertion of an account',
    { token: accountToken, shown: edge, edges },
    mismatch,
    mismatch,
  ],
  ['a stranger', { token: accountToken, shown: stranger }, invalid, invalid],
  [
    'an account whose certificate has expired',
    { token: accountToken, shown: expired },
    'client_certificate_expired',
    'client_certificate_expired',
  ],
  [
    'an account whose key was revoked',
    { token: accountToken, shown: own, revoked: own },
    'client_certificate_revoked',
    'client_certificate_revoked',
  ],
  ['a user from an edge', { token: user, shown: edge, edges }, 'permitted', 'permitted'],
  ['a user from what is no edge here', { token: user, shown: edge }, 'permitted', invalid],
  ['a user from an account', { token: user, shown: own, edges }, notFromEdge, notFromEdge],
  ['a user from a stranger', { token: user, shown: stranger, edges }, notFromEdge, invalid],
  ['a user with nothing', { token: user, edges }, notFromEdge, missing],
  ['a user from a network of edges', { token: user, edges: edgeNetwork }, 'permitted', 'permitted'],
  ['an account from a network of edges', { token: accountToken, edges: edgeNetwork }, 'permitted', missing],
  ['nobody', { policy: anyone }, 'permitted', missing],
  ['nobody from an account', { policy: anyone, shown: own }, 'permitted', 'permitted'],
]

for (const [who, what, permissive, strict] of table) {
  test(`${who} is ${permissive} in permissive, ${strict} in strict`, () => {
    assert.equal(verdict({ tls: 'permissive', ...what }), permissive)
    assert.equal(verdict({ tls: 'strict', ...what }), strict)
  })
}

const policyWith = (criterion: object) =>
  policyOf({ policy: [{ allow: { and: [{ client_certificate: criterion }] } }] })
const fingerprintOf = ({ certificate }: TestCertificate) =>
  certificate.fingerprint256.replaceAll(':', '').toLowerCase()
const policies: readonly [what: string, criterion: object][] = [
  ['a name', { uri: { is: uriOf('api-access') } }],
  ['a fingerprint', { fingerprint: fingerprintOf(own) }],
  [
    'a key',
    {
      spki_hash: createHash('sha256')
        .update(own.keys.publicKey.export({ type: 'spki', format: 'der' }))
        .digest('base64'),
    },
  ],
]
for (const [what, criterion] of policies) {
  test(`a policy by client_certificate with ${what} admits who proves it`, () => {
    const policy = policyWith(criterion)
    const token = accountToken
    assert.equal(verdict({ tls: 'permissive', policy, token, shown: own }), 'permitted')
    assert.equal(verdict({ tls: 'permissive', policy, token }), 'policy_denied')
    assert.equal(verdict({ tls: 'permissive', policy, shown: other }), 'assertion_missing')
  })
}

test('a policy sees no certificate that nobody certifies', () => {
  const policy = policyWith({ fingerprint: fingerprintOf(stranger) })
  assert.equal(verdict({ tls: 'permissive', policy, token: user, shown: stranger }), 'policy_denied')
})

const leafFor = (usage: string) =>
  makeLeaf(root, uriOf('api-access'), {
    extensions: leafExtensions(uriOf('api-access'), extendedKeyUsage(usage)),
  })
const verify = (chain: readonly TestCertificate[], role: 'client' | 'server' = 'client', nowMs = clockMs) =>
  verifyPeerCertificates(
    chain.map(({ certificate }) => certificate),
    authority,
    role,
    nowMs,
  )
const fault = (code: string) => (error: unknown) => error instanceof ChainFault && error.code === code

test('the certificate of a peer names an account that is known, or somebody else', () => {
  const { uri, account, isAccount, authority: by } = verify([own])
  assert.deepEqual([uri, account, isAccount, by], [uriOf('api-access'), 'api-access', true, 'mesh'])
  assert.equal(verify([edge]).isAccount, false)
})

test('the certificate of a peer counts through an intermediate, which may come along with the root', () => {
  const between = makeIntermediate(root)
  const below = makeLeaf(between, uriOf('api-access'))
  for (const chain of [
    [below, between],
    [below, between, root],
  ]) {
    assert.equal(verify(chain).account, 'api-access')
  }
  assert.throws(() => verify([below]), fault('untrusted'))
})

test('the certificate of a peer is for the role in which it is shown', () => {
  const [client, server, any] = [usageIds.clientAuth, usageIds.serverAuth, usageIds.any].map((usage) =>
    leafFor(usage),
  ) as [TestCertificate, TestCertificate, TestCertificate]
  for (const good of [() => verify([client]), () => verify([server], 'server')]) assert.ok(good().isAccount)
  for (const role of ['client', 'server'] as const) assert.ok(verify([any], role).isAccount)
  assert.throws(() => verify([server]), fault('extended_key_usage'))
  assert.throws(() => verify([client], 'server'), fault('extended_key_usage'))
})

test('the certificate of a peer of an account has a key of accounts; of an edge, any that is good', () => {
  const keys = makeEcKeys('P-384')
  assert.throws(() => verify([makeLeaf(root, uriOf('api-access'), { keys })]), fault('leaf_key'))
  assert.equal(verify([makeLeaf(root, edgeUri, { keys })]).isAccount, false)
  assert.throws(() => verify([makeLeaf(root, edgeUri, { keys: makeRsaKeys(1024) })]), fault('issuer_key'))
})

test('the certificate of a peer is judged again when its time has come, and under other roots', () => {
  const soon = makeLeaf(root, uriOf('api-access'), { notBeforeMs: clockMs + dayMs })
  const shown = new ShownCertificates([soon.certificate])
  const { trust } = snapshotOf({ mesh: meshOf(), authorities: [authority] })
  const identify = (nowMs: number, by = trust) => {
    const found = shown.identify(by, tokens.nothingRevoked, nowMs)
    return found.kind === 'proven' ? 'proven' : found.code
  }
  assert.equal(identify(clockMs), invalid)
  assert.equal(identify(clockMs + dayMs), 'proven')
  const { trust: others } = snapshotOf({
    mesh: meshOf(),
    authorities: [makeMesh(meshIssuer, ['api-access']).authority],
  })
  assert.equal(identify(clockMs + dayMs, others), invalid)
  assert.equal(identify(clockMs + dayMs), 'proven')
  assert.equal(identify(clockMs + 91 * dayMs), 'client_certificate_expired')
})
