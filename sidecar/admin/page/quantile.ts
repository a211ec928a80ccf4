// Finds out from counted buckets how long requests took.

export interface Quantile {
  readonly seconds: number
  /** It took longer than the last bound, which `seconds` then is. */
  readonly isBeyond: boolean
}

/**
 * As far into its bucket as the rank is, as if the bucket were filled evenly.
 * @param buckets one more than there are bounds; each request counted once.
 * @returns undefined where nothing was counted.
 */
export function quantileOf(
  buckets: readonly number[],
  bounds: readonly number[],
  quantile: number,
): Quantile | undefined {
  const total = buckets.reduce((sum, each) => sum + each, 0)
  if (total <= 0) return undefined
  const rank = quantile * total
  let below = 0
  for (const [i, upper] of bounds.entries()) {
    const here = buckets[i] ?? 0
    if (here > 0 && below + here >= rank) {
      const lower = bounds[i - 1] ?? 0
      return { seconds: lower + ((upper - lower) * (rank - below)) / here, isBeyond: false }
    }
    below += here
  }
  return { seconds: bounds.at(-1) ?? 0, isBeyond: true }
}
