// What the README gets of a run: the table of what is to be reached, and the figures behind it.
import type { Results } from './results.ts'
import { revocationInWords } from './revocation/measure.ts'
import type { Medians, TurnResults } from './rounds.ts'
import type { HopMedians, HopResults } from './scenarios/hop.ts'
import type { NewKeyResults } from './scenarios/new-key.ts'
import type { MemoryResults } from './scenarios/memory.ts'
import type { OverloadResults } from './scenarios/overload.ts'
import type { SoakResults, SoakSample } from './scenarios/soak.ts'
import type { StartResults } from './scenarios/start.ts'
import { median } from './statistics.ts'
import { targetsOf, verdictOf, type Target } from './targets.ts'

/** Markdown. The long table is folded. */
export function toMarkdown(results: Results): string {
  const turns = Object.values(results.scenarios).flatMap((part) => (hasTurns(part) ? part.medians : []))
  const folded = `<details><summary>CPU per request of every turn</summary>\n\n${turnTable(turns)}\n\n</details>`
  return [
    targetTable(targetsOf(results)),
    ...sentences(results),
    ...(turns.length === 0 ? [] : [folded]),
  ].join('\n\n')
}

function hasTurns(part: object): part is TurnResults {
  return 'medians' in part && Array.isArray(part.medians)
}

