// A stand-in for Pomerium on loopback: it signs an assertion for every request, and copies `-For` unverified.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { JWK } from 'jose'
import { forge, type Forgery } from './forge.ts'
import { assertionClaims } from './pomerium-assertion.ts'
import { forward } from './pomerium-forward.ts'
import { upstreamHeaders, type HeaderRules } from './pomerium-headers.ts'
import { createJwksEndpoint, jwksPath, type JwksFailure } from './pomerium-jwks.ts'
import {
  foreignKey,
  generateSigningKey,
  signAssertion,
  type PomeriumAlgorithm,
  type SigningKey,
} from './pomerium-keys.ts'
import {
  anonymous,
  createSessions,
  type PomeriumSession,
  type PomeriumUser,
  type ServiceAccountTokenOptions,
} from './pomerium-session.ts'

export type { JwksFailure } from './pomerium-jwks.ts'
export type { PomeriumAlgorithm, SigningKey } from './pomerium-keys.ts'
export type { PomeriumUser, ServiceAccountTokenOptions } from './pomerium-session.ts'

export interface PomeriumRoute extends HeaderRules {
  /** The upstream's origin, `http://host:port`. */
  readonly to: string
  readonly allowPublicUnauthenticatedAccess?: boolean
}

export interface PomeriumOptions {
  /** By host, lower case and without port. Without `passIdentityHeaders` an upstream gets no identity. */
  readonly routes?: Readonly<Record<string, PomeriumRoute>>
  /** By the name that the cookie `_pomerium=<name>` gives, which stands for a login session. */
  readonly users?: Readonly<Record<string, PomeriumUser>>
  /** `hostOnly` (default), `uri`, or any other text for an `iss` that is always that text. */
  readonly issuer?: string
  /** Default ES256. */
  readonly algorithm?: PomeriumAlgorithm
  /** Which claim goes into which header; default: the `x-pomerium-authenticated-user-*` of the documentation. */
  readonly jwtClaimsHeaders?: Readonly<Record<string, string>>
  /** Signs the tokens of service accounts; default: random. */
  readonly sharedKey?: Uint8Array
  /** Milliseconds since the epoch; default: the system's clock. */
  readonly nowMs?: () => number
  /** On 127.0.0.1; default: any free one. */
  readonly port?: number
}

export interface Pomerium {
  /** `http://127.0.0.1:<port>`; the route is chosen by the `Host` header. */
  readonly url: string
  readonly jwksUrl: string
  /** Adds a route, or replaces the one of that host. */
  setRoute(host: string, route: PomeriumRoute): void
  /** A new login session of a user: another `sid` from now on. */
  logIn(user: string): void
  /** A new assertion's claims, for a user by name, or for nobody. */
  claims(user: string | undefined, host: string): Record<string, unknown>
  /** The assertion that `host` gets for this user, as if a request had passed. */
  assertion(user: string | undefined, host: string): Promise<string>
  /** Any assertion, good or forged: with the current key, unless `overrides` name another key or header. */
  sign(claims: Record<string, unknown>, overrides?: Partial<Omit<Forgery, 'payload'>>): Promise<string>
  /** The token that a service account presents. */
  serviceAccountToken(options: ServiceAccountTokenOptions): Promise<string>
  /** The key that signs now. */
  signingKey(): SigningKey
  /** A new key signs from now on; the old ones stay published unless `dropOld`. */
  rotateKey(options?: { readonly dropOld?: boolean }): Promise<SigningKey>
  /** Publishes Pomerium's key for encryption among the others, as older versions do. */
  addForeignKey(): void
  /** Publishes this document instead of the keys; `{keys: null}` is Pomerium's empty set; undefined ends it. */
  serveJwks(document: unknown): void
  failJwks(how: JwksFailure | undefined): void
  jwksFetches(): number
  close(): Promise<void>
}

