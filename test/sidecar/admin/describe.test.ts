// What the admin listener shows is JSON, is whole, and holds no secret.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  describeConfig,
  describeKeys,
  describeSessions,
  publishedKeySet,
} from '../../../sidecar/admin/describe.ts'
import type { Network } from '../../../shared/config/mesh.ts'
import { parseNetwork } from '../../../shared/network.ts'
import { Redacted } from '../../../shared/redacted.ts'
import { createCredential } from '../../../sidecar/credential/credential.ts'
import { createMinter } from '../../../sidecar/credential/minter.ts'
import type { Described } from '../../../sidecar/admin/describe.ts'
import { Sessions } from '../../../sidecar/sessions.ts'
import { clockMs, makeMesh, type TestCertificate } from '../../support/certificates.ts'
import {
  assertionOf,
  issuerOf,
  meshIssuer,
  meshOf,
  everythingRevoked,
  nothingRevoked,
  pomerium,
  routeOf,
  snapshotOf,
} from '../../support/tokens.ts'
import { keyThumbprint } from '../../../shared/certificate/thumbprint.ts'

const accounts = makeMesh(meshIssuer, ['api-access'])
const certificate = accounts.issue('api-access')
const minter = createMinter({
  account: 'api-access',
  issuer: meshIssuer,
  privateKey: certificate.keys.privateKey,
  chain: [certificate.certificate],
  keyId: keyThumbprint(certificate.keys.publicKey),
  notAfterMs: clockMs,
  now: () => clockMs,
})

function currentOf(changes: { withCredential?: boolean } = {}): Described {
  const issuers = [
    issuerOf(),
    issuerOf({ name: 'down', jwks: { kind: 'url', url: 'https://down.example/jwks' } }),
  ]
  const snapshot = snapshotOf({
    mesh: meshOf({ issuers }),
    keys: { pomerium: [pomerium.jwk] },
    usableUntilMs: clockMs,
    authorities: [accounts.authority],
  })
  const token = new Redacted('SECRET')
  return {
    snapshot,
    credential:
      changes.withCredential === false
        ? createCredential(undefined, undefined)
        : createCredential(minter, token),
  }
}

const asJson = (value: unknown) => JSON.parse(JSON.stringify(value)) as Record<string, unknown>

test('the configuration is shown with its sets and maps as lists', () => {
  const network = parseNetwork('10.0.0.0/8') as Network
  const mesh = meshOf({
    issuers: [issuerOf({ jwksFrom: new Set(['a']), edges: { sourceIp: [network], clientCertificate: [] } })],
    routes: [routeOf({ match: { kind: 'regex', regex: /^a$/u } })],
    trustDomains: [{ name: 'mesh', issuer: meshIssuer, caFile: 'ca.pem', accounts: new Set(['a']) }],
    appByPort: new Map([[15006, { tls: false, host: '127.0.0.1', port: 1 }]]),
  })
  const shown = asJson(describeConfig(mesh)) as {
    issuers: { serviceAccounts: string[]; jwksFrom: string[]; edges: { sourceIp: string[] } }[]
    routes: { acceptFor: string[]; match: unknown }[]
    trustDomains: { accounts: string[] }[]
    accounts: string[]
    calls: string[]
    ownRoutes: string[]
    appByPort: Record<string, unknown>
  }
  assert.deepEqual(shown.issuers[0]?.serviceAccounts, ['pomerium-account'])
  assert.deepEqual(shown.issuers[0]?.jwksFrom, ['a'])
  assert.deepEqual(shown.issuers[0]?.edges.sourceIp, ['10.0.0.0/8'])
  assert.equal(shown.routes[0]?.acceptFor.length, 3)
  assert.deepEqual(shown.routes[0]?.match, { kind: 'regex', regex: '^a$' })
  assert.deepEqual(shown.trustDomains[0]?.accounts, ['a'])
  assert.deepEqual(
    [shown.accounts, shown.calls, shown.ownRoutes],
    [['ledger-access'], ['API'], ['api.example.com']],
  )
  assert.deepEqual(Object.keys(shown.appByPort), ['15006'])
})

test('the keys are shown by their names, those that were never loaded too', () => {
  const shown = asJson(describeKeys(currentOf(), nothingRevoked))
  assert.deepEqual(shown['issuers'], [
    {
      issuer: 'pomerium',
      from: 'jwks.json',
      loaded: true,
      key_ids: [pomerium.kid],
      revoked_key_ids: [],
      usable_until: '2026-01-15T12:00:00.000Z',
    },
    { issuer: 'down', from: 'https://down.example/jwks', loaded: false, key_ids: [], revoked_key_ids: [] },
  ])
  assert.deepEqual(shown['account'], {
    account: 'api-access',
    key_id: minter.keyId,
    valid_to: '2026-01-15T12:00:00.000Z',
    revoked: false,
  })
  assert.equal((shown['roots'] as unknown[]).length, 1)
  assert.equal(shown['pomerium_token'], true)
})

