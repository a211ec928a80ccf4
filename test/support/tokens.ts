// Makes keys, tokens, meshes and snapshots for tests of the decisions: real signatures, a frozen clock, no socket.
import assert from 'node:assert/strict'
import { forge } from '../../deploy/demo/forge.ts'
import { AccountVerdicts } from '../../shared/assertion/account-verdicts.ts'
import { parseKeySet } from '../../shared/assertion/key-set.ts'
import type { Revocations } from '../../shared/assertion/verify.ts'
import type { MissingRule } from '../../shared/needed.ts'
import type { Authority } from '../../shared/certificate/chain.ts'
import { keyThumbprint } from '../../shared/certificate/thumbprint.ts'
import type { Issuer, Mesh, Route } from '../../shared/config/mesh.ts'
import { Refusal, type RefusalCode } from '../../shared/errors.ts'
import type { Peer } from '../../shared/head.ts'
import type { Assertion, PrincipalKind } from '../../shared/identity.ts'
import { compilePolicy, type PolicySource } from '../../shared/policy/compile.ts'
import type { Policy } from '../../shared/policy/policy.ts'
import { makeTrust, type Snapshot } from '../../shared/trust.ts'
import { clockMs, makeEcKeys, type KeyPair, type TestCertificate } from './certificates.ts'

export const nowS = clockMs / 1000
export const peer: Peer = { address: '192.0.2.7' }
export const hosts = { App: 'app.example.com', API: 'api.example.com', Ledger: 'ledger.example.com' } as const
export const meshIssuer = 'mesh.example.com'

type Members = Readonly<Record<string, unknown>>

/** A key that signs as ES256, and is published under its thumbprint. */
export interface Signer extends KeyPair {
  readonly kid: string
  readonly jwk: Members
  readonly sign: (claims: Members, header?: Members) => string
}

export function makeSigner(): Signer {
  const keys = makeEcKeys()
  const kid = keyThumbprint(keys.publicKey)
  const sign = (claims: Members, header: Members = {}) =>
    forge({ header: { alg: 'ES256', kid, typ: 'JWT', ...header }, payload: claims, key: keys.privateKey })
  return {
    ...keys,
    kid,
    jwk: { ...keys.publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'ES256' },
    sign,
  }
}

/** The key of the one issuer that {@link meshOf} knows unless it is told otherwise. */
export const pomerium = makeSigner()

/** What Pomerium says of a user who comes in at App. */
export function userClaims(changes: Members = {}): Members {
  const subject = (changes['sub'] ?? 'alice') as string
  const audience = changes['aud'] ?? hosts.App
  return {
    iss: audience,
    aud: audience,
    sub: subject,
    user: subject,
    email: subject === '' ? '' : `${subject}@example.com`,
    groups: ['staff'],
    name: 'A Name',
    jti: `jti of ${subject}`,
    sid: `sid of ${subject}`,
    iat: nowS,
    exp: nowS + 300,
    ...changes,
  }
}

/** A user's assertion as Pomerium signs it. */
export function userToken(changes: Members = {}): string {
  return pomerium.sign(userClaims(changes))
}

/** What a sidecar says of its account. */
export function mintedClaims(account: string, changes: Members = {}): Members {
  return {
    iss: meshIssuer,
    aud: hosts.API,
    sub: account,
    user: account,
    email: '',
    groups: [],
    name: '',
    jti: 'jti',
    sid: 'sid',
    iat: nowS,
    exp: nowS + 60,
    ...changes,
  }
}

/** Signs under an account's certificate, which travels in `x5c`. */
export function mint(certificate: TestCertificate, claims: Members, header: Members = {}): string {
  const { publicKey, privateKey } = certificate.keys
  const given = {
    alg: 'ES256',
    kid: keyThumbprint(publicKey),
    typ: 'JWT',
    x5c: [certificate.base64],
    ...header,
  }
  return forge({ header: given, payload: claims, key: privateKey })
}

/** Compiles what must be a sound policy. */
export function policyOf(source: PolicySource): Policy {
  const names = new Set(['pomerium', 'mesh'])
  return compilePolicy(source, { issuerNames: names }, [], {
    error: (path, message) => assert.fail(`${path.join('.')}: ${message}`),
    warn: () => undefined,
  })
}

export const anyone = policyOf({ policy: [{ allow: { or: [{ accept: true }] } }] })
export const anyoneSignedIn = policyOf({ policy: [{ allow: { or: [{ authenticated_user: true }] } }] })

export function routeOf(changes: Partial<Route> = {}): Route {
  const { name = 'API' } = changes
  const host = changes.host ?? `${name.toLowerCase()}.example.com`
  return {
    name,
    service: name,
    host,
    from: { tls: true, host, port: 443 },
    to: [{ endpoint: { tls: false, host: '127.0.0.1', port: 15006 }, weight: undefined }],
    aliases: [],
    tls: {},
    arriving: changes.match ?? { kind: 'any' },
    changes: undefined,
    timeouts: {},
    match: { kind: 'any' },
    passIdentityHeaders: true,
    policy: anyoneSignedIn,
    via: 'mesh',
    tokenForm: 'header',
    originalUser: 'optional',
    acceptFor: new Set(Object.values(hosts)),
    ...changes,
  }
}

export function issuerOf(changes: Partial<Issuer> = {}): Issuer {
  return {
    name: 'pomerium',
    exact: ['pomerium-proxy'],
    hostOnly: true,
    uri: true,
    jwks: { kind: 'file', file: 'jwks.json' },
    algorithms: ['ES256', 'RS256'],
    serviceAccounts: new Set(['pomerium-account']),
    singleUse: false,
    jwksFrom: new Set(),
    ...changes,
  }
}

