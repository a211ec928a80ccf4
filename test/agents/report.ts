// What is left of a run of the whole matrix: the results as JSON, and as the table of the documentation.
import { mixesUp } from './expected.ts'
import type { Agent } from './agents.ts'
import type { ClientName } from './cells.ts'
import type { Outcome } from './matrix.ts'
import { createTally, type Tally } from './tally.ts'

/** The kinds of client that agents tell apart. */
export const groups = {
  others: 'all other clients',
  saturated: 'undici 6 and 7, saturated `Pool`',
  cold: 'grpc-js, cold channel',
} as const
export type Group = keyof typeof groups

export interface Row {
  readonly agent: string
  readonly preload: boolean
  readonly carries: Agent['carries']
  readonly calls: Readonly<Record<Group, Tally>>
}

export interface Results {
  readonly date: string
  /** Of Node, and of the packages that the apps are made of. */
  readonly versions: Readonly<Record<string, string>>
  readonly users: number
  readonly rows: readonly Row[]
}

function groupOf(client: ClientName): Group {
  if (client === 'undici-6-saturated' || client === 'undici-7-saturated') return 'saturated'
  return client === 'grpc-js-cold' ? 'cold' : 'others'
}

export function rowOf(agent: Agent, preload: boolean, outcomes: readonly Outcome[]): Row {
  const calls = { others: createTally(), saturated: createTally(), cold: createTally() }
  for (const { client, tally } of outcomes) add(calls[groupOf(client)], tally)
  return { agent: agent.name, preload, carries: agent.carries, calls }
}

function add(sum: Tally, { right, wrong, account, refused }: Tally): void {
  sum.right += right
  sum.wrong += wrong
  sum.account += account
  sum.refused += refused
}

/** One line for each agent: without the preload, then with it; and what was measured with. */
export function toMarkdown({ date, versions, rows }: Results): string {
  const names = Object.values(groups)
  const head = ['agent', 'carries', ...names, ...names.map((name) => `with the preload: ${name}`)]
  const alone = rows.filter(({ preload }) => !preload)
  const lines = alone.map((row) => {
    const beside = rows.find(({ agent, preload }) => preload && agent === row.agent)
    const cells = [row, beside].flatMap((of) =>
      (Object.keys(groups) as Group[]).map((group) => describe(of?.calls[group])),
    )
    return [row.agent, row.carries, ...cells]
  })
  const table = [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
  const used = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  return `${table}\n\nMeasured on ${date} with ${used.join(', ')}.\n`
}

const kinds = ['right', 'wrong', 'account', 'refused'] as const

/** Rounded so that what happened at all is never 0 %, and what did not happen always is not 100 %. */
function describe(tally: Tally = createTally()): string {
  const all = kinds.reduce((sum, kind) => sum + tally[kind], 0)
  const shares = kinds
    .filter((kind) => tally[kind] > 0)
    .sort((a, b) => tally[b] - tally[a])
    .map((kind) => {
      const share =
        tally[kind] === all ? '' : ` ${Math.min(99, Math.max(1, Math.round((100 * tally[kind]) / all)))} %`
      return kind === 'wrong' ? `**wrong${share}**` : `${kind}${share}`
    })
  return shares.join(', ')
}

/** Whether a row says what is known of its agent; undefined, or what it says otherwise. */
export function faultOf(row: Row, agent: Agent): string | undefined {
  const probes = { others: 'fetch', saturated: 'undici-7-saturated', cold: 'grpc-js-cold' } as const
  for (const group of Object.keys(groups) as Group[]) {
    const { wrong, account, refused } = row.calls[group]
    const mixes = mixesUp(agent, probes[group])
    const place = `${row.agent}${row.preload ? ' with the preload' : ''}, ${groups[group]}`
    if (wrong > 0 && (row.preload || !mixes)) return `${place}: ${wrong} wrong`
    if (wrong === 0 && mixes && !row.preload) return `${place}: none wrong`
    if (refused > 0 && !mixes) return `${place}: ${refused} refused`
    if (account > 0 !== (!row.preload && agent.carries === 'neither'))
      return `${place}: ${account} as account`
  }
  return undefined
}
