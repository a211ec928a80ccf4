// Keeps the last decisions, each once, newest first, and finds those that somebody looks for.
import type { DecisionEvent } from './protocol.ts'

export const maxRecent = 200

/** With one more. One that is there already, as after the stream began anew, changes nothing. */
export function withDecision(
  all: readonly DecisionEvent[],
  decision: DecisionEvent,
): readonly DecisionEvent[] {
  const id = idOf(decision)
  if (all.some((each) => idOf(each) === id)) return all
  const at = all.findIndex(({ atMs }) => atMs <= decision.atMs)
  return all.toSpliced(at === -1 ? all.length : at, 0, decision).slice(0, maxRecent)
}

export function idOf({ service, direction, requestId, atMs }: DecisionEvent): string {
  return JSON.stringify([service, direction, requestId, atMs])
}

export interface Wanted {
  readonly text: string
  readonly refusedOnly: boolean
}

/** Whether all words of the text are somewhere in it. @param names from and to, as they are shown. */
export function isWanted(decision: DecisionEvent, names: readonly string[], wanted: Wanted): boolean {
  if (wanted.refusedOnly && decision.outcome !== 'refused') return false
  const words = wanted.text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '')
  if (words.length === 0) return true
  const text = [...names, ...textsOf(decision)].join('\n').toLowerCase()
  return words.every((word) => text.includes(word))
}

function textsOf(decision: DecisionEvent): readonly string[] {
  const { method, host, path, route, outcome, code, reason, detail, requestId, traceId, txn } = decision
  const { caller, originalUser, chain = [], direction, peer } = decision
  const people = [caller?.subject, originalUser?.subject, ...chain]
  const texts = [method, host, path, route, outcome, code, reason, detail, requestId, traceId, txn, ...people]
  return [...texts, direction, peer].filter((text) => text !== undefined)
}
