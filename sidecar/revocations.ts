// What this sidecar knows as revoked; kept for as long as it runs.
import type { Revocable, Revocations } from '../shared/assertion/verify.ts'

/** What is revoked: one session, all tokens of a subject issued so far, one token, or all of one key. */
export type Revocation =
  | { readonly kind: 'session' | 'subject' | 'jti'; readonly issuer: string; readonly value: string }
  | { readonly kind: 'kid'; readonly value: string }

/** Nothing is ever forgotten: how long a token of an issuer lives is not known here, and a key has no end at all. */
export class RevocationList implements Revocations {
  /** When each was revoked; milliseconds since the epoch. */
  readonly #revokedAtMs = new Map<string, number>()

  get size(): number {
    return this.#revokedAtMs.size
  }

  revoke(revocation: Revocation, nowMs: number): void {
    const issuer = revocation.kind === 'kid' ? '' : revocation.issuer
    const key = keyOf(revocation.kind, issuer, revocation.value)
    // A clock that was set back does not take back what was revoked.
    this.#revokedAtMs.set(key, Math.max(nowMs, this.#revokedAtMs.get(key) ?? 0))
  }

  isRevoked(signed: Revocable): boolean {
    if (this.#revokedAtMs.size === 0) return false
    const { principal, sessionId, tokenId, keyId, issuedAt } = signed
    if (this.isKeyRevoked(keyId)) return true
    if (this.#has('session', principal.issuer, sessionId)) return true
    if (this.#has('jti', principal.issuer, tokenId)) return true
    const subjectAtMs = this.#revokedAtMs.get(keyOf('subject', principal.issuer, principal.subject))
    return subjectAtMs !== undefined && issuedAt * 1000 <= subjectAtMs
  }

  isKeyRevoked(keyId: string): boolean {
    return this.#has('kid', '', keyId)
  }

  #has(kind: Revocation['kind'], issuer: string, value: string): boolean {
    return this.#revokedAtMs.has(keyOf(kind, issuer, value))
  }
}

function keyOf(kind: Revocation['kind'], issuer: string, value: string): string {
  return JSON.stringify([kind, issuer, value])
}
