// Finds among the last decisions what caused a call, and which calls a request caused.
import type { DecisionEvent } from './protocol.ts'

/** A request that a call names as its cause; the decision where it is still there. */
export interface CauseLink {
  readonly requestId: string
  readonly decision: DecisionEvent | undefined
}

/** Each request once, in the order in which sources count. */
export function causesOf(decision: DecisionEvent, all: readonly DecisionEvent[]): readonly CauseLink[] {
  const ids = new Set((decision.sources ?? []).flatMap(({ requestId }) => requestId ?? []))
  return [...ids].map((requestId) => ({
    requestId,
    decision: all.find(
      (each) =>
        each.requestId === requestId && each.direction === 'inbound' && each.service === decision.service,
    ),
  }))
}

/** The calls that a request caused, in the order of `all`. */
export function callsOf(decision: DecisionEvent, all: readonly DecisionEvent[]): readonly DecisionEvent[] {
  if (decision.direction !== 'inbound') return []
  return all.filter(
    ({ direction, service, sources = [] }) =>
      direction === 'outbound' &&
      service === decision.service &&
      sources.some(({ requestId }) => requestId === decision.requestId),
  )
}
