// What sidecars tell each other of a revocation: a digest of what is revoked, so that who reads it learns no session and
// no subject. Whoever can guess one can confirm the guess.
import { hash } from 'node:crypto'
import type { Assertion } from './identity.ts'

/** What of a signed statement can be revoked: its key, its principal's session, its principal so far, or itself. */
export type Revocable = Pick<Assertion, 'principal' | 'sessionId' | 'tokenId' | 'keyId' | 'issuedAt'>

export type RevocationKind = 'session' | 'subject' | 'jti' | 'kid'

/** What is revoked: one session, all tokens of a subject issued so far, one token, or all of one key. */
export type Revocation =
  | { readonly kind: 'session' | 'subject' | 'jti'; readonly issuer: string; readonly value: string }
  | { readonly kind: 'kid'; readonly value: string }

/** A revocation as it is kept and shared. */
export interface RevocationEntry {
  readonly digest: string
  /** Seconds since the epoch. Of a subject, the tokens issued up to then are revoked. */
  readonly revokedAtSeconds: number
  /** When no token that it is about can be valid any more: seconds since the epoch, `Infinity` for never. */
  readonly forgetAtSeconds: number
}

/** For so long a revocation counts where nothing else is said: longer than any user's token lives. */
export const defaultRevocationSeconds = 30 * 24 * 60 * 60

/** @param issuer empty for a `kid`, which is of whoever signs with it. */
export function digestOf(kind: RevocationKind, issuer: string, value: string): string {
  return hash('sha256', JSON.stringify([kind, issuer, value]), 'base64url')
}

/** @param forSeconds `Infinity`: for ever, as a `kid` is always. */
export function makeEntry(revocation: Revocation, forSeconds: number, nowMs: number): RevocationEntry {
  const { kind, value } = revocation
  const nowSeconds = Math.floor(nowMs / 1000)
  return {
    digest: digestOf(kind, kind === 'kid' ? '' : revocation.issuer, value),
    revokedAtSeconds: nowSeconds,
    forgetAtSeconds: kind === 'kid' ? Infinity : Math.ceil(nowSeconds + forSeconds),
  }
}

/** A member of the sorted set; its score is `forgetAtSeconds`. */
export function memberOf({ digest, revokedAtSeconds }: RevocationEntry): string {
  return `${digest}.${revokedAtSeconds}`
}

/** A message of the channel: the member and its score. */
export function messageOf(entry: RevocationEntry): string {
  const { forgetAtSeconds } = entry
  return `${memberOf(entry)} ${forgetAtSeconds === Infinity ? 'inf' : forgetAtSeconds}`
}

const memberPattern = /^([\w-]{43})\.(0|[1-9]\d{0,10})$/
const scorePattern = /^(?:inf|[1-9]\d{0,10})$/
/** Beyond it a number of seconds is none that {@link scorePattern} takes. */
const maxSeconds = 99_999_999_999

/** Undefined for what no sidecar writes: anybody may have written it. */
export function parseEntry(member: string, score: number): RevocationEntry | undefined {
  const [, digest, revokedAt] = memberPattern.exec(member.slice(0, 64)) ?? []
  if (digest === undefined || Number.isNaN(score) || score < 0) return undefined
  return {
    digest,
    revokedAtSeconds: Number(revokedAt),
    forgetAtSeconds: score > maxSeconds ? Infinity : Math.ceil(score),
  }
}

/** Undefined for what no sidecar sends. */
export function parseMessage(text: string): RevocationEntry | undefined {
  const [member = '', score = '', ...rest] = text.slice(0, 96).split(' ')
  if (rest.length > 0 || !scorePattern.test(score)) return undefined
  return parseEntry(member, score === 'inf' ? Infinity : Number(score))
}
