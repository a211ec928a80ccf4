// What TLS is spoken with: the account's certificate on both sides, and by whom callees are certified.
import { constants, randomUUID } from 'node:crypto'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import type { Revocations } from '../../shared/assertion/verify.ts'
import type { Authority } from '../../shared/certificate/chain.ts'
import type { Mesh, Route } from '../../shared/config/mesh.ts'
import { meshIssuerName } from '../../shared/identity.ts'
import type { Security } from '../upstream/dial.ts'
import { Callee } from './callee.ts'

/** A certificate, then those of its issuers, and its key; in PEM. The key is a secret. */
export interface CertificateFiles {
  readonly cert: string
  readonly key: string
}

export interface TlsOptions {
  readonly mesh: Mesh
  readonly authorities: readonly Authority[]
  /** PEM by file, of routes that name one. */
  readonly routeCas: ReadonlyMap<string, string>
  /** The account's. */
  readonly files: CertificateFiles | undefined
  readonly revocations: Revocations
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

export interface Tls {
  /** What clients are served with; undefined: clear text alone. */
  readonly server: SecureContextOptions | undefined
  /** How the callee of a route is verified, and what it is shown; undefined: as the system verifies, and nothing. */
  securityFor(route: Route): Security | undefined
}

const minVersion = 'TLSv1.2'

/** Live state: what callees showed is known until the configuration changes. */
export function createTls(options: TlsOptions): Tls {
  const securities = new Map<Route, () => Security | undefined>()
  const meshContext = once(() => meshContextOf(options))
  return {
    server: serverOptions(options),
    securityFor(route) {
      if (!route.to[0].endpoint.tls) return undefined
      let security = securities.get(route)
      if (security === undefined) {
        security = makeSecurity(route, options, meshContext)
        securities.set(route, security)
      }
      return security()
    },
  }
}

function makeSecurity(
  route: Route,
  { mesh, authorities, routeCas, revocations, now }: TlsOptions,
  meshContext: () => SecureContext,
): () => Security | undefined {
  const { service, tls } = route
  const { serverName } = tls
  const authority = authorities.find(({ name }) => name === meshIssuerName)
  const accounts = mesh.accountsByService.get(service) ?? new Set()
  if (authority !== undefined && accounts.size > 0) {
    const context = meshContext()
    const callee = new Callee({ authority, service, accounts, context, serverName, revocations, now })
    return () => callee.security
  }
  if (serverName === undefined && tls.caFile === undefined) return () => undefined
  // A service without an account has nothing to show: it is verified by its name, like any other server.
  const ca = tls.caFile === undefined ? undefined : routeCas.get(tls.caFile)
  const context = createSecureContext({ minVersion, ...(ca === undefined ? undefined : { ca }) })
  const named = serverName === undefined ? undefined : { serverName }
  const security: Security = { key: randomUUID(), context, ...named }
  return () => security
}

function meshContextOf(options: TlsOptions): SecureContext {
  const own = options.authorities.filter(({ name }) => name === meshIssuerName)
  // A root of the mesh may itself be certified by somebody.
  return createSecureContext({ ...shared(options, own), allowPartialTrustChain: true })
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => (made ??= { value: make() }).value
}

function serverOptions(options: TlsOptions): SecureContextOptions | undefined {
  if (options.mesh.tls === 'off' || options.files === undefined) return undefined
  return {
    ...shared(options, options.authorities),
    // A resumed session would not show its certificates again (RFC 8446 section 2.2), and be good for what has expired.
    secureOptions: constants.SSL_OP_NO_TICKET,
  }
}

function shared({ files }: TlsOptions, authorities: readonly Authority[]): SecureContextOptions {
  return {
    ...files,
    ca: authorities.flatMap(({ roots }) => roots.map(String)),
    minVersion,
  }
}
