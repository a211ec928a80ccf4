// Who calls, and for which host: the users whose assertions are sent, each with one login session.
import type { PomeriumSession } from '../../deploy/demo/pomerium-session.ts'

/** The route's host: `iss` and `aud` of its assertions, in Pomerium's default form. */
export const host = 'app.localhost.pomerium.io'
/** Whose users the policy admits. */
export const domain = 'companydomain.com'
export const userCount = 1_000
export const assertionHeader = 'X-Pomerium-Jwt-Assertion'

/** The session of the user of this number; numbers beyond the last user begin again. */
export function sessionOf(number: number): PomeriumSession {
  const id = String(number % userCount).padStart(12, '0')
  const user = {
    sub: `6f0c4b1e-3d52-4c1b-9a77-${id}`,
    email: `user-${id}@${domain}`,
    name: `User ${id}`,
    groups: ['Engineering', 'Everyone'],
  }
  return { sid: `0d9e7a52-88f3-4e0f-b6c4-${id}`, user }
}
