// Max-Forwards (RFC 9110 section 7.6.2): how many more hops an OPTIONS request may take.
import { headerValues } from '../../shared/head.ts'

/** The hops that are left; undefined where the request does not say. TRACE is not served, and elsewhere it means nothing. */
export function hopsLeft(method: string, headers: readonly string[]): number | undefined {
  if (method !== 'OPTIONS') return undefined
  const hops = headerValues(headers, 'max-forwards').filter((value) => /^[0-9]{1,9}$/.test(value))
  return hops.length === 0 ? undefined : Math.min(...hops.map(Number))
}

/** As the next hop is to see it. */
export function withHopsLeft(headers: readonly string[], left: number): string[] {
  return headers.map((value, i) =>
    i % 2 === 1 && headers[i - 1]?.toLowerCase() === 'max-forwards' ? String(left) : value,
  )
}
