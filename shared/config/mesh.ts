// The mesh as one sidecar sees it: validated, compiled, immutable. The loader makes it, all else reads it.
import type { Policy } from '../policy/policy.ts'
import type { RouteChanges } from '../route-changes.ts'

/** The closed list of signature algorithms that an issuer may name (RFC 7518, RFC 8037). */
export const signatureAlgorithms = [
  'ES256',
  'ES384',
  'ES512',
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'EdDSA',
] as const
export type SignatureAlgorithm = (typeof signatureAlgorithms)[number]

/** An IP network: the first `bits` bits of `address` count. Both families; `contains` is compiled once. */
export interface Network {
  readonly text: string
  contains(address: string): boolean
}

/** Who may sign assertions about users. */
export interface Issuer {
  readonly name: string
  /** Exact `iss` strings accepted. */
  readonly exact: readonly string[]
  /** `iss` equal to the token's own `aud` host. */
  readonly hostOnly: boolean
  /** `iss` equal to `https://<aud>/`. */
  readonly uri: boolean
  readonly jwks:
    | { readonly kind: 'url'; readonly url: string }
    | { readonly kind: 'file'; readonly file: string }
  /** PEM file of a private CA for `jwks`. */
  readonly caFile?: string
  readonly algorithms: readonly SignatureAlgorithm[]
  /** Subjects of this issuer that are service accounts. */
  readonly serviceAccounts: ReadonlySet<string>
  /** Who may present a user's token as the caller's own; undefined: anyone. */
  readonly edges?: { readonly sourceIp: readonly Network[]; readonly clientCertificate: readonly string[] }
  readonly singleUse: boolean
  /** Accounts whose signature on this issuer's keys in the store is trusted. */
  readonly jwksFrom: ReadonlySet<string>
}

/** Whose certificates count for service accounts, and for which. The first one is this mesh's own. */
export interface TrustDomain {
  /** `mesh` for this mesh, else its issuer. The issuer name of its principals. */
  readonly name: string
  /** `iss` of its minted assertions, and the trust domain of its SPIFFE ids. */
  readonly issuer: string
  readonly caFile: string
  readonly accounts: ReadonlySet<string>
}

export type OriginalUserRule = 'required' | 'explicit' | 'optional' | 'none'

/** Which requests of a host a route takes: the first route of the host that matches has it. */
export type PathMatch =
  | { readonly kind: 'any' }
  | { readonly kind: 'prefix'; readonly prefix: string }
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'regex'; readonly regex: RegExp }

/** The three forms in which Pomerium takes a service account's token, in the order in which it looks. */
export type TokenForm = 'header' | 'authorization' | 'bearer'

export interface Endpoint {
  readonly tls: boolean
  /** Whether it is spoken to in HTTP/2 alone, in clear text (`h2c://`). */
  readonly h2c?: true
  /** A name or an IP address, without brackets. */
  readonly host: string
  readonly port: number
}

/** One of the places where a route's service is reached. */
export interface Upstream {
  readonly endpoint: Endpoint
  /** Its share of requests, against those of the others; undefined: that of its addresses. */
  readonly weight: number | undefined
}

export interface Route {
  readonly name: string
  readonly service: string
  /** The host of `from`: lower case, without port. The `aud` of assertions for this route. */
  readonly host: string
  readonly from: Endpoint
  /** At least one; all of one scheme. */
  readonly to: readonly [Upstream, ...Upstream[]]
  /** By what its requests are known where they come to be served: after `changes`. */
  readonly arriving: PathMatch
  /** Undefined: calls go as they are. */
  readonly changes: RouteChanges | undefined
  /** In milliseconds, in place of {@link Mesh.timeouts}; `0`: none. */
  readonly timeouts: {
    /** For a whole answer. */
    readonly totalMs?: number
    readonly idleMs?: number
  }
  /** How `to` is verified in TLS, where its service has no account to show. */
  readonly tls: {
    /** Whom to ask for, and whose certificate it must be; default: the host of `to`. */
    readonly serverName?: string
    /** PEM file of the authorities that count in place of the system's. */
    readonly caFile?: string
  }
  /** Other hosts under which apps call it: lower case, without port. */
  readonly aliases: readonly string[]
  /** Which calls it takes, as callers write them. */
  readonly match: PathMatch
  readonly passIdentityHeaders: boolean
  readonly policy: Policy
  readonly via: 'mesh' | 'pomerium'
  readonly tokenForm: TokenForm
  readonly originalUser: OriginalUserRule
  /** Hosts of the entry routes whose users are accepted here. */
  readonly acceptFor: ReadonlySet<string>
}

export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/** `0` means no limit, as in the mesh file. */
export interface Limits {
  readonly headerBytes: number
  readonly headers: number
  readonly bodyBytes: number
  readonly connections: number
  readonly concurrentRequests: number
  readonly queueDelayMs: number
  readonly sessionBytes: number
}

/** All in milliseconds; `0` means none. */
export interface Timeouts {
  readonly headersMs: number
  readonly idleMs: number
  readonly connectMs: number
  readonly responseMs: number
  readonly drainMs: number
  readonly drainDelayMs: number
  readonly lingerMs: number
}

