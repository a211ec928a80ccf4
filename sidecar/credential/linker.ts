// Signs the links of evidence: one for each user's token, call and way that led to it, kept to be used again.
import type { KeyObject } from 'node:crypto'
import { BoundedMap } from '../../shared/bounded-map.ts'
import type { Route } from '../../shared/config/mesh.ts'
import { Refusal } from '../../shared/errors.ts'
import type { Passage } from '../../shared/evidence/evidence.ts'
import { boundHeader, linkType } from '../../shared/evidence/link.ts'
import { RandomBits } from '../random-bits.ts'
import { encodePart, signCompact } from './compact.ts'

/** Characters of links, and of what they are found by, that are kept. */
const maxLength = 4 * 1024 * 1024
const entryOverhead = 400
/** 96 bits, and no longer: all links of a way travel in one header. */
const idBytes = 12

export interface LinkerOptions {
  readonly account: string
  /** `iss`: `mesh.issuer`. */
  readonly issuer: string
  readonly privateKey: KeyObject
  /** Hex RFC 7638 thumbprint of the key. */
  readonly keyId: string
  /** The certificates as `x5c` has them: leaf first, without the root. */
  readonly x5c: readonly string[]
  /** End of the validity of the whole path, in milliseconds since the epoch. */
  readonly notAfterMs: number
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

type Called = Pick<Route, 'name' | 'host'>

export interface Linker {
  /**
   * `x-onbehalf-via` for one call: what came, and a link that says that this account makes this call for this user's
   * token.
   * @param withChain whether the account's certificates travel in the link.
   * @throws {Refusal} `credential_unavailable` where the certificate has expired.
   */
  viaFor(route: Called, passage: Passage, withChain: boolean): string
}

interface Signed {
  readonly link: string
  /** Seconds since the epoch. */
  readonly issuedAt: number
}

/** Signs with one key. A new certificate is a new linker. */
export function createLinker(options: LinkerOptions): Linker {
  const { keyId, x5c, notAfterMs, now } = options
  const signed = new BoundedMap<string, Signed>(maxLength)
  const header = { alg: 'ES256', typ: linkType, kid: keyId }
  const ids = new RandomBits(idBytes, 'base64url')
  const headers = { bare: encodePart(header), withChain: encodePart({ ...header, x5c }) }

  function make(route: Called, passage: Passage, withChain: boolean): Signed {
    const nowMs = now()
    if (nowMs >= notAfterMs) {
      throw new Refusal(
        'credential_unavailable',
        "the certificate of this service's account has expired; renew it",
      )
    }
    const issuedAt = issueTime(passage, nowMs)
    const claims = claimsOf(options, route, passage, issuedAt, () => ids.next())
    return {
      link: signCompact(options.privateKey, withChain ? headers.withChain : headers.bare, claims),
      issuedAt,
    }
  }

  return {
    viaFor(route, passage, withChain) {
      const { evidence, userTokenHash } = passage
      const key = JSON.stringify([userTokenHash, route.host, route.name, evidence?.hash, withChain])
      let known = signed.get(key)
      // A clock that was set back would make it one from the future, which callees refuse.
      if (known === undefined || known.issuedAt * 1000 > now()) {
        known = make(route, passage, withChain)
        signed.set(key, known, known.link.length + key.length + entryOverhead)
      }
      return evidence === undefined ? known.link : `${evidence.via},${known.link}`
    },
  }
}

/**
 * Now; but at the entry never after the user's token: where it has ended meanwhile, when its request came in, for that
 * is what shows that the user was signed in then.
 */
function issueTime({ evidence, sinceMs, userTokenEndsAt }: Passage, nowMs: number): number {
  const nowSeconds = Math.floor(nowMs / 1000)
  if (evidence !== undefined || nowSeconds <= userTokenEndsAt) return nowSeconds
  return Math.min(Math.floor(sinceMs / 1000), userTokenEndsAt)
}

function claimsOf(
  { issuer, account }: LinkerOptions,
  route: Called,
  { evidence, userTokenHash }: Passage,
  issuedAt: number,
  newId: () => string,
): object {
  return {
    iss: issuer,
    sub: account,
    aud: route.host,
    route: route.name,
    iat: issuedAt,
    jti: newId(),
    txn: evidence?.transactionId ?? newId(),
    oth: { [boundHeader]: userTokenHash },
    ...(evidence !== undefined && { prv: evidence.hash }),
  }
}
