// When each request of a series of phases is to be sent.
import type { Phase } from './order.ts'

/** In milliseconds from the start of the first phase, ascending. */
export function schedule(phases: readonly Phase[]): Float64Array {
  const due: number[] = []
  let startMs = 0
  for (const { rate, seconds } of phases) {
    const count = Math.round(rate * seconds)
    for (let i = 0; i < count; i++) due.push(startMs + (i * 1_000) / rate)
    startMs += seconds * 1_000
  }
  return Float64Array.from(due)
}
