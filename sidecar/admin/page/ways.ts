// Puts what all services counted together into one list of who calls whom, each pair once.
import type { Edge } from './protocol.ts'
import type { EdgeRates, Lately } from './rates.ts'

/** Who calls whom, as it is shown. */
export interface Way {
  readonly from: string
  readonly to: string
  /** Which side counted what is shown. */
  readonly side: Edge['direction']
  readonly requests: number
  readonly refused: number
  readonly failed: number
  readonly codes: Readonly<Record<string, number>>
  readonly lately: Lately | undefined
}

/**
 * Where both sides counted, the called one is believed. But what the caller's sidecar refused never came there, so that
 * is added: without it, a mesh whose every call is refused would look quiet.
 */
export function waysOf(all: readonly EdgeRates[]): readonly Way[] {
  const pairs = Map.groupBy(all, ({ edge }) => JSON.stringify([edge.from, edge.to]))
  return [...pairs.values()].map(wayOf).sort((a, b) => order(a).localeCompare(order(b)))
}

function wayOf(sides: readonly EdgeRates[]): Way {
  const inbound = sides.find(({ edge }) => edge.direction === 'inbound')
  const outbound = sides.find(({ edge }) => edge.direction === 'outbound')
  const shown = (inbound ?? outbound) as EdgeRates
  const { edge } = shown
  const way = { ...edge, side: edge.direction, lately: shown.lately }
  if (inbound === undefined || outbound === undefined) return way
  const { refused } = outbound.edge
  return {
    ...way,
    requests: edge.requests + refused,
    refused: edge.refused + refused,
    codes: refused === 0 ? edge.codes : sumOf(edge.codes, outbound.edge.codes),
    lately: withRefused(inbound.lately, outbound.lately),
  }
}

function withRefused(inbound: Lately | undefined, outbound: Lately | undefined): Lately | undefined {
  if (inbound === undefined || outbound === undefined) return inbound
  const { refusedPerSecond } = outbound
  return {
    ...inbound,
    perSecond: inbound.perSecond + refusedPerSecond,
    refusedPerSecond: inbound.refusedPerSecond + refusedPerSecond,
  }
}

function sumOf(a: Way['codes'], b: Way['codes']): Way['codes'] {
  const codes = { ...a }
  for (const [code, number] of Object.entries(b)) codes[code] = (codes[code] ?? 0) + number
  return codes
}

const strangers = ['users', 'nobody', 'unverified']

/** Those who come from outside first, then by name. */
function order({ from, to }: Way): string {
  const rank = strangers.indexOf(from)
  return JSON.stringify([rank === -1 ? strangers.length : rank, from, to])
}
