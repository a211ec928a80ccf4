// For how long a revocation counts, as people write it.
import { parseDuration } from '../shared/config/units.ts'

const secondsOfDay = 24 * 60 * 60
const maxDays = 36_500

/**
 * `12h`, `90d` or `forever`, as seconds, `Infinity` for the last. Undefined for anything else, and for less than a
 * second.
 */
export function parseRevocationLife(given: unknown): number | undefined {
  if (typeof given !== 'string') return undefined
  if (given === 'forever') return Infinity
  const days = /^([1-9]\d{0,4})d$/.exec(given)?.[1]
  if (days !== undefined) return Number(days) <= maxDays ? Number(days) * secondsOfDay : undefined
  const ms = parseDuration(given)
  return ms === undefined || ms < 1_000 ? undefined : Math.ceil(ms / 1000)
}

/** As {@link parseRevocationLife} reads it. */
export function formatRevocationLife(seconds: number): string {
  if (seconds === Infinity) return 'forever'
  return seconds % secondsOfDay === 0 ? `${seconds / secondsOfDay}d` : `${seconds}s`
}
