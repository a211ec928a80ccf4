// Made-up results, for the tests of what is made of them.
import type { Conditions } from './conditions.ts'
import type { Results } from './results.ts'
import { makeTurnResults } from './rounds.ts'
import type { Parts } from './scenarios/all.ts'
import type { Sample } from './window.ts'

export const conditions: Conditions = {
  date: '2026-01-02',
  rounds: 3,
  window_seconds: 5,
  warmup_seconds: 3,
  load_average_before: 0.12345678,
  connections: 32,
  users: 1_000,
  cpu_model: 'A CPU',
  cores: 2,
  kernel: '6.1',
  versions: {
    onbehalf: '0.1.0',
    node: '26.10.0',
    openssl_of_node: '3.5.8',
    nginx: '1.22.1',
    haproxy: null,
    wrk: '4.1.0',
    redis: null,
  },
}

export const memory = { rss_mib: 76.04, rss_anon_mib: 30, rss_file_mib: 46.04 }

export function sampleOf(round: number, turn: string, cpu: number, further?: Sample['further']): Sample {
  return {
    round,
    turn,
    requests: 1_000,
    requests_per_second: 200,
    cpu_us_per_request: cpu,
    start_to_ready_ms: 250,
    idle: memory,
    loaded: { ...memory, rss_mib: 120 },
    ...(further && { further }),
  }
}

/** Turns of one round, each beside all the others: the CPU time of each by its name. */
export function turnsOf(costs: Readonly<Record<string, number>>, against: Readonly<Record<string, string>>) {
  const turns = Object.keys(costs).map((name) => ({ name, title: `the turn of ${name}`, against }))
  return makeTurnResults(
    turns,
    Object.entries(costs).map(([turn, cpu]) => sampleOf(1, turn, cpu)),
  )
}

export function resultsOf(scenarios: Parts, notMeasured: Readonly<Record<string, string>> = {}): Results {
  return { conditions, not_measured: notMeasured, measured: {}, scenarios }
}
