// What this sidecar knows as revoked; kept until no token that it concerns can still be valid.
import type { Revocations } from '../shared/assertion/verify.ts'
import type { Assertion } from '../shared/identity.ts'

/** What is revoked: one session, all tokens of a subject issued so far, one token, or all of one key. */
export type Revocation =
  | { readonly kind: 'session' | 'subject' | 'jti'; readonly issuer: string; readonly value: string }
  | { readonly kind: 'kid'; readonly value: string }

/** No token that we accept lives longer; a revocation older than this concerns none. */
const keepMs = 24 * 60 * 60 * 1000

export class RevocationList implements Revocations {
  /** When each was revoked; milliseconds since the epoch. */
  readonly #revokedAtMs = new Map<string, number>()

  get size(): number {
    return this.#revokedAtMs.size
  }

  revoke(revocation: Revocation, nowMs: number): void {
    for (const [key, atMs] of this.#revokedAtMs) {
      if (nowMs - atMs <= keepMs) break
      this.#revokedAtMs.delete(key)
    }
    const issuer = revocation.kind === 'kid' ? '' : revocation.issuer
    const key = keyOf(revocation.kind, issuer, revocation.value)
    this.#revokedAtMs.delete(key)
    this.#revokedAtMs.set(key, nowMs)
  }

  isRevoked(assertion: Assertion): boolean {
    if (this.#revokedAtMs.size === 0) return false
    const { principal, sessionId, tokenId, keyId, issuedAt } = assertion
    if (this.#has('kid', '', keyId)) return true
    if (this.#has('session', principal.issuer, sessionId)) return true
    if (this.#has('jti', principal.issuer, tokenId)) return true
    const subjectAtMs = this.#revokedAtMs.get(keyOf('subject', principal.issuer, principal.subject))
    return subjectAtMs !== undefined && issuedAt * 1000 <= subjectAtMs
  }

  #has(kind: Revocation['kind'], issuer: string, value: string): boolean {
    return this.#revokedAtMs.has(keyOf(kind, issuer, value))
  }
}

function keyOf(kind: Revocation['kind'], issuer: string, value: string): string {
  return JSON.stringify([kind, issuer, value])
}
