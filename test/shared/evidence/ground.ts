// What the tests of evidence stand on: a mesh of nine services in a row, and links signed by hand, honest or not.
import { randomBytes } from 'node:crypto'
import { forge } from '../../../deploy/demo/forge.ts'
import { AccountVerdicts } from '../../../shared/assertion/account-verdicts.ts'
import { verifyToken } from '../../../shared/assertion/verify.ts'
import { keyThumbprint } from '../../../shared/certificate/thumbprint.ts'
import type { Mesh, Route } from '../../../shared/config/mesh.ts'
import { hashOf } from '../../../shared/evidence/link.ts'
import type { Assertion } from '../../../shared/identity.ts'
import { makeTrust, type Snapshot } from '../../../shared/trust.ts'
import { parseKeySet } from '../../../shared/assertion/key-set.ts'
import { makeMesh, type TestCertificate } from '../../support/certificates.ts'
import {
  issuerOf,
  meshIssuer,
  meshOf,
  nothingElseIsKnown,
  nothingRevoked,
  nowS,
  peer,
  pomerium,
  routeOf,
  userToken,
} from '../../support/tokens.ts'

/** S0 is where users come in; each calls the next one, and also S8 calls S1. */
export const services = Array.from({ length: 9 }, (_, i) => `S${i}`)
export const hostOf = (service: string): string => `${service.toLowerCase()}.example.com`
/** The account under which a service calls: `calls-from-S0`. */
export const accountOf = (service: string): string => `calls-from-${service}`

export const authority = makeMesh(meshIssuer, [...services.map(accountOf), 'spare', 'newcomer'])
export const otherMesh = makeMesh('other.example.com', services.map(accountOf), 'other.example.com')

/** One for each, and a second one of S2 at the same host. */
export const routes: readonly Route[] = [
  ...services.map((name) => routeOf({ name, acceptFor: new Set([hostOf('S0')]) })),
  routeOf({ name: 'S2 too', service: 'S2', host: hostOf('S2') }),
]
export const routeAt = (service: string): Route => routes.find(({ name }) => name === service) as Route

const certificates = new Map(services.map((service) => [service, authority.issue(accountOf(service))]))
export const certificateOf = (service: string): TestCertificate =>
  certificates.get(service) as TestCertificate

export function meshAt(service: string, changes: Partial<Mesh> = {}): Mesh {
  return meshOf({
    service,
    routes,
    issuers: [issuerOf()],
    signersByService: new Map(services.map((each) => [each, new Set([accountOf(each)])])),
    evidence: 'verify',
    ...changes,
  })
}

export function snapshotAt(service: string, changes: Partial<Mesh> = {}): Snapshot {
  const issuer = issuerOf()
  const keys = [
    { issuer, keys: parseKeySet(JSON.stringify({ keys: [pomerium.jwk] })), usableUntilMs: Infinity },
  ]
  const trust = makeTrust(keys, [authority.authority, otherMesh.authority], new AccountVerdicts())
  return { mesh: meshAt(service, changes), trust }
}

export const aliceToken = userToken({ sub: 'alice', aud: hostOf('S0'), iss: hostOf('S0') })
export const bobToken = userToken({ sub: 'bob', aud: hostOf('S0'), iss: hostOf('S0') })

export function verifiedUser(token: string): Assertion {
  const snapshot = snapshotAt('S0')
  const audiences = new Set(services.map(hostOf))
  return verifyToken(token, {
    role: 'original_user',
    audiences,
    peer,
    snapshot,
    revocations: nothingRevoked,
    nowMs: nowS * 1000,
    missing: nothingElseIsKnown,
  })
}

export const newId = (): string => randomBytes(12).toString('base64url')

type Members = Readonly<Record<string, unknown>>

export interface LinkShape {
  readonly from: string
  readonly to: string
  readonly token?: string
  readonly txn?: string
  /** The link before. */
  readonly after?: string | undefined
  readonly claims?: Members
  readonly header?: Members
  readonly certificate?: TestCertificate
  readonly withChain?: boolean
}

/** A link as the sidecar of `from` signs it for a call to `to`, but for what the shape says. */
export function linkOf(shape: LinkShape): string {
  const { from, to, token = aliceToken, txn = 'the-transaction', after, withChain = true } = shape
  const certificate = shape.certificate ?? certificateOf(from)
  const { publicKey, privateKey } = certificate.keys
  const header = {
    alg: 'ES256',
    typ: 'onbehalf-link+jwt',
    kid: keyThumbprint(publicKey),
    ...(withChain && { x5c: [certificate.base64] }),
    ...shape.header,
  }
  const payload = {
    iss: meshIssuer,
    sub: accountOf(from),
    aud: hostOf(to),
    route: to,
    iat: nowS,
    jti: newId(),
    txn,
    oth: { 'x-pomerium-jwt-assertion-for': hashOf(token) },
    ...(after !== undefined && { prv: hashOf(after) }),
    ...shape.claims,
  }
  return forge({ header, payload, key: privateKey })
}

/** The links of a way through these services, each calling the next. */
export function chainOf(way: readonly string[], shape: Partial<LinkShape> = {}): string[] {
  const links: string[] = []
  for (let i = 0; i + 1 < way.length; i++) {
    links.push(linkOf({ from: way[i] as string, to: way[i + 1] as string, after: links.at(-1), ...shape }))
  }
  return links
}
