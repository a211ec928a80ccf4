// How long to wait before connecting again: longer each time that it was in vain.

const firstMs = 250
const longestMs = 5_000

/** @param inVain how often nothing was heard; 0 after a stream that said something. */
export function pauseAfter(inVain: number): number {
  return Math.min(longestMs, firstMs * 2 ** inVain)
}
