// The claims of an assertion, in the shape that Pomerium has given them since v0.28.
import { randomUUID } from 'node:crypto'
import type { PomeriumSession } from './pomerium-session.ts'

const lifetimeSeconds = 5 * 60

export interface AssertionShape {
  /** `hostOnly`, `uri`, or any other text for an `iss` that is always that text. */
  readonly issuer: string
  /** Claims beyond those that are always there. */
  readonly furtherClaims: readonly string[]
}

/** A new assertion's claims: a new `jti` and `iat` at every call, a text `aud`, no `nbf`. */
export function assertionClaims(
  session: PomeriumSession,
  host: string,
  shape: AssertionShape,
  nowMs: number,
): Record<string, unknown> {
  const { sub, email, groups, name } = session.user
  const issuedAt = Math.floor(nowMs / 1000)
  const claims: Record<string, unknown> = {
    iss: issuerOf(host, shape.issuer),
    aud: host,
    jti: randomUUID(),
    iat: issuedAt,
    exp: issuedAt + lifetimeSeconds,
    sub,
    user: sub,
    email,
    groups: groups ?? [],
    sid: session.sid,
    name: name ?? '',
  }
  for (const claim of shape.furtherClaims) {
    const values = session.user.claims?.[claim]
    if (values !== undefined && !(claim in claims)) claims[claim] = values.join(',')
  }
  return claims
}

function issuerOf(host: string, issuer: string): string {
  if (issuer === 'hostOnly') return host
  return issuer === 'uri' ? `https://${host}/` : issuer
}
