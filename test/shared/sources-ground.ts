// What the tests of sources stand on: live sessions of two services with one clock, and what a call's sources come to.
import type { ClaimedIdentity } from '../../shared/headers/firewall.ts'
import type { Assertion } from '../../shared/identity.ts'
import { findCause, readSources } from '../../shared/sources.ts'
import { Sessions } from '../../sidecar/sessions.ts'
import { clockMs } from '../support/certificates.ts'
import { assertionOf, refusalOf, nothingElseIsKnown } from '../support/tokens.ts'

export const lingerMs = 30_000

export function liveSessions() {
  const clock = { ms: clockMs }
  const options = { now: () => clock.ms, maxBytes: () => 0, lingerMs: () => lingerMs }
  const sessions = new Sessions({ service: 'API', ...options })
  const other = new Sessions({ service: 'Elsewhere', ...options })
  return { clock, sessions, other }
}

export const user = (name: string, changes: Partial<Assertion> = {}) =>
  assertionOf('user', name, { token: `jwt of ${name}`, ...changes })
export const nobody = assertionOf('anonymous', '', { token: 'jwt about nobody' })

export const lost = 'original_user_lost'
export const ambiguous = 'original_user_ambiguous'

/** A code, or what was found: `alice by handle`, `own by assertion`, `none`. */
export function outcome(claims: ClaimedIdentity, sessions: Sessions): string {
  const find = () => {
    const cause = findCause(readSources(claims, sessions, nothingElseIsKnown))
    if (cause.kind === 'none') return 'none'
    return `${cause.kind === 'user' ? cause.assertion.principal.subject : cause.kind} by ${cause.source}`
  }
  try {
    return find()
  } catch {
    return refusalOf(find)
  }
}