const signers = new Map([
  ['App', new Set(['api-access'])],
  ['API', new Set(['ledger-access'])],
])

const claimHeaders = [
  { header: 'x-pomerium-authenticated-user-id', claim: 'sub' },
  { header: 'x-pomerium-authenticated-user-email', claim: 'email' },
  { header: 'x-pomerium-authenticated-user-groups', claim: 'groups' },
]

/** The mesh as the sidecar of API sees it, but for what `changes` says; the maps of routes follow from `routes`. */
export function meshOf(changes: Partial<Mesh> = {}): Mesh {
  const { service = 'API', routes = [routeOf({ name: 'App' }), routeOf(), routeOf({ name: 'Ledger' })] } =
    changes
  return {
    service,
    issuers: [issuerOf()],
    trustDomains: [],
    routes,
    ownRoutes: byHost(
      routes.filter((route) => route.service === service),
      ({ host }) => [host],
    ),
    routesByHost: byHost(routes, ({ host, aliases }) => [host, ...aliases]),
    accounts: new Set(['ledger-access']),
    accountsByService: signers,
    signersByService: signers,
    shareWith: new Set(),
    sharedBy: new Set(),
    calls: new Set(routes.map(({ name }) => name)),
    claimHeaders,
    claimHeaderNames: new Set(claimHeaders.map(({ header }) => header)),
    app: { tls: false, host: '127.0.0.1', port: 8080 },
    appByPort: new Map(),
    listen: { inbound: [], outbound: [], admin: [], probes: [] },
    adminTokenFile: undefined,
    credential: {},
    mode: 'enforce',
    egress: { unlisted: 'allow', local: 'deny' },
    tls: 'off',
    evidence: 'off',
    maxHops: 8,
    originalUserGraceMs: 0,
    store: { kind: 'memory' },
    revocationMaxAgeMs: 0,
    streamsEndAt: 'revocation',
    limits: {
      headerBytes: 0,
      headers: 0,
      bodyBytes: 0,
      connections: 0,
      concurrentRequests: 0,
      queueDelayMs: 0,
      sessionBytes: 0,
    },
    timeouts: {
      headersMs: 0,
      idleMs: 0,
      connectMs: 0,
      responseMs: 0,
      drainMs: 0,
      drainDelayMs: 0,
      lingerMs: 0,
    },
    log: { level: 'info', format: 'json', access: 'off', linesPerSecond: 0 },
    telemetry: { users: 'pseudonym', pseudonymKeyFile: undefined },
    audit: { to: 'off' },
    ...changes,
  }
}

function byHost(
  routes: readonly Route[],
  hostsOf: (route: Route) => readonly string[],
): Map<string, Route[]> {
  const map = new Map<string, Route[]>()
  for (const route of routes) {
    for (const host of hostsOf(route)) map.set(host, [...(map.get(host) ?? []), route])
  }
  return map
}

export interface SnapshotShape {
  readonly mesh?: Mesh
  /** The keys of each issuer, by its name; an issuer that is missing here was never loaded. */
  readonly keys?: Readonly<Record<string, readonly Members[]>>
  readonly usableUntilMs?: number
  readonly authorities?: readonly Authority[]
}

export function snapshotOf(shape: SnapshotShape = {}): Snapshot {
  const {
    mesh = meshOf(),
    keys = { pomerium: [pomerium.jwk] },
    usableUntilMs = Infinity,
    authorities = [],
  } = shape
  const loaded = mesh.issuers.flatMap((issuer) => {
    const jwks = keys[issuer.name]
    return jwks === undefined
      ? []
      : [{ issuer, keys: parseKeySet(JSON.stringify({ keys: jwks })), usableUntilMs }]
  })
  return { mesh, trust: makeTrust(loaded, authorities, new AccountVerdicts()) }
}

export const nothingRevoked: Revocations = {
  isRevoked: () => false,
  isKeyRevoked: () => false,
  version: 0,
  gap: undefined,
}
export const everythingRevoked: Revocations = {
  ...nothingRevoked,
  isRevoked: () => true,
  isKeyRevoked: () => true,
}
export const nothingElseIsKnown: MissingRule = () => 'unknown'

/** An assertion as if it had been verified, for what stands behind verification. */
export function assertionOf(
  kind: PrincipalKind,
  subject: string,
  changes: Partial<Assertion> = {},
): Assertion {
  const issuer = kind === 'service_account' ? 'mesh' : 'pomerium'
  return {
    token: `token of ${subject}`,
    tokenHash: `hash of the token of ${subject}`,
    kind,
    principal: { issuer, subject },
    audience: hosts.App,
    email: '',
    groups: [],
    name: '',
    sessionId: '',
    tokenId: '',
    issuedAt: nowS,
    expiresAt: nowS + 300,
    keyId: 'kid',
    claims: {},
    ...changes,
  }
}

/** Runs what must be refused, and says with which code. */
export function refusalOf(run: () => unknown): RefusalCode {
  return refusal(run).code
}

export function refusal(run: () => unknown): Refusal {
  try {
    run()
  } catch (error) {
    if (error instanceof Refusal) return error
    throw error
  }
  return assert.fail('it was not refused')
}

/** The same token with another signature, still in canonical base64url. */
export function withBrokenSignature(token: string): string {
  const cut = token.lastIndexOf('.') + 1
  const bytes = Buffer.from(token.slice(cut), 'base64url')
  bytes[0] = (bytes[0] as number) ^ 1
  return token.slice(0, cut) + bytes.toString('base64url')
}
