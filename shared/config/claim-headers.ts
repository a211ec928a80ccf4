// Which claims the app gets as headers, in the three ways in which Pomerium lets them be written.
import { canonicalName, hopByHopNames } from '../headers/names.ts'
import { isMap } from './layers.ts'
import type { Mesh } from './mesh.ts'
import type { Path, ProblemSink } from './problem.ts'

type ClaimHeader = Mesh['claimHeaders'][number]

/** What every app gets, as in Pomerium's documentation. */
const standardHeaders: readonly ClaimHeader[] = [
  { header: 'x-pomerium-authenticated-user-id', claim: 'sub' },
  { header: 'x-pomerium-authenticated-user-email', claim: 'email' },
  { header: 'x-pomerium-authenticated-user-groups', claim: 'groups' },
]

/** Headers that frame a request, or that are the sidecar's own to set. */
const reserved: ReadonlySet<string> = new Set([
  ...hopByHopNames([]),
  'host',
  'content-length',
  'expect',
  'traceparent',
  'tracestate',
  'baggage',
  'x-pomerium-jwt-assertion',
  'x-pomerium-jwt-assertion-for',
  'x-pomerium-authorization',
])
const reservedPrefixes = ['x-onbehalf-', 'x-pomerium-original-user-']

interface Written extends ClaimHeader {
  readonly path: Path
}

/** The standard headers and those of `jwt_claims_headers`, which win where they name the same header. */
export function makeClaimHeaders(given: unknown, problems: ProblemSink): ClaimHeader[] {
  const headers = new Map(standardHeaders.map((each) => [canonicalName(each.header), each]))
  const seen = new Set<string>()
  for (const { header, claim, path } of readWritten(given)) {
    const canonical = canonicalName(header)
    const fault = faultOf(header, canonical, seen)
    if (fault !== undefined) problems.error(path, fault)
    seen.add(canonical)
    headers.set(canonical, { header, claim })
  }
  return [...headers.values()]
}

function faultOf(header: string, canonical: string, seen: ReadonlySet<string>): string | undefined {
  if (!/^[a-z0-9!#$%&'*+.^_`|~-]+$/.test(header)) {
    return 'makes no valid header name; write a map of header to claim, with letters, digits and dashes in the header'
  }
  if (reserved.has(canonical) || reservedPrefixes.some((prefix) => canonical.startsWith(prefix))) {
    return 'is a header that the sidecar or HTTP itself needs; choose another name'
  }
  if (seen.has(canonical)) return 'names the same header a second time (an app may read _ and . as -)'
  return undefined
}

function readWritten(given: unknown): Written[] {
  const path = ['jwt_claims_headers']
  if (isMap(given)) {
    return Object.entries(given).map(([header, claim]) => ({
      header: header.toLowerCase(),
      claim: String(claim),
      path: [...path, header],
    }))
  }
  if (Array.isArray(given)) {
    return given.map((claim, index) => ({
      header: defaultHeader(String(claim)),
      claim: String(claim),
      path: [...path, index],
    }))
  }
  if (typeof given !== 'string') return []
  const claims = given.split(/[\s,]+/).filter((claim) => claim !== '')
  return claims.map((claim) => ({ header: defaultHeader(claim), claim, path }))
}

function defaultHeader(claim: string): string {
  return `x-pomerium-claim-${claim.toLowerCase()}`
}
