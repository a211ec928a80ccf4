// Medians, spreads, and the ratios of what was measured in the same round.

/** @throws RangeError for no values */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('the median of nothing')
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] as number
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2
}

/**
 * The smallest of the values that so many of a hundred do not exceed.
 * @throws RangeError for no values
 */
export function percentile(values: readonly number[], percent: number): number {
  if (values.length === 0) throw new RangeError('a percentile of nothing')
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] as number
}

/** How far the values lie apart, as a share of their median. */
export function spread(values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / median(values)
}

interface Measured {
  readonly round: number
  readonly turn: string
  readonly cpu_us_per_request: number
}

/**
 * CPU per request over that of another turn in the same round; null where that was not measured.
 * A shared machine drifts from round to round, and a ratio within one round hardly.
 */
export function ratioTo(other: string, sample: Measured, samples: readonly Measured[]): number | null {
  const base = samples.find(({ round, turn }) => round === sample.round && turn === other)
  return base === undefined ? null : sample.cpu_us_per_request / base.cpu_us_per_request
}
