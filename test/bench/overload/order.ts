// What the client of the overload scenario is told, and what it tells.
import type { Latency } from '../open-loop/open-loop.ts'

export interface OverloadOrder {
  readonly port: number
  readonly connections: number
  /** Of who calls. */
  readonly assertion: string
  /** With a user's token on each line and, behind a tab, its evidence, in the order in which they are sent. */
  readonly tokenFile: string
  /** One follows the other without a pause. */
  readonly phases: readonly Phase[]
}

export interface Phase {
  /** Requests per second. */
  readonly rate: number
  readonly seconds: number
}

/** Of requests that were to be sent one after the other. */
export interface Span {
  readonly requests: number
  readonly admitted: number
  /** From when each was to be sent until it was answered; missing where there was none. */
  readonly admitted_latency?: Latency
  readonly refused_latency?: Latency
  /** How late they were sent, for want of a free connection or of time. */
  readonly lag: Latency
}

export interface PhaseCounts {
  /** Its first second. */
  readonly settling: Span
  readonly settled: Span
  /** Since its start: each tenth of a second in which one was to be sent. */
  readonly slices: readonly Span[]
  /** Since its start, when the first refusal came; missing where none did. */
  readonly first_refusal_ms?: number
}
