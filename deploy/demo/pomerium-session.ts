// Who a request is from, as the stand-in sees it: its session cookie, else a service account's token.
import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { jwtVerify, SignJWT } from 'jose'

export interface PomeriumUser {
  readonly sub: string
  readonly email: string
  readonly groups?: readonly string[]
  readonly name?: string
  /** Further claims of the identity provider; in an assertion only where `jwtClaimsHeaders` names them. */
  readonly claims?: Readonly<Record<string, readonly string[]>>
}

/** A user or a service account; anonymous where both are empty. */
export interface PomeriumSession {
  /** The id of the login session, or of the service account. */
  readonly sid: string
  readonly user: PomeriumUser
}

export interface ServiceAccountTokenOptions {
  /** The account's id, the token's `jti`. */
  readonly id: string
  /** The id of the user as whom it acts, the token's `sub`. */
  readonly user: string
  /** Seconds since the epoch; default: it does not expire. */
  readonly expiresAt?: number
}

export const anonymous: PomeriumSession = { sid: '', user: { sub: '', email: '' } }

export interface Sessions {
  /** The login session of a user by the name that the cookie gives. */
  ofUser(name: string): PomeriumSession | undefined
  /** A new login session for a user by that name. */
  logIn(name: string): void
  /** Undefined without a valid session. */
  ofRequest(headers: IncomingHttpHeaders): Promise<PomeriumSession | undefined>
  serviceAccountToken(options: ServiceAccountTokenOptions): Promise<string>
}

export function createSessions(
  users: Readonly<Record<string, PomeriumUser>>,
  sharedKey: Uint8Array,
  nowMs: () => number,
): Sessions {
  const byName = new Map<string, PomeriumSession>()
  for (const [name, user] of Object.entries(users)) byName.set(name, { sid: randomUUID(), user })

  const ofToken = async (token: string): Promise<PomeriumSession | undefined> => {
    const payload = await verifyToken(token, sharedKey, nowMs())
    if (payload?.jti === undefined || payload.sub === undefined) return undefined
    const known = Object.values(users).find((user) => user.sub === payload.sub)
    return { sid: payload.jti, user: known ?? { sub: payload.sub, email: '' } }
  }

  return {
    ofUser: (name) => byName.get(name),
    logIn: (name) => {
      const session = byName.get(name)
      if (session !== undefined) byName.set(name, { ...session, sid: randomUUID() })
    },
    ofRequest: async (headers) => {
      const session = byName.get(sessionCookie(headers.cookie ?? ''))
      if (session !== undefined) return session
      const token = presentedToken(headers)
      return token === undefined ? undefined : ofToken(token)
    },
    serviceAccountToken: ({ id, user, expiresAt }) => {
      const issuedAt = Math.floor(nowMs() / 1000)
      const claims = { jti: id, sub: user, iat: issuedAt, nbf: issuedAt }
      return new SignJWT(expiresAt === undefined ? claims : { ...claims, exp: expiresAt })
        .setProtectedHeader({ alg: 'HS256' })
        .sign(sharedKey)
    },
  }
}

/** The name in the `_pomerium` cookie, which stands for the login session; empty without one. */
function sessionCookie(cookies: string): string {
  return /(?:^|;) *_pomerium=([^;]*)/.exec(cookies)?.[1]?.trim() ?? ''
}

/** The service account's token, in the order in which Pomerium looks; its prefixes are case-sensitive. */
function presentedToken(headers: IncomingHttpHeaders): string | undefined {
  const header = headers['x-pomerium-authorization']
  if (typeof header === 'string' && header !== '') return header
  const authorization = headers.authorization ?? ''
  const prefix = ['Pomerium ', 'Bearer Pomerium-'].find((form) => authorization.startsWith(form))
  return prefix === undefined ? undefined : authorization.slice(prefix.length)
}

async function verifyToken(token: string, sharedKey: Uint8Array, nowMs: number) {
  try {
    const options = { algorithms: ['HS256'], currentDate: new Date(nowMs) }
    return (await jwtVerify(token, sharedKey, options)).payload
  } catch {
    return undefined // as for Pomerium, a bad token is no session, and no other answer
  }
}
