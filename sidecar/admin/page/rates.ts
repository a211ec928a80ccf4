// Makes rates of what one service counted: differences between what it says now and what it said ten seconds ago.
import type { Edge, ServiceState } from './protocol.ts'
import { quantileOf, type Quantile } from './quantile.ts'

const windowMs = 10_000

/** What a service said, oldest first; the oldest is where the window begins. */
export type History = readonly ServiceState[]

/** What was counted of an edge, and how fast it went lately. Without rates where there is nothing to compare with. */
export interface EdgeRates {
  readonly edge: Edge
  readonly lately: Lately | undefined
}

export interface Lately {
  readonly perSecond: number
  readonly refusedPerSecond: number
  readonly failedPerSecond: number
  /** Of what was counted in the window. */
  readonly p50: Quantile | undefined
  readonly p99: Quantile | undefined
}

/** The history with one more state. A service that started anew has counted from nothing, so the old one says nothing. */
export function remember(history: History, state: ServiceState): History {
  const last = history.at(-1)
  if (last === undefined || last.startedAtMs !== state.startedAtMs) return [state]
  // The same again, or one that was overtaken, says nothing new.
  if (state.atMs <= last.atMs) return history
  const all = [...history, state]
  const since = state.atMs - windowMs
  const first = all.findLastIndex(({ atMs }) => atMs <= since)
  return first === -1 ? all : all.slice(first)
}

export function ratesOf(history: History): readonly EdgeRates[] {
  const [then, now] = [history[0], history.at(-1)]
  if (then === undefined || now === undefined) return []
  const seconds = (now.atMs - then.atMs) / 1_000
  const before = new Map(then.edges.map((edge) => [keyOf(edge), edge]))
  return now.edges.map((edge) => ({
    edge,
    lately: seconds > 0 ? compare(before.get(keyOf(edge)), edge, now.bounds, seconds) : undefined,
  }))
}

/** What was not there before has counted since then. */
function compare(before: Edge | undefined, edge: Edge, bounds: readonly number[], seconds: number): Lately {
  const rate = (what: 'requests' | 'refused' | 'failed') =>
    Math.max(0, edge[what] - (before?.[what] ?? 0)) / seconds
  const buckets = edge.buckets.map((each, i) => Math.max(0, each - (before?.buckets[i] ?? 0)))
  return {
    perSecond: rate('requests'),
    refusedPerSecond: rate('refused'),
    failedPerSecond: rate('failed'),
    p50: quantileOf(buckets, bounds, 0.5),
    p99: quantileOf(buckets, bounds, 0.99),
  }
}

function keyOf({ direction, from, to }: Edge): string {
  return JSON.stringify([direction, from, to])
}
