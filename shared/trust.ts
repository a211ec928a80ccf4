// Whose signatures count at one moment: issuers with their keys, meshes with their roots, and what was
// verified against exactly these. New keys make a new Trust, so no verdict outlives what it depends on.
import type { AccountVerdicts } from './assertion/account-verdicts.ts'
import type { KnownHeaders } from './assertion/jws.ts'
import type { KeySet } from './assertion/key-set.ts'
import { BoundedMap } from './bounded-map.ts'
import type { Authority } from './certificate/chain.ts'
import type { Issuer, Mesh } from './config/mesh.ts'
import type { Link } from './evidence/link.ts'
import type { Assertion } from './identity.ts'

/** An issuer with the keys that it published. */
export interface IssuerKeys {
  readonly issuer: Issuer
  readonly keys: KeySet
  /** Until when these keys may be used without being confirmed; milliseconds since the epoch. */
  readonly usableUntilMs: number
}

/** A token whose signature is good: what can be kept, because it depends on the token and the keys alone. */
export interface AuthenticToken {
  readonly assertion: Assertion
  readonly notBefore: number | undefined
  /** Milliseconds since the epoch: when the certificate that vouches for the key ends, if one does. */
  readonly certificateEndsMs: number
}

export interface Trust {
  /** By the issuer's name; without an entry for an issuer whose keys were never loaded. */
  readonly keysByIssuer: ReadonlyMap<string, IssuerKeys>
  /** By the issuer string of its minted assertions. */
  readonly authorities: ReadonlyMap<string, Authority>
  /** Tokens whose signature was found good under this very trust. */
  readonly verified: BoundedMap<string, AuthenticToken>
  /** Links of evidence whose signature was found good under this very trust, by their text. */
  readonly links: BoundedMap<string, Link>
  /** Headers of such tokens and links, whatever {@link verified} and {@link links} still hold. */
  readonly headers: KnownHeaders
  readonly accountVerdicts: AccountVerdicts
  /** Chains by the `kid` of their leaf, as `x5c` has them: found to be good once, and judged again when they are used. */
  readonly certificates: BoundedMap<string, readonly string[]>
}

/** One consistent view of configuration and keys; swapped whole, never changed. */
export interface Snapshot {
  readonly mesh: Mesh
  readonly trust: Trust
}

/** Characters of certificates that are kept. */
const certificateLength = 4 * 1024 * 1024
/** Bytes of tokens whose verdict is kept. */
const verifiedTokenBytes = 8 * 1024 * 1024
/** Bytes of links that are kept. */
const verifiedLinkBytes = 16 * 1024 * 1024
/** Bytes of their headers that are kept. */
const headerBytes = 1024 * 1024

export function makeTrust(
  keys: readonly IssuerKeys[],
  authorities: readonly Authority[],
  accountVerdicts: AccountVerdicts,
  certificates = new BoundedMap<string, readonly string[]>(certificateLength),
): Trust {
  return {
    keysByIssuer: new Map(keys.map((entry) => [entry.issuer.name, entry])),
    authorities: new Map(authorities.map((authority) => [authority.issuer, authority])),
    verified: new BoundedMap(verifiedTokenBytes),
    links: new BoundedMap(verifiedLinkBytes),
    headers: new BoundedMap(headerBytes),
    accountVerdicts,
    certificates,
  }
}
