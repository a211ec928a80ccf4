// The URLs of `to`, each with the weight that Pomerium writes behind it.
import { parseOrigin, type Parsed } from './address.ts'
import type { Upstream } from './mesh.ts'

const maxWeight = 1_000_000

/** Parses `https://a.example.com:8443` or `https://a.example.com:8443,3`. */
export function parseUpstream(given: string): Parsed<Upstream> {
  const [, url = given, digits] = /^(.*),([0-9]+)$/.exec(given) ?? []
  const parsed = parseOrigin(url)
  if ('fault' in parsed) return parsed
  const weight = digits === undefined ? undefined : Number(digits)
  if (weight === 0)
    return { fault: 'must have a weight of at least 1; leave out a URL that is to get nothing' }
  if (weight !== undefined && weight > maxWeight)
    return { fault: `must have a weight of at most ${maxWeight}` }
  return { value: { endpoint: parsed.value, weight } }
}

export function haveOneScheme(upstreams: Upstream[]): boolean {
  const schemes = upstreams.map(({ endpoint }) => (endpoint.h2c === true ? 'h2c' : endpoint.tls))
  return new Set(schemes).size <= 1
}

export function haveWeightsOrNone(upstreams: Upstream[]): boolean {
  return new Set(upstreams.map(({ weight }) => weight === undefined)).size <= 1
}
