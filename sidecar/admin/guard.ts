// Who may speak to the admin listener: programs on this machine, never a browser page of somebody else's.
import type { IncomingMessage } from 'node:http'
import { isLoopback } from '../../shared/config/address.ts'
import { headerValues } from '../../shared/head.ts'
import { parseAuthority } from '../../shared/target.ts'
import type { TokenCheck } from './token.ts'

export interface Denial {
  readonly status: 401 | 403
  readonly message: string
}

/** A foreign `Host` is DNS rebinding, a foreign `Origin` or fetch site is another page: both are refused. */
export function denyForeign(request: IncomingMessage): Denial | undefined {
  const hosts = headerValues(request.rawHeaders, 'host')
  const authority = hosts.length === 1 ? parseAuthority(hosts[0] as string) : undefined
  if (authority === undefined || !(isLoopback(authority.host) || authority.host === 'localhost')) {
    return { status: 403, message: 'The admin listener answers only to a loopback Host.' }
  }
  const site = request.headers['sec-fetch-site']
  const { origin } = request.headers
  const foreignOrigin = origin !== undefined && origin !== `http://${request.headers.host}`
  const foreignSite = site !== undefined && site !== 'same-origin' && site !== 'none'
  if (!foreignOrigin && !foreignSite) return undefined
  return { status: 403, message: 'The admin listener answers no cross-site requests.' }
}

/** For what changes something, and for what shows who calls whom. */
export function denyWithoutToken(request: IncomingMessage, token: TokenCheck): Denial | undefined {
  const match = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')
  if (match !== null && token.matches(match[1] as string)) return undefined
  return {
    status: 401,
    message: `Send the admin token: Authorization: Bearer <the content of ${token.file}>.`,
  }
}
