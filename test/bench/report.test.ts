// What the bench makes of its samples.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Conditions } from './conditions.ts'
import { makeResults, toJson, toMarkdown } from './report.ts'
import type { Sample } from './window.ts'

const conditions: Conditions = {
  date: '2026-01-02',
  rounds: 3,
  window_seconds: 5,
  warmup_seconds: 3,
  connections: 32,
  users: 1_000,
  cpu_model: 'A CPU',
  cores: 2,
  kernel: '6.1',
  load_average_before: 0.12345678,
  versions: {
    onbehalf: '0.1.0',
    node: '26.10.0',
    openssl_of_node: '3.5.8',
    nginx: '1.22.1',
    haproxy: null,
    wrk: '4.1.0',
  },
}
const memory = { rss_mib: 76.04, rss_anon_mib: 30, rss_file_mib: 46.04 }

function sample(round: number, contender: string, cpu: number): Sample {
  return {
    round,
    scenario: 'token_seen',
    contender,
    requests: 1_000,
    requests_per_second: 200,
    cpu_us_per_request: cpu,
    start_to_ready_ms: 250,
    idle: memory,
    loaded: { ...memory, rss_mib: 120 },
  }
}

// The machine is twice as slow in the second round: of the ratios that says nothing.
const samples = [
  sample(1, 'nginx', 10),
  sample(1, 'onbehalf', 30),
  sample(2, 'nginx', 20),
  sample(2, 'onbehalf', 60),
  sample(3, 'nginx', 10),
  sample(3, 'onbehalf', 40),
]

test('ratios are medians over the rounds, not ratios of medians', () => {
  const { medians } = makeResults(conditions, {}, samples)
  const ours = medians.find(({ contender }) => contender === 'onbehalf')
  assert.equal(ours?.cpu_us_per_request, 40)
  assert.equal(ours?.ratio_to_nginx, 3)
  assert.equal(ours?.cpu_spread, 0.75)
})

test('what was not measured has no ratio, and is said in words', () => {
  const results = makeResults(conditions, { haproxy: 'not installed' }, samples)
  assert.ok(results.rounds.every((round) => round.ratio_to_haproxy === null))
  const text = toMarkdown(results, new Map())
  assert.match(text, /Not measured: haproxy, not installed\./)
  assert.match(text, /Node 26\.10\.0, nginx 1\.22\.1, wrk 4\.1\.0;/)
})

test('the table has a row for each contender, with its title', () => {
  const text = toMarkdown(makeResults(conditions, {}, samples), new Map([['onbehalf', 'Onbehalf, inbound']]))
  assert.match(text, /^\| token seen before \| nginx \| 10 \| .* \| 1\.00 \|  \|/m)
  assert.match(
    text,
    /^\| token seen before \| Onbehalf, inbound \| 40 \| ± 38 % \| 3\.00 \|  \| 200 \| 76 → 120 \|$/m,
  )
})

test('the figures of the JSON are rounded to four digits', () => {
  const { conditions: written } = JSON.parse(toJson(makeResults(conditions, {}, samples))) as {
    conditions: Conditions
  }
  assert.equal(written.load_average_before, 0.1235)
})
