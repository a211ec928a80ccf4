// What the README gets of the results.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resultsOf, turnsOf } from './examples.ts'
import { toMarkdown } from './report.ts'

const against = { nginx: 'nginx seen', haproxy: 'haproxy seen' }
const inbound = turnsOf({ 'nginx seen': 20, 'onbehalf seen': 40 }, against)

test('each target has its row, with what was measured beside it', () => {
  const text = toMarkdown(resultsOf({ inbound }))
  const row =
    /^\| inbound, token seen before, .* \| ≤ 3 × nginx \| ≤ 1\.6 × nginx \| 2\.00 \| must reached \|$/m
  assert.match(text, row)
  assert.match(text, /^\| start to ready \| {2}\| ≤ 200 ms \| {2}\| not measured \|$/m)
})

test('each turn has its row, with its title', () => {
  const row = /^\| the turn of onbehalf seen \| 40 \| ± 0 % \| 2\.00 \| {2}\| 200 \| 76 → 120 \|$/m
  assert.match(toMarkdown(resultsOf({ inbound })), row)
})

test('what was not measured is said, and so are the versions', () => {
  const text = toMarkdown(resultsOf({}, { haproxy: 'not installed' }))
  assert.match(text, /^Not measured: haproxy, not installed\.$/m)
  assert.match(text, /Node 26\.10\.0, nginx 1\.22\.1, wrk 4\.1\.0; medians of 3 rounds of 5 s\.$/m)
})

const hop = { vcpu: 0.256, added_p50_ms: 0.4, added_p99_ms: 1.23456 }

test('a hop, memory and the start are said in words', () => {
  const text = toMarkdown(
    resultsOf({
      hop: {
        requests_per_second: 1,
        body_bytes: 1,
        medians: { nginx: { ...hop, vcpu: 0.128 }, account: hop, seen: hop, new: hop },
        rounds: [],
      },
      memory: { idle: { rss_mib: 70, rss_anon_mib: 20, rss_file_mib: 50 }, along: [] },
      start: { plain: { median_ms: 199.6, all_ms: [] }, telemetry: { median_ms: 300, all_ms: [] } },
    }),
  )
  assert.match(
    text,
    /as the service account 0\.26 vCPU, 0\.40 ms \(p50\) and 1\.23 ms \(p99\) over a direct call/,
  )
  assert.match(text, /Two nginx in their place, verifying nothing: 0\.13 vCPU/)
  assert.match(text, /70 MiB idle, 50 of them file-backed/)
  assert.match(text, /^Ready 200 ms after the start, with telemetry on 300 ms\.$/m)
})

test('an overload is said in words', () => {
  const medians = {
    capacity: 4_700.4,
    shed_share: 0.56,
    goodput_share: 0.88,
    unloaded_p99_ms: 2.04,
    admitted_p99_ms: 5.1,
    admitted_p99_ratio: 2.5,
    first_second_p99_ms: 80.25,
    refused_p50_ms: 1.5,
    refused_p99_ms: 3,
    first_refusal_ms: 104.4,
    recovered_ms: 100,
    lag_p99_ms: 0.4,
  }
  const text = toMarkdown(resultsOf({ overload: { medians, rounds: [] } }))
  assert.match(
    text,
    /^With twice the 4700 requests\/s .* 56 % are refused and 88 % of what it carries are served/m,
  )
  assert.match(
    text,
    /within 5\.1 ms \(p99; 2\.0 ms at 30 % of that\), what is refused within 1\.5 ms \(p50\)/,
  )
  assert.match(text, /first refusal comes after 104 ms; .* 80\.3 ms, and all is as before 100 ms after/)
  assert.match(text, /^\| twice what it can carry, .*: p99 .* \| ≤ 3 × unloaded \| 2\.50 \| reached \|$/m)
  const late = { medians: { ...medians, lag_p99_ms: 6 }, rounds: [] }
  assert.match(toMarkdown(resultsOf({ overload: late })), /not measured: the client was 6 ms late \|$/m)
})

test('a soak is said in words, with what was held at its start, after a quarter and at its end', () => {
  const latency = { p50_ms: 1, p90_ms: 2, p99_ms: 3, max_ms: 4 }
  const along = [80, 90, 91, 92, 93].map((rss, index) => {
    const held = { rss_mib: rss, descriptors: 100 + index }
    return { seconds: index * 60, caller: held, callee: held }
  })
  const counts = { requests: 100, statuses: { 200: 99, 503: 1 }, seconds: 240, minutes: [latency] }
  const text = toMarkdown(resultsOf({ soak: { capacity: 1_000, rate: 700, ...counts, along } }))
  assert.match(text, /for 4 min at 700 requests\/s, .*: 100 requests, 1 answers that are not 200, p99 3 ms/)
  assert.match(text, /caller 80, 90, 93 MiB and 100, 101, 104 descriptors; callee 80, 90, 93 MiB/)
})
