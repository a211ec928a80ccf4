// The header firewall: what a peer or an app sent is set aside, and only what was verified is set.
import { filterHeaders, hasHeader, headerValues, type HeaderList } from '../head.ts'
import { carrierOf, stripHandles } from './trace-context.ts'
import {
  canonicalName,
  canonicalOf,
  headerNames,
  hopByHopNames,
  isCanonicalIdentity,
  isTrailerName,
} from './names.ts'

/** What a request said about identity, before any of it is believed. */
export interface ClaimedIdentity {
  readonly assertion: string | undefined
  readonly assertionFor: string | undefined
  /** The evidence of how the original user's request came here. */
  readonly via: string | undefined
  readonly handle: string | undefined
  /** Handles in the trace context, which an agent carries. */
  readonly tracestate: readonly string[]
  readonly baggage: readonly string[]
}

export interface SiftedHeaders {
  /** What may pass on: end-to-end fields that no reader could take for an identity, with no handle in them. */
  readonly passing: string[]
  readonly claimed: ClaimedIdentity
  /** The name of an identity header that was there more than once; such a request is ambiguous. */
  readonly duplicated: string | undefined
}

/**
 * Parts a request's headers. Names nominated by `Connection` go first, so that nobody can nominate what we set
 * (Traefik CVE-2021-32813). Only the exact name counts as a claim; look-alikes are dropped.
 */
export function siftHeaders(headers: HeaderList, claimHeaders: ReadonlySet<string>): SiftedHeaders {
  const dropped = hopByHopNames(headerValues(headers, 'connection'))
  const claims: Claims = { assertion: undefined, assertionFor: undefined, via: undefined, handle: undefined }
  const carried = { tracestate: [] as string[], baggage: [] as string[] }
  const passing: string[] = []
  let duplicated: string | undefined
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    const value = headers[i + 1] as string
    const lower = name.toLowerCase()
    if (isCanonicalIdentity(canonicalOf(lower), claimHeaders)) {
      const claim = claimNames.get(lower)
      if (claim === undefined) continue
      if (claims[claim] !== undefined) duplicated = lower
      claims[claim] = value
      continue
    }
    const carrier = carrierOf(lower)
    if (carrier === undefined) {
      if (!dropped.has(lower)) passing.push(name, value)
      continue
    }
    const { rest, handles } = stripHandles(value)
    carried[carrier].push(...handles)
    if (rest !== '' && !dropped.has(lower)) passing.push(name, rest)
  }
  return {
    passing,
    claimed: {
      assertion: claims.assertion || undefined,
      assertionFor: claims.assertionFor || undefined,
      via: claims.via || undefined,
      handle: claims.handle || undefined,
      tracestate: carried.tracestate,
      baggage: carried.baggage,
    },
    duplicated,
  }
}

type Claim = 'assertion' | 'assertionFor' | 'via' | 'handle'

/** As they came: an empty one counts as there. */
type Claims = Record<Claim, string | undefined>

const claimNames: ReadonlyMap<string, Claim> = new Map([
  [headerNames.assertion, 'assertion'],
  [headerNames.assertionFor, 'assertionFor'],
  [headerNames.via, 'via'],
  [headerNames.handle, 'handle'],
])

/**
 * Whether an `Authorization` value is a Pomerium service-account token in one of its two forms there. Such a token
 * is long-lived; Pomerium itself lets the second form reach upstreams.
 */
export function isPomeriumAuthorization(value: string): boolean {
  return /^(?:Pomerium\s|Bearer\s+Pomerium-)/i.test(value.trimStart())
}

/** Drops `Authorization` where it holds a Pomerium token; everybody's own stays. */
export function withoutPomeriumAuthorization(headers: HeaderList): HeaderList {
  if (!hasHeader(headers, 'authorization')) return headers
  return filterHeaders(headers, (name, value) => name !== 'authorization' || !isPomeriumAuthorization(value))
}

/** What of a response passes on: end-to-end fields without a handle; `x-onbehalf-*` only where the answering side is one of ours. */
export function siftResponseHeaders(headers: HeaderList, keepOurs: boolean): string[] {
  const dropped = hopByHopNames(headerValues(headers, 'connection'))
  const passing: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    const value = headers[i + 1] as string
    const lower = name.toLowerCase()
    if (dropped.has(lower) || isOursInResponse(lower, keepOurs)) continue
    const rest = carrierOf(lower) === undefined ? value : stripHandles(value).rest
    if (rest !== '' || value === '') passing.push(name, rest)
  }
  return passing
}

function isOursInResponse(lower: string, keepOurs: boolean): boolean {
  const canonical = canonicalOf(lower)
  if (canonical === headerNames.handle || canonical.endsWith('-onbehalf')) return true
  return !keepOurs && canonical.startsWith('x-onbehalf-')
}

/**
 * What of a trailer section passes on, either way, as pairs of name and value: nothing that could be taken for an
 * identity, and nothing that frames, routes, authenticates or describes the message.
 */
export function siftTrailers(trailers: HeaderList, claimHeaders: ReadonlySet<string>): [string, string][] {
  const kept: [string, string][] = []
  for (let i = 0; i < trailers.length; i += 2) {
    const name = trailers[i] as string
    const canonical = canonicalName(name)
    if (isTrailerName(canonical) && !isCanonicalIdentity(canonical, claimHeaders))
      kept.push([name, trailers[i + 1] as string])
  }
  return kept
}
