// Puts the keys that all services know into one list, and says in words how long each is good for.
import type { KeyRow, ServiceState } from './protocol.ts'
import { span } from './words.ts'

export interface KeyLine {
  readonly kind: string
  readonly of: string
  readonly id: string
  /** Of those services that know it, the one for which it ends first. */
  readonly state: KeyState
  readonly words: string
  /** When it was fetched, in words; empty where it is not fetched. */
  readonly age: string
  readonly services: readonly string[]
}

export type KeyState = 'good' | 'soon' | 'ended' | 'revoked'

const kinds: Readonly<Record<KeyRow['kind'], string>> = {
  issuer: 'issuer’s key',
  root: 'root certificate',
  account: 'account’s certificate',
}

export function keyLines(states: readonly ServiceState[], nowMs: number): readonly KeyLine[] {
  const rows = states.flatMap(({ service, keys }) => keys.map((row) => ({ service, row })))
  const same = Map.groupBy(rows, ({ row }) => JSON.stringify([row.kind, row.of, row.id]))
  return [...same.values()].map((known) => {
    const [first] = known.toSorted((a, b) => endOf(a.row) - endOf(b.row))
    const row = { ...(first as (typeof known)[number]).row, revoked: known.some((each) => each.row.revoked) }
    const state = stateOf(row, nowMs)
    return {
      kind: kinds[row.kind],
      of: row.of,
      id: row.id,
      state,
      words: wordsOf(row, state, nowMs),
      age: row.since === undefined ? '' : `fetched ${span(nowMs - Date.parse(row.since))} ago`,
      services: known.map(({ service }) => service),
    }
  })
}

const dayMs = 86_400_000

function stateOf(row: KeyRow, nowMs: number): KeyState {
  if (row.revoked) return 'revoked'
  const leftMs = endOf(row) - nowMs
  if (leftMs <= 0) return 'ended'
  return leftMs < soonMs(row) ? 'soon' : 'good'
}

/** What is fetched again and again never has a day left: it is soon when most of its time went by without that. */
function soonMs(row: KeyRow): number {
  return row.kind === 'issuer' && row.since !== undefined ? (endOf(row) - Date.parse(row.since)) / 4 : dayMs
}

function wordsOf(row: KeyRow, state: KeyState, nowMs: number): string {
  if (state === 'revoked') return 'revoked: counts for nothing'
  if (row.usableUntil === undefined) return 'without an end'
  const left = span(endOf(row) - nowMs)
  if (state === 'ended') return `ended ${left} ago`
  return state === 'soon' ? `soon: ends in ${left}` : `ends in ${left}`
}

function endOf({ usableUntil }: KeyRow): number {
  return usableUntil === undefined ? Infinity : Date.parse(usableUntil)
}
