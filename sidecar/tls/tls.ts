// What TLS is spoken with: the account's certificate on both sides, and by whom callees are certified.
import { constants } from 'node:crypto'
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

const oldestVersion = 'TLSv1.2'

export function createTls(options: TlsOptions): Tls {
  const { mesh, authorities } = options
  const own = authorities.find(({ name }) => name === meshIssuerName)
  const callees = new Map<Route, Callee | undefined>()
  let context: SecureContext | undefined

  function calleeOf(route: Route): Callee | undefined {
    const accounts = mesh.accountsByService.get(route.service) ?? new Set()
    // A service without an account has nothing to show: it is verified by its name, like any other server.
    if (route.via !== 'mesh' || own === undefined || accounts.size === 0) return undefined
    context ??= createSecureContext({ ...shared(options, [own]), allowPartialTrustChain: true })
    const { revocations, now } = options
    return new Callee({
      authority: own,
      service: route.service,
      accounts,
      context,
      serverName: undefined,
      revocations,
      now,
    })
  }

  return {
    server: serverOptions(options),
    securityFor(route) {
      if (!route.to.tls) return undefined
      if (!callees.has(route)) callees.set(route, calleeOf(route))
      return callees.get(route)?.security
    },
  }
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
    minVersion: oldestVersion,
  }
}
