// What became of the requests of each phase.
import { latencyOf } from '../open-loop/open-loop.ts'
import type { Phase, PhaseCounts, Span } from './order.ts'
import { schedule } from './schedule.ts'

/** A phase begins with the time in which what changes with it is to settle. */
const settleMs = 1_000
export const sliceMs = 100

export interface Outcome {
  readonly isAdmitted: boolean
  /** How late it was sent. */
  readonly lagMs: number
  /** From when it was to be sent until it was answered. */
  readonly latencyMs: number
}

/** With when it was to be sent, from the start of its phase. */
type Placed = Outcome & { readonly dueMs: number }

export class Tally {
  readonly #phases: readonly Phase[]
  readonly #dueMs: Float64Array
  readonly #outcomes: Outcome[] = []
  #added = 0

  constructor(phases: readonly Phase[]) {
    this.#phases = phases
    this.#dueMs = schedule(phases)
  }

  get isComplete(): boolean {
    return this.#added === this.#dueMs.length
  }

  /** Milliseconds from the start of the first phase. */
  dueMs(index: number): number {
    return this.#dueMs[index] as number
  }

  /** @param index of the request; they may be answered in any order. */
  add(index: number, outcome: Outcome): void {
    this.#outcomes[index] = outcome
    this.#added++
  }

  counts(): PhaseCounts[] {
    let startMs = 0
    return this.#phases.map(({ seconds }) => {
      const placed = this.#between(startMs, startMs + seconds * 1_000)
      startMs += seconds * 1_000
      return countsOf(placed)
    })
  }

  #between(startMs: number, endMs: number): Placed[] {
    return this.#outcomes.flatMap((outcome, index) => {
      const dueMs = this.dueMs(index)
      return dueMs >= startMs && dueMs < endMs ? [{ ...outcome, dueMs: dueMs - startMs }] : []
    })
  }
}

function countsOf(placed: readonly Placed[]): PhaseCounts {
  const slices = Map.groupBy(placed, ({ dueMs }) => Math.floor(dueMs / sliceMs))
  const refusedAtMs = placed.flatMap(({ isAdmitted, dueMs, latencyMs }) =>
    isAdmitted ? [] : [dueMs + latencyMs],
  )
  return {
    settling: spanOf(placed.filter(({ dueMs }) => dueMs < settleMs)),
    settled: spanOf(placed.filter(({ dueMs }) => dueMs >= settleMs)),
    slices: [...slices.values()].map(spanOf),
    ...(refusedAtMs.length > 0 && { first_refusal_ms: refusedAtMs.reduce((a, b) => Math.min(a, b)) }),
  }
}

function spanOf(outcomes: readonly Outcome[]): Span {
  const latenciesOf = (isOne: boolean) =>
    outcomes.filter(({ isAdmitted }) => isAdmitted === isOne).map(({ latencyMs }) => latencyMs)
  const [admitted, refused] = [latenciesOf(true), latenciesOf(false)]
  return {
    requests: outcomes.length,
    admitted: admitted.length,
    ...(admitted.length > 0 && { admitted_latency: latencyOf(admitted) }),
    ...(refused.length > 0 && { refused_latency: latencyOf(refused) }),
    lag: latencyOf(outcomes.map(({ lagMs }) => lagMs)),
  }
}