const documentedClaimHeaders = {
  'x-pomerium-authenticated-user-id': 'sub',
  'x-pomerium-authenticated-user-email': 'email',
  'x-pomerium-authenticated-user-groups': 'groups',
}
const authenticateUrl = 'https://authenticate.localhost.pomerium.io/.pomerium/sign_in'

export async function startPomerium(options: PomeriumOptions = {}): Promise<Pomerium> {
  const { algorithm = 'ES256', issuer = 'hostOnly', sharedKey = randomBytes(32), nowMs = Date.now } = options
  const claimHeaders = options.jwtClaimsHeaders ?? documentedClaimHeaders
  const shape = { issuer, furtherClaims: Object.values(claimHeaders) }
  const routes = new Map(Object.entries(options.routes ?? {}))
  const sessions = createSessions(options.users ?? {}, sharedKey, nowMs)

  let key = await generateSigningKey(algorithm)
  let published: readonly JWK[] = [key.jwk]
  let servedDocument: unknown
  const jwks = createJwksEndpoint(() => servedDocument ?? { keys: published })

  const sessionOf = (user: string | undefined): PomeriumSession => {
    const session = user === undefined ? anonymous : sessions.ofUser(user)
    if (session === undefined) throw new TypeError(`the stand-in knows no user ${user}`)
    return session
  }
  const claims = (session: PomeriumSession, host: string) => assertionClaims(session, host, shape, nowMs())

  const agent = new Agent({ keepAlive: true })
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.url?.split('?')[0] === jwksPath) return jwks.answer(request, response)
    const host = (request.headers.host ?? '').replace(/:\d+$/, '').toLowerCase()
    const route = routes.get(host)
    if (route === undefined) return void response.writeHead(404).end()
    const session = await sessions.ofRequest(request.headers)
    if (session === undefined && route.allowPublicUnauthenticatedAccess !== true) {
      return requireLogin(request, response, host)
    }
    const asserted = claims(session ?? anonymous, host)
    const identity = { token: await signAssertion(asserted, key), claims: asserted, claimHeaders }
    const upstream = new URL(route.to)
    const headers = upstreamHeaders(request.rawHeaders, request.headers, upstream.host, route, identity)
    forward(request, response, upstream, headers, agent)
  }

  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => response.destroy(error as Error))
  })
  server.listen(options.port ?? 0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  return {
    url,
    jwksUrl: url + jwksPath,
    setRoute: (host, route) => void routes.set(host, route),
    logIn: (user) => {
      sessionOf(user)
      sessions.logIn(user)
    },
    claims: (user, host) => claims(sessionOf(user), host),
    assertion: async (user, host) => signAssertion(claims(sessionOf(user), host), key),
    sign: async (payload, overrides) => {
      if (overrides === undefined) return signAssertion(payload, key)
      const header = { alg: key.algorithm, kid: key.kid, typ: 'JWT', ...overrides.header }
      return forge({ header, payload, key: overrides.key ?? key.privateKey })
    },
    serviceAccountToken: (token) => sessions.serviceAccountToken(token),
    signingKey: () => key,
    rotateKey: async ({ dropOld = false } = {}) => {
      key = await generateSigningKey(algorithm)
      published = dropOld ? [key.jwk] : [key.jwk, ...published]
      return key
    },
    addForeignKey: () => {
      published = [...published, foreignKey]
    },
    serveJwks: (document) => {
      servedDocument = document
    },
    failJwks: jwks.fail,
    jwksFetches: jwks.fetches,
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      agent.destroy()
      await closed
    },
  }
}

/** Browsers are sent to log in; what asks for no HTML is told so. */
function requireLogin(request: IncomingMessage, response: ServerResponse, host: string): void {
  const accept = request.headers.accept ?? '*/*'
  const grpc = request.headers['content-type']?.startsWith('application/grpc') === true
  if (grpc || !/text\/html|\*\/\*/.test(accept)) return void response.writeHead(401).end()
  const target = encodeURIComponent(`https://${host}${request.url}`)
  response.writeHead(302, { location: `${authenticateUrl}?pomerium_redirect_uri=${target}` }).end()
}