function table(header: readonly string[], leftColumns: number, rows: readonly (readonly string[])[]): string {
  const rule = header.map((_, column) => (column < leftColumns ? '---' : '---:'))
  return [header, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

function targetTable(targets: readonly Target[]): string {
  const rows = targets.map((each) => {
    const figure = (value: number | undefined) => value?.toFixed(each.digits) ?? ''
    const limit = (value: number | undefined) => (value === undefined ? '' : `≤ ${value} ${each.unit}`)
    const verdict = verdictOf(each)
    const word =
      each.caveat === undefined || each.measured === undefined ? verdict : `${verdict}: ${each.caveat}`
    return [each.what, limit(each.must), limit(each.target), figure(each.measured), word]
  })
  return table(['to reach', 'must', 'target', 'measured', ''], 3, rows)
}

function turnTable(turns: readonly Medians[]): string {
  const rows = turns.map((row) => [
    row.title,
    row.cpu_us_per_request.toFixed(0),
    `± ${((row.cpu_spread / 2) * 100).toFixed(0)} %`,
    row.ratios['nginx']?.toFixed(2) ?? '',
    row.ratios['haproxy']?.toFixed(2) ?? '',
    row.requests_per_second.toFixed(0),
    `${row.rss_idle_mib.toFixed(0)} → ${row.rss_loaded_mib.toFixed(0)}`,
  ])
  const header = [
    '',
    'CPU µs per request',
    'noise',
    '× nginx',
    '× HAProxy',
    'requests/s',
    'RSS MiB, idle → after',
  ]
  return table(header, 1, rows)
}

function sentences(results: Results): string[] {
  const { hop, overload, memory, start, revocation, 'new-key': newKey, soak } = results.scenarios
  return [
    conditionsInWords(results),
    ...(hop === undefined ? [] : [hopInWords(hop)]),
    ...(overload === undefined ? [] : [overloadInWords(overload)]),
    ...(memory === undefined ? [] : [memoryInWords(memory)]),
    ...(start === undefined ? [] : [startInWords(start)]),
    ...(revocation === undefined ? [] : [revocationInWords(revocation)]),
    ...(newKey === undefined ? [] : [newKeyInWords(newKey)]),
    ...(soak === undefined ? [] : [soakInWords(soak)]),
    ...Object.entries(results.not_measured).map(([name, why]) => `Not measured: ${name}, ${why}.`),
  ]
}

function conditionsInWords({ conditions }: Results): string {
  const { versions } = conditions
  const programs = [
    ['Onbehalf', versions.onbehalf],
    ['Node', versions.node],
    ['nginx', versions.nginx],
    ['HAProxy', versions.haproxy],
    ['wrk', versions.wrk],
    ['Redis', versions.redis],
  ].flatMap(([name, version]) => (version === null ? [] : [`${name} ${version}`]))
  const { date, cpu_model: cpu, cores, kernel, rounds, window_seconds: seconds } = conditions
  const machine = `${date}, ${cpu}, ${cores} cores, Linux ${kernel}; ${programs.join(', ')}`
  return `${machine}; medians of ${rounds} ${rounds === 1 ? 'round' : 'rounds'} of ${seconds} s.`
}

function hopFigures({ vcpu, added_p50_ms: p50, added_p99_ms: p99 }: HopMedians): string {
  return `${vcpu.toFixed(2)} vCPU, ${p50.toFixed(2)} ms (p50) and ${p99.toFixed(2)} ms (p99) over a direct call`
}

function hopInWords({ medians }: HopResults): string {
  const words = {
    account: 'as the service account',
    seen: 'on behalf of 1,000 users',
    new: 'of a new request of a user each',
  }
  const { nginx } = medians
  const floor =
    nginx === undefined ? '' : ` Two nginx in their place, verifying nothing: ${hopFigures(nginx)}.`
  const each = (Object.keys(words) as (keyof typeof words)[]).map(
    (variant) => `${words[variant]} ${hopFigures(medians[variant])}`,
  )
  return `Both sidecars of a hop at 1,000 requests/s of 1 KB, counted from when each was to be sent: ${each.join('; ')}.${floor}`
}

const ms = (value: number) => value.toFixed(1)
const percent = (share: number) => `${(share * 100).toFixed(0)} %`

function overloadInWords({ medians }: OverloadResults): string {
  const admitted = `what is admitted is answered within ${ms(medians.admitted_p99_ms)} ms (p99; ${ms(medians.unloaded_p99_ms)} ms at 30 % of that)`
  const refused = `what is refused within ${ms(medians.refused_p50_ms)} ms (p50), ${ms(medians.refused_p99_ms)} ms (p99)`
  const onset = `The first refusal comes after ${medians.first_refusal_ms.toFixed(0)} ms; in the first second the p99 is ${ms(medians.first_second_p99_ms)} ms`
  const recovered = `all is as before ${medians.recovered_ms.toFixed(0)} ms after the overload`
  return `With twice the ${medians.capacity.toFixed(0)} requests/s that it carries, of which each brings a new token of a user and a link of evidence, ${percent(medians.shed_share)} are refused and ${percent(medians.goodput_share)} of what it carries are served: ${admitted}, ${refused}. ${onset}, and ${recovered}. The client sent within ${ms(medians.lag_p99_ms)} ms (p99).`
}

function memoryInWords({ idle, along }: MemoryResults): string {
  const steps = along.map(({ requests, rss_mib: rss }) => `${rss.toFixed(0)} after ${requests}`)
  const file = `${idle.rss_file_mib.toFixed(0)} of them file-backed and shared`
  return `Memory with telemetry on: ${idle.rss_mib.toFixed(0)} MiB idle, ${file}; along requests with new tokens ${steps.join(', ')}.`
}

function startInWords({ plain, telemetry }: StartResults): string {
  return `Ready ${plain.median_ms.toFixed(0)} ms after the start, with telemetry on ${telemetry.median_ms.toFixed(0)} ms.`
}

function newKeyInWords({ sidecars, p50_ms: p50, p99_ms: p99, max_ms: most }: NewKeyResults): string {
  const [half, nearly, all] = [p50, p99, most].map((value) => value.toFixed(0))
  return `An issuer's new key is known to ${sidecars} sidecars within ${half} ms (p50), ${nearly} ms (p99), ${all} ms (longest) of its publication, once one of them is asked for it.`
}

function soakInWords({ capacity, rate, requests, seconds, statuses, minutes, along }: SoakResults): string {
  const quarter = along[Math.floor(along.length / 4)]
  const samples = [along[0], quarter, along.at(-1)].filter((each) => each !== undefined)
  const held = (read: (sample: SoakSample) => number) =>
    samples.map((each) => read(each).toFixed(0)).join(', ')
  const each = (['caller', 'callee'] as const).map(
    (who) =>
      `${who} ${held((sample) => sample[who].rss_mib)} MiB and ${held((sample) => sample[who].descriptors)} descriptors`,
  )
  const others = requests - (statuses['200'] ?? 0)
  const nearly = median(minutes.map(({ p99_ms: p99 }) => p99)).toFixed(0)
  return `A user's request over two services for ${(seconds / 60).toFixed(0)} min at ${rate} requests/s, 70 % of the ${capacity.toFixed(0)} that both sidecars carry on one core: ${requests} requests, ${others} answers that are not 200, p99 ${nearly} ms (median of the minutes); at the start, after a quarter and at the end, ${each.join('; ')}.`
}
