// The evidence of how a user's request came here: all links, from the entry on, after they were verified.
import type { Revocable } from '../revocation.ts'
import type { Link } from './link.ts'

/** Characters of `x-onbehalf-via`, whatever else bounds it. */
export const maxViaLength = 64 * 1024

/** Verified evidence, as it is kept and carried on. */
export interface Evidence {
  /** The links as `x-onbehalf-via` has them: oldest first, separated by commas. */
  readonly via: string
  /** The accounts passed, oldest first. */
  readonly accounts: readonly string[]
  /** The calls made, as one text: equal for two requests that came the same way. */
  readonly path: string
  /** `txn` of all links. */
  readonly transactionId: string
  /** The hash of the last link. */
  readonly hash: string
  /** What of each link can be revoked. */
  readonly revocables: readonly Revocable[]
}

/** What there is to be said of how a call came about: of whose request, since when, and by which way so far. */
export interface Passage {
  /** base64url(sha256()) of the original user's token. */
  readonly userTokenHash: string
  /** When that token ends; seconds since the epoch. */
  readonly userTokenEndsAt: number
  /** When the request came in here; milliseconds since the epoch. */
  readonly sinceMs: number
  /** Undefined at the entry, where the chain begins. */
  readonly evidence: Evidence | undefined
}

/** @param links verified, at least one. */
export function evidenceOf(links: readonly Link[]): Evidence {
  const last = links.at(-1)
  if (last === undefined) throw new TypeError('no links')
  return {
    via: links.map(({ text }) => text).join(','),
    accounts: links.map(({ account }) => account),
    path: JSON.stringify(links.map(({ account, route }) => [account, route])),
    transactionId: last.transactionId,
    hash: last.hash,
    revocables: links.map(({ revocable }) => revocable),
  }
}