/** A host and a port of a server to connect to. */
export interface ServerAddress {
  readonly host: string
  readonly port: number
}

/** A name and the file with its password, as an ACL of Redis has them; without a name it is Redis' `default`. */
export interface RedisUser {
  readonly username?: string
  readonly passwordFile?: string
}

/** How a Redis is reached. */
export interface RedisSettings {
  readonly kind: 'redis'
  readonly servers:
    | { readonly kind: 'standalone'; readonly address: ServerAddress }
    | {
        readonly kind: 'sentinel'
        readonly sentinels: readonly ServerAddress[]
        /** The name under which the sentinels know it. */
        readonly master: string
        readonly user: RedisUser
      }
    | { readonly kind: 'cluster'; readonly nodes: readonly ServerAddress[] }
  /** Undefined: in the clear. */
  readonly tls:
    | { readonly caFile?: string; readonly certificateFile?: string; readonly keyFile?: string }
    | undefined
  readonly user: RedisUser
  /** Who may write revocations, where that is somebody else; undefined: the same user. */
  readonly revoker: RedisUser | undefined
  /** Before every key and channel; also the hash tag, so that a cluster keeps what belongs together in one place. */
  readonly prefix: string
}

export type StoreSettings = { readonly kind: 'memory' } | RedisSettings

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export type AuditSettings =
  | { readonly to: 'off' | 'stdout' | 'stderr' }
  | { readonly to: 'file'; readonly file: string }

export interface Mesh {
  /** The service that this sidecar stands beside. */
  readonly service: string
  readonly issuers: readonly Issuer[]
  /** This mesh first (where `mesh` has `issuer` and `ca`), then `mesh.trust`. */
  readonly trustDomains: readonly TrustDomain[]
  /** All routes, in the order of the file. */
  readonly routes: readonly Route[]
  /** This service's routes by the host of `from`, in the order of the file. */
  readonly ownRoutes: ReadonlyMap<string, readonly Route[]>
  /** All routes by the host of `from` and by alias, in the order of the file. */
  readonly routesByHost: ReadonlyMap<string, readonly Route[]>
  /** The accounts under which this service calls others. */
  readonly accounts: ReadonlySet<string>
  /** The accounts of each service of this mesh. */
  readonly accountsByService: ReadonlyMap<string, ReadonlySet<string>>
  /** Who may sign links about calls for each service: its accounts, and those of whom it shares its sessions with. */
  readonly signersByService: ReadonlyMap<string, ReadonlySet<string>>
  /** Services whose sidecars may redeem this service's sessions; empty: sessions are not shared. */
  readonly shareWith: ReadonlySet<string>
  /** Services that share their sessions with this one. */
  readonly sharedBy: ReadonlySet<string>
  /** Names of the routes that this service may call with identity. */
  readonly calls: ReadonlySet<string>
  /** Which claim goes into which header (lower case) for the app. */
  readonly claimHeaders: readonly { readonly header: string; readonly claim: string }[]
  /** The headers of `claimHeaders` as the firewall compares names: lower case, `-` for `_` and `.`. */
  readonly claimHeaderNames: ReadonlySet<string>

  /** The app for each inbound port that `ports` names, and for all others. */
  readonly app: Endpoint | undefined
  readonly appByPort: ReadonlyMap<number, Endpoint>
  readonly listen: {
    readonly inbound: readonly ListenAddress[]
    readonly outbound: readonly ListenAddress[]
    readonly admin: readonly ListenAddress[]
    readonly probes: readonly ListenAddress[]
  }
  readonly adminTokenFile: string | undefined
  readonly credential: {
    readonly certificateFile?: string
    readonly keyFile?: string
    readonly tokenFile?: string
  }

  readonly mode: 'enforce' | 'report'
  readonly egress: { readonly unlisted: 'allow' | 'deny'; readonly local: 'allow' | 'deny' }
  /** Inbound. `off`: clear text alone; `strict`: mutual TLS alone, and nobody but accounts and edges. */
  readonly tls: 'off' | 'permissive' | 'strict'
  /** `off`: links are neither sent nor read; `verify`: needed where a mesh minted the assertion; `require`: always. */
  readonly evidence: 'off' | 'verify' | 'require'
  /** The most links that evidence may have. */
  readonly maxHops: number
  /** For so long an original user's token that expired on the way is accepted, with evidence; milliseconds. */
  readonly originalUserGraceMs: number
  readonly store: StoreSettings
  /** Without word of revocations for so long, requests are refused; milliseconds, `0`: never. */
  readonly revocationMaxAgeMs: number
  /** What ends a request that outlives its decision; `expiry` is a user's, or a revocation before. */
  readonly streamsEndAt: 'expiry' | 'revocation' | 'never'
  readonly limits: Limits
  readonly timeouts: Timeouts
  readonly log: {
    readonly level: LogLevel
    readonly format: 'auto' | 'json' | 'text'
    readonly access: 'off' | 'json' | 'text'
    /** Of one kind, `0`: no limit. */
    readonly linesPerSecond: number
  }
  readonly telemetry: {
    /** How users stand in logs, audit and traces. */
    readonly users: 'pseudonym' | 'plain'
    readonly pseudonymKeyFile: string | undefined
  }
  readonly audit: AuditSettings
}
