// What is to be reached, and how far each of it was reached.
import type { Results } from './results.ts'
import type { TurnResults } from './rounds.ts'
import type { Parts } from './scenarios/all.ts'

export interface Target {
  readonly what: string
  /** For the chart, where that is too long. */
  readonly label?: string
  /** Behind a figure: `× nginx`, `ms` … */
  readonly unit: string
  readonly digits: number
  /** The least that must be reached, where that is less than the target. */
  readonly must?: number
  /** At most. */
  readonly target: number
  /** Undefined: not measured. */
  readonly measured: number | undefined
  /** Why it says nothing although something was measured. */
  readonly caveat?: string
}

export type Verdict = 'reached' | 'must reached' | 'not reached' | 'not measured'

export function verdictOf({ measured, must, target, caveat }: Target): Verdict {
  if (measured === undefined || caveat !== undefined) return 'not measured'
  if (measured <= target) return 'reached'
  return must !== undefined && measured <= must ? 'must reached' : 'not reached'
}

/** As many requests as memory is to stay flat for. */
const wantedRequests = 1_000_000
const flat = 1.1

export function targetsOf({ scenarios }: Pick<Results, 'scenarios'>): Target[] {
  return [
    ...inboundTargets(scenarios),
    ...onBehalfTargets(scenarios),
    ...hopTargets(scenarios),
    ...overloadTargets(scenarios),
    {
      what: 'tracing at 10 % sampling',
      unit: '× the same without',
      digits: 2,
      target: 1.15,
      measured: ratio(scenarios.tracing, 'on', 'off'),
    },
    ...memoryTargets(scenarios),
    {
      what: 'start to ready',
      unit: 'ms',
      digits: 0,
      target: 200,
      measured: scenarios.start?.plain.median_ms,
    },
    ...growthTargets(scenarios),
    {
      label: 'a revocation, 100 sidecars: p99',
      what: 'a revocation, from write to effect, 100 sidecars on one Redis: p99',
      unit: 'ms',
      digits: 0,
      target: 250,
      measured: scenarios.revocation?.told.p99_ms,
    },
    {
      label: 'a new key, 100 sidecars: p99',
      what: 'a new key, from its publication to effect, 100 sidecars on one Redis: p99',
      unit: 'ms',
      digits: 0,
      target: 250,
      measured: scenarios['new-key']?.p99_ms,
    },
  ]
}

function inboundTargets({ inbound }: Parts): Target[] {
  const seen = 'inbound, token seen before, policy and identity headers on'
  const digits = 2
  return [
    {
      what: seen,
      unit: '× nginx',
      digits,
      must: 3,
      target: 1.6,
      measured: ratio(inbound, 'onbehalf seen', 'nginx'),
    },
    {
      what: seen,
      unit: '× HAProxy',
      digits,
      must: 0.55,
      target: 0.3,
      measured: ratio(inbound, 'onbehalf seen', 'haproxy'),
    },
    {
      what: 'inbound, every token new',
      unit: '× HAProxy',
      digits,
      must: 1.4,
      target: 1.05,
      measured: ratio(inbound, 'onbehalf new', 'haproxy'),
    },
  ]
}

function onBehalfTargets(parts: Parts): Target[] {
  const part = parts['on-behalf']
  const links = (count: number) => ratio(part, `links ${count}`, 'haproxy')
  const [one, eight] = [links(1), links(8)]
  return [
    {
      what: 'inbound with `-For` and one link of evidence, every user token new',
      unit: '× HAProxy',
      digits: 2,
      target: 2.2,
      measured: one,
    },
    {
      what: 'each further link (2 to 8)',
      unit: '× HAProxy',
      digits: 2,
      target: 0.8,
      measured: one === undefined || eight === undefined ? undefined : (eight - one) / 7,
    },
  ]
}

function hopTargets({ hop }: Parts): Target[] {
  const what =
    'one hop (outbound and inbound sidecar) at 1,000 requests/s of 1 KB, on behalf of users seen before'
  return [
    {
      what,
      label: 'one hop, on behalf of users seen before',
      unit: 'vCPU',
      digits: 2,
      target: 0.2,
      measured: hop?.medians.seen.vcpu,
    },
    {
      what: `${what}: p99`,
      label: 'one hop, on behalf of users seen before: p99',
      unit: 'ms over a direct call',
      digits: 2,
      target: 1,
      measured: hop?.medians.seen.added_p99_ms,
    },
  ]
}

/** Later than that the client did not send what it was to send. */
const mostLagMs = 5

function overloadTargets({ overload }: Parts): Target[] {
  const of = overload?.medians
  const isLate = of !== undefined && of.lag_p99_ms > mostLagMs
  const caveat = isLate ? { caveat: `the client was ${of.lag_p99_ms.toFixed(0)} ms late` } : {}
  return [
    {
      label: 'twice what it can carry: p99 of what is admitted',
      what: 'twice what it can carry, on behalf of users: p99 of what is admitted',
      unit: '× unloaded',
      digits: 2,
      target: 3,
      measured: of?.admitted_p99_ratio,
      ...caveat,
    },
    {
      label: 'twice what it can carry: until all is as before',
      what: 'twice what it can carry, on behalf of users: until all is as before',
      unit: 'ms',
      digits: 0,
      target: 1_000,
      measured: of?.recovered_ms,
      ...caveat,
    },
  ]
}

function memoryTargets({ memory }: Parts): Target[] {
  const last = memory?.along.at(-1)
  const half = memory?.along.find(({ requests }) => requests >= (last?.requests ?? 0) / 2)
  const count = last?.requests ?? 0
  const fewer = count >= wantedRequests ? {} : { caveat: `after ${count} requests only` }
  const growth = last === undefined || half === undefined ? undefined : last.rss_mib / half.rss_mib
  return [
    {
      what: 'memory, telemetry on, idle',
      unit: 'MiB',
      digits: 0,
      target: 70,
      measured: memory?.idle.rss_mib,
    },
    {
      what: 'memory, telemetry on, after 1 M requests',
      unit: 'MiB',
      digits: 0,
      target: 110,
      measured: last?.rss_mib,
      ...fewer,
    },
    {
      what: 'memory, telemetry on, after 1 M requests: flat',
      unit: '× after half of them',
      digits: 2,
      target: flat,
      measured: growth,
      ...fewer,
    },
  ]
}

function growthTargets({ routes, sessions, keys }: Parts): Target[] {
  const rows = [
    ['1 → 1,000 routes', routes, '1000'],
    ['10 → 100,000 live sessions', sessions, '100000'],
    ['1 → 1,000 known keys', keys, '1000'],
  ] as const
  return rows.map(([words, part, many]) => ({
    what: `cost per request, ${words}`,
    unit: '× with the few',
    digits: 2,
    target: flat,
    measured: ratio(part, many, 'few'),
  }))
}

function ratio(part: TurnResults | undefined, turn: string, to: string): number | undefined {
  return part?.medians.find((row) => row.turn === turn)?.ratios[to]
}
