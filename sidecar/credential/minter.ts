// Mints the assertions under which this service calls others, and keeps one per audience.
import { createPublicKey, randomUUID } from 'node:crypto'
import type { KeyObject, X509Certificate } from 'node:crypto'
import { BoundedMap } from '../../shared/bounded-map.ts'
import { Refusal } from '../../shared/errors.ts'
import { encodePart, signCompact } from './compact.ts'

const lifetimeS = 60
const maxAudiences = 1000

export interface MinterOptions {
  readonly account: string
  /** `iss`: `mesh.issuer`. */
  readonly issuer: string
  readonly privateKey: KeyObject
  /** Leaf first, without the root: what travels in `x5c`. */
  readonly chain: readonly X509Certificate[]
  /** Hex RFC 7638 thumbprint of the key. */
  readonly keyId: string
  /** End of the validity of the whole path, in milliseconds since the epoch. */
  readonly notAfterMs: number
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** The public key as the JWKS of this sidecar shows it (RFC 7517). */
export interface PublicJwk {
  readonly kty: 'EC'
  readonly crv: 'P-256'
  readonly x: string
  readonly y: string
  readonly kid: string
  readonly alg: 'ES256'
  readonly use: 'sig'
}

export interface Minter {
  readonly account: string
  /** `iss`: `mesh.issuer`. */
  readonly issuer: string
  readonly keyId: string
  readonly publicJwk: PublicJwk
  readonly notAfterMs: number
  /** The certificates as `x5c` has them: leaf first, without the root. */
  readonly x5c: readonly string[]
  /**
   * An assertion for calls to `audience` (a route's host), with `x5c` unless told otherwise. A secret: never logged. Throws a
   * {@link Refusal} with `credential_unavailable` where the certificate has expired.
   */
  assertionFor(audience: string, withChain?: boolean): string
  /** Signs anything else of the account's: a JWS in compact form, by ES256, with the account's `kid`. */
  sign(header: Readonly<Record<string, unknown>>, payload: Readonly<Record<string, unknown>>): string
}

interface Minted {
  readonly token: string
  readonly mintedAtMs: number
  readonly expiresAtMs: number
}

interface Entry {
  readonly audience: string
  readonly withChain: boolean
  minted?: Minted
}

/** Mints with one key. A new certificate is a new minter. */
export function createMinter(options: MinterOptions): Minter {
  const { account, issuer, privateKey, keyId, notAfterMs, now } = options
  const x5c = options.chain.map((certificate) => certificate.raw.toString('base64'))
  const mint = createMint(options, x5c)
  const entries = { withChain: newEntries(), bare: newEntries() }

  function entryOf(audience: string, withChain: boolean): Entry {
    const kept = withChain ? entries.withChain : entries.bare
    const known = kept.get(audience)
    if (known !== undefined) return known
    const entry: Entry = { audience, withChain }
    kept.set(audience, entry)
    return entry
  }

  return {
    account,
    issuer,
    keyId,
    publicJwk: publicJwkOf(options),
    notAfterMs,
    x5c,
    sign: (header, payload) =>
      signCompact(privateKey, encodePart({ alg: 'ES256', kid: keyId, ...header }), payload),
    assertionFor(audience, withChain = true) {
      const nowMs = now()
      const entry = entryOf(audience, withChain)
      if (entry.minted === undefined || !isFresh(entry.minted, nowMs)) entry.minted = mint(entry, nowMs)
      return entry.minted.token
    },
  }
}

const newEntries = () => new BoundedMap<string, Entry>(maxAudiences)

function createMint(
  options: MinterOptions,
  x5c: readonly string[],
): (wanted: Entry, nowMs: number) => Minted {
  const { account, issuer, privateKey, keyId, notAfterMs } = options
  const header = { alg: 'ES256', kid: keyId, typ: 'JWT' }
  const bare = encodePart(header)
  const withChain = encodePart({ ...header, x5c })
  const sid = randomUUID()

  return (wanted, nowMs) => {
    const iat = Math.floor(nowMs / 1000)
    const exp = Math.min(iat + lifetimeS, Math.floor(notAfterMs / 1000))
    if (exp * 1000 <= nowMs) {
      throw new Refusal(
        'credential_unavailable',
        "the certificate of this service's account has expired; renew it",
      )
    }
    const claims = {
      iss: issuer,
      sub: account,
      user: account,
      aud: wanted.audience,
      iat,
      exp,
      jti: randomUUID(),
      sid,
      email: '',
      groups: [],
      name: '',
    }
    const token = signCompact(privateKey, wanted.withChain ? withChain : bare, claims)
    return { token, mintedAtMs: iat * 1000, expiresAtMs: exp * 1000 }
  }
}

/** Until half of its life is over; a clock that was set back would make it one from the future, which callees refuse. */
function isFresh({ mintedAtMs, expiresAtMs }: Minted, nowMs: number): boolean {
  return nowMs >= mintedAtMs && nowMs - mintedAtMs < (expiresAtMs - mintedAtMs) / 2
}

function publicJwkOf({ privateKey, keyId }: MinterOptions): PublicJwk {
  const { x, y } = createPublicKey(privateKey).export({ format: 'jwk' })
  if (x === undefined || y === undefined) throw new TypeError('not an EC key')
  return { kty: 'EC', crv: 'P-256', x, y, kid: keyId, alg: 'ES256', use: 'sig' }
}
