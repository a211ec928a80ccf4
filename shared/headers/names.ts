// Which header names could be taken for an identity, by us or by an app that reads names loosely.

/** The header names of the contract. */
export const headerNames = {
  assertion: 'x-pomerium-jwt-assertion',
  assertionFor: 'x-pomerium-jwt-assertion-for',
  handle: 'x-onbehalf-handle',
  via: 'x-onbehalf-via',
  chain: 'x-onbehalf-chain',
  error: 'x-onbehalf-error',
  requestId: 'x-onbehalf-request-id',
} as const

/**
 * CGI, WSGI, PHP and others read `_` and `.` as `-` (Traefik CVE-2026-88011), Apache's CGI whatever is no letter and
 * no digit: so do we, before comparing.
 */
export function canonicalName(name: string): string {
  return canonicalOf(name.toLowerCase())
}

/** The same of a name in lower case: itself, nearly always. */
export function canonicalOf(lowerName: string): string {
  for (let i = 0; i < lowerName.length; i++) {
    if (!isPlain(lowerName.charCodeAt(i))) return lowerName.replace(/[^a-z0-9-]/g, '-')
  }
  return lowerName
}

function isPlain(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || code === 0x2d || (code >= 0x30 && code <= 0x39)
}

/**
 * Whether a header, whatever its spelling, could be taken for an identity header or for one of ours. Propagators that
 * give each member of baggage a header of its own (`uberctx-onbehalf`, `ot-baggage-onbehalf`) make one of our handle.
 */
export function isIdentityName(name: string, claimHeaders: ReadonlySet<string>): boolean {
  return isCanonicalIdentity(canonicalName(name), claimHeaders)
}

/** The same of a canonical name. */
export function isCanonicalIdentity(canonical: string, claimHeaders: ReadonlySet<string>): boolean {
  return (
    canonical.startsWith('x-pomerium-') ||
    canonical.startsWith('x-onbehalf-') ||
    canonical.endsWith('-onbehalf') ||
    claimHeaders.has(canonical)
  )
}

/**
 * Hop-by-hop fields (RFC 9110 section 7.6.1), the obsolete ones included; `Expect`, which each hop of ours answers; and
 * `Proxy`, which is no standard's, and of which CGI makes HTTP_PROXY: by that our apps find their sidecar (CVE-2016-5385).
 */
const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'expect',
  'keep-alive',
  'proxy',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-authentication-info',
  'te',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
])

const framing: ReadonlySet<string> = new Set(['content-length', 'host', 'trailer', 'via'])

/** Whether a field, in lower case, says how a message is framed or routed, or concerns one connection. */
export function isFixedName(lowerName: string): boolean {
  return hopByHop.has(lowerName) || framing.has(lowerName) || lowerName.startsWith('proxy-')
}

/** Names that concern this connection only: the fixed ones, and those that `Connection` nominates. */
export function hopByHopNames(connectionValues: readonly string[]): ReadonlySet<string> {
  let names: Set<string> | undefined
  for (const value of connectionValues) {
    for (const option of value.split(',')) {
      const name = option.trim().toLowerCase()
      if (!hopByHop.has(name) && !isNeverNominated(name)) (names ??= new Set(hopByHop)).add(name)
    }
  }
  return names ?? hopByHop
}

/** Fields that frame or route the message cannot be nominated away. */
function isNeverNominated(name: string): boolean {
  return name === 'host' || name === 'content-length'
}

/**
 * Fields that mean nothing, or something else, once the content was read (RFC 9110 section 6.5.1): an app that merges
 * trailers into headers could take them for the request's own.
 */
const forbiddenInTrailers: ReadonlySet<string> = new Set([
  ...hopByHop,
  'accept-encoding',
  'age',
  'allow',
  'authorization',
  'baggage',
  'cache-control',
  'content-encoding',
  'content-length',
  'content-location',
  'content-range',
  'content-type',
  'cookie',
  'correlation-context',
  'date',
  'expires',
  'forwarded',
  'host',
  'jaeger-baggage',
  'location',
  'max-forwards',
  'origin',
  'pragma',
  'range',
  'referer',
  'retry-after',
  'set-cookie',
  'traceparent',
  'tracestate',
  'trailer',
  'vary',
  'via',
  'www-authenticate',
])
const forbiddenFamilies = /^(?:if-|x-forwarded-|proxy-|access-control-)/

/** Whether a field, in lower case, may stand in a trailer section. */
export function isTrailerName(lowerName: string): boolean {
  return !forbiddenInTrailers.has(lowerName) && !forbiddenFamilies.test(lowerName)
}