test('a key that was revoked is shown as such', () => {
  const shown = asJson(describeKeys(currentOf(), everythingRevoked))
  assert.deepEqual((shown['issuers'] as { revoked_key_ids: string[] }[])[0]?.revoked_key_ids, [pomerium.kid])
  assert.equal((shown['account'] as { revoked: boolean }).revoked, true)
})

test('without a credential none is shown', () => {
  const shown = asJson(describeKeys(currentOf({ withCredential: false }), nothingRevoked))
  assert.equal(shown['account'], undefined)
  assert.equal(shown['pomerium_token'], false)
})

test('apps find the issuers’ keys and the account’s in one key set, public members only', () => {
  const { keys } = asJson(publishedKeySet(currentOf(), nothingRevoked, clockMs)) as {
    keys: Record<string, unknown>[]
  }
  assert.deepEqual(
    keys.map(({ kid }) => kid),
    [pomerium.kid, minter.keyId],
  )
  const members = ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']
  assert.deepEqual(
    keys.map((key) =>
      Object.keys(key)
        .filter((name) => name !== 'sub')
        .sort(),
    ),
    [members, members],
  )
  assert.deepEqual(
    keys.map(({ sub }) => sub),
    [undefined, 'api-access'],
  )
  const without = asJson(publishedKeySet(currentOf({ withCredential: false }), nothingRevoked, clockMs)) as {
    keys: unknown[]
  }
  assert.equal(without.keys.length, 1)
})

test('the keys of other accounts are published as far as they are known, valid and not revoked', () => {
  const current = currentOf({ withCredential: false })
  const { certificates } = current.snapshot.trust
  const know = (issued: TestCertificate) => {
    const kid = keyThumbprint(issued.keys.publicKey)
    certificates.set(kid, [issued.base64])
    return kid
  }
  const kid = know(accounts.issue('api-access'))
  know(accounts.issue('api-access', { notAfterMs: clockMs - 1 }))
  know(makeMesh('other.example.com', ['api-access']).issue('api-access'))
  const keysOf = (revocations = nothingRevoked) =>
    (asJson(publishedKeySet(current, revocations, clockMs)) as { keys: Record<string, unknown>[] }).keys
  const [, ...found] = keysOf()
  assert.deepEqual(
    found.map(({ kid: id, sub, alg }) => ({ id, sub, alg })),
    [{ id: kid, sub: 'api-access', alg: 'ES256' }],
  )
  assert.equal(keysOf({ ...nothingRevoked, isKeyRevoked: (id) => id === kid }).length, 1)
})

test('however many certificates have ended, those that are good are published', () => {
  const current = currentOf({ withCredential: false })
  const { certificates } = current.snapshot.trust
  for (let i = 0; i < 30; i++) {
    const ended = accounts.issue('api-access', { notAfterMs: clockMs - 1 })
    certificates.set(keyThumbprint(ended.keys.publicKey), [ended.base64])
  }
  certificates.set('good', [accounts.issue('api-access').base64])
  const { keys } = asJson(publishedKeySet(current, nothingRevoked, clockMs)) as { keys: unknown[] }
  assert.equal(keys.length, 2)
})

test('no secret is shown anywhere', () => {
  const current = currentOf()
  const { d } = certificate.keys.privateKey.export({ format: 'jwk' })
  for (const shown of [
    describeKeys(current, nothingRevoked),
    publishedKeySet(current, nothingRevoked, clockMs),
    describeConfig(current.snapshot.mesh),
  ]) {
    const text = JSON.stringify(shown)
    assert.doesNotMatch(text, /SECRET|PRIVATE/)
    assert.ok(!text.includes(d as string))
  }
})

test('of sessions only counts are shown', () => {
  const sessions = new Sessions({
    service: 'API',
    now: () => clockMs,
    maxBytes: () => 0,
    lingerMs: () => 1_000,
  })
  sessions.keep(assertionOf('user', 'alice'), undefined)
  sessions.keep(undefined, undefined).end()
  const { bytes, ...counts } = describeSessions(sessions) as Record<string, number>
  assert.deepEqual(counts, { active: 1, lingering: 1 })
  assert.equal(bytes, sessions.bytes)
})
