// What is left of a run: the results as JSON, and as a table for the README.
import type { Conditions } from './conditions.ts'
import { revocationInWords, type RevocationResults } from './revocation/measure.ts'
import { median, ratioTo, spread } from './statistics.ts'
import type { Sample, Scenario } from './window.ts'

export interface Results {
  readonly conditions: Conditions
  /** What could not be measured, and why, by its name. */
  readonly not_measured: Readonly<Record<string, string>>
  readonly medians: readonly Medians[]
  readonly rounds: readonly Round[]
  /** Missing where there is no Redis. */
  readonly revocation?: RevocationResults | undefined
}

export type Round = Sample & {
  readonly ratio_to_nginx: number | null
  readonly ratio_to_haproxy: number | null
}

export interface Medians {
  readonly scenario: Scenario['name']
  readonly contender: string
  readonly cpu_us_per_request: number
  /** Largest less smallest, over the median. */
  readonly cpu_spread: number
  readonly ratio_to_nginx: number | null
  readonly ratio_to_haproxy: number | null
  readonly requests: number
  readonly requests_per_second: number
  readonly start_to_ready_ms: number
  readonly rss_idle_mib: number
  readonly rss_anon_idle_mib: number
  readonly rss_loaded_mib: number
  readonly rss_anon_loaded_mib: number
}

export function makeResults(
  conditions: Conditions,
  notMeasured: Readonly<Record<string, string>>,
  samples: readonly Sample[],
  revocation?: RevocationResults,
): Results {
  const rounds = samples.map((sample) => ({
    ...sample,
    ratio_to_nginx: ratioTo('nginx', sample, samples),
    ratio_to_haproxy: ratioTo('haproxy', sample, samples),
  }))
  const groups = Map.groupBy(rounds, ({ scenario, contender }) => `${scenario} ${contender}`)
  const medians = [...groups.values()].map(mediansOf)
  return { conditions, not_measured: notMeasured, revocation, medians, rounds }
}

function mediansOf(rounds: readonly Round[]): Medians {
  const [{ scenario, contender }] = rounds as [Round]
  const of = (read: (round: Round) => number) => median(rounds.map(read))
  const ratio = (read: (round: Round) => number | null) => {
    const known = rounds.map(read).filter((value) => value !== null)
    return known.length === 0 ? null : median(known)
  }
  return {
    scenario,
    contender,
    cpu_us_per_request: of((round) => round.cpu_us_per_request),
    cpu_spread: spread(rounds.map((round) => round.cpu_us_per_request)),
    ratio_to_nginx: ratio((round) => round.ratio_to_nginx),
    ratio_to_haproxy: ratio((round) => round.ratio_to_haproxy),
    requests: of((round) => round.requests),
    requests_per_second: of((round) => round.requests_per_second),
    start_to_ready_ms: of((round) => round.start_to_ready_ms),
    rss_idle_mib: of((round) => round.idle.rss_mib),
    rss_anon_idle_mib: of((round) => round.idle.rss_anon_mib),
    rss_loaded_mib: of((round) => round.loaded.rss_mib),
    rss_anon_loaded_mib: of((round) => round.loaded.rss_anon_mib),
  }
}

/** JSON with figures as exact as they are worth. */
export function toJson(results: Results): string {
  return `${JSON.stringify(results, rounded, 2)}\n`
}

function rounded(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value
}

const scenarioTitles = { token_seen: 'token seen before', token_new: 'every token new' } as const

/** A Markdown table, and the lines that belong beneath it. */
export function toMarkdown(results: Results, titles: ReadonlyMap<string, string>): string {
  const rows = results.medians.map((row) => [
    scenarioTitles[row.scenario],
    titles.get(row.contender) ?? row.contender,
    row.cpu_us_per_request.toFixed(0),
    `± ${((row.cpu_spread / 2) * 100).toFixed(0)} %`,
    row.ratio_to_nginx?.toFixed(2) ?? '',
    row.ratio_to_haproxy?.toFixed(2) ?? '',
    row.requests_per_second.toFixed(0),
    `${row.rss_idle_mib.toFixed(0)} → ${row.rss_loaded_mib.toFixed(0)}`,
  ])
  const header = [
    '',
    '',
    'CPU µs per request',
    'noise',
    '× nginx',
    '× HAProxy',
    'requests/s',
    'RSS MiB, idle → after',
  ]
  const rule = header.map((_, column) => (column < 2 ? '---' : '---:'))
  const table = [header, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
  return [table, conditionsInWords(results)].join('\n\n')
}

function conditionsInWords({ conditions, medians, not_measured, revocation }: Results): string {
  const { versions } = conditions
  const ours = medians.filter(({ contender }) => contender === 'onbehalf')
  const startMs = ours.length === 0 ? '' : ` Onbehalf was ready ${readyMs(ours)} ms after its start.`
  const programs = [
    ['Onbehalf', versions.onbehalf],
    ['Node', versions.node],
    ['nginx', versions.nginx],
    ['HAProxy', versions.haproxy],
    ['wrk', versions.wrk],
  ].flatMap(([name, version]) => (version === null ? [] : [`${name} ${version}`]))
  const lines = [
    `${conditions.date}, ${conditions.cpu_model}, ${conditions.cores} cores, Linux ${conditions.kernel}; ${programs.join(', ')}; medians of ${conditions.rounds} rounds of ${conditions.window_seconds} s.${startMs}`,
    ...Object.entries(not_measured).map(([name, why]) => `Not measured: ${name}, ${why}.`),
    ...(revocation === undefined ? [] : ['', revocationInWords(revocation)]),
  ]
  return lines.join('\n')
}

function readyMs(rows: readonly Medians[]): string {
  return median(rows.map((row) => row.start_to_ready_ms)).toFixed(0)
}
