// Which headers an upstream of the stand-in gets: Pomerium's own rules, its weaknesses included.
import type { IncomingHttpHeaders } from 'node:http'

export interface HeaderRules {
  readonly passIdentityHeaders?: boolean
  readonly setRequestHeaders?: Readonly<Record<string, string>>
  readonly removeRequestHeaders?: readonly string[]
}

export interface Identity {
  /** The fresh assertion. */
  readonly token: string
  readonly claims: Readonly<Record<string, unknown>>
  /** Which claim goes into which header. */
  readonly claimHeaders: Readonly<Record<string, string>>
}

const assertionHeader = 'x-pomerium-jwt-assertion'
const originalUserHeader = 'x-pomerium-jwt-assertion-for'
const hopByHop = ['connection', 'keep-alive', 'proxy-connection', 'upgrade', 'te']

/** Names and values in turn, ready for `http.request`. */
export function upstreamHeaders(
  rawHeaders: readonly string[],
  received: IncomingHttpHeaders,
  upstreamHost: string,
  rules: HeaderRules,
  identity: Identity,
): string[] {
  const set = new Map<string, string>([['host', upstreamHost]])
  if (rules.passIdentityHeaders === true) {
    set.set(assertionHeader, identity.token)
    const originalUser = forwardedFor(received)
    if (originalUser !== '') set.set(originalUserHeader, originalUser)
    for (const [header, claim] of Object.entries(identity.claimHeaders)) {
      set.set(header.toLowerCase(), claimText(identity.claims[claim]))
    }
  }
  for (const [name, value] of Object.entries(rules.setRequestHeaders ?? {}))
    set.set(name.toLowerCase(), value)

  const dropped = new Set([
    ...hopByHop,
    ...set.keys(),
    assertionHeader,
    originalUserHeader,
    'x-pomerium-authorization',
    ...Object.keys(identity.claimHeaders).map((name) => name.toLowerCase()),
  ])
  const removed = new Set((rules.removeRequestHeaders ?? []).map((name) => name.toLowerCase()))
  const kept = withoutCredentials(rawHeaders).filter(([name]) => !dropped.has(name.toLowerCase()))
  return [...kept, ...set].filter(([name]) => !removed.has(name.toLowerCase())).flat()
}

/** Pomerium's whole logic for `-For`; it validates nothing, whoever sends it. */
function forwardedFor(received: IncomingHttpHeaders): string {
  return text(received[originalUserHeader]) || text(received[assertionHeader])
}

function text(value: string | string[] | undefined): string {
  return Array.isArray(value) ? value.join(',') : (value ?? '')
}

function claimText(value: unknown): string {
  if (Array.isArray(value)) return value.join(',')
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}

/** Without the session cookie and `Authorization: Pomerium …`; `Bearer Pomerium-…` passes, as it does there. */
function withoutCredentials(rawHeaders: readonly string[]): [string, string][] {
  const headers: [string, string][] = []
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    const value = rawHeaders[i + 1] as string
    const lowerName = name.toLowerCase()
    if (lowerName === 'authorization' && value.startsWith('Pomerium ')) continue
    const rest = lowerName === 'cookie' ? withoutSessionCookie(value) : value
    if (rest !== '' || value === '') headers.push([name, rest])
  }
  return headers
}

function withoutSessionCookie(cookies: string): string {
  const kept = cookies.split(';').map((cookie) => cookie.trim())
  return kept.filter((cookie) => !cookie.startsWith('_pomerium=')).join('; ')
}
