// What is made of the answers of the overload scenario.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { figuresOf } from '../scenarios/overload.ts'
import type { PhaseCounts, Span } from './order.ts'
import { schedule } from './schedule.ts'
import { Tally } from './tally.ts'

const phases = [
  { rate: 10, seconds: 2 },
  { rate: 20, seconds: 1.5 },
]

test('the requests of a phase come at its rate, where those of the one before end', () => {
  const due = schedule(phases)
  assert.equal(due.length, 50)
  assert.deepEqual(due.slice(18, 23), Float64Array.of(1_800, 1_900, 2_000, 2_050, 2_100))
})

test('each phase has its own counts: its first second, the rest, and each tenth of a second', () => {
  const tally = new Tally(phases)
  for (let i = 49; i >= 0; i--) {
    assert.equal(tally.isComplete, false)
    const isAdmitted = i < 20 || i % 2 === 0
    tally.add(i, { isAdmitted, lagMs: i, latencyMs: isAdmitted ? 5 : 40 + i })
  }
  assert.equal(tally.isComplete, true)
  const [first, second] = tally.counts()
  assert.deepEqual([first?.settling.requests, first?.settled.requests, first?.slices.length], [10, 10, 20])
  assert.deepEqual([first?.first_refusal_ms, first?.settled.refused_latency], [undefined, undefined])
  assert.deepEqual([second?.settling.requests, second?.settled.requests], [20, 10])
  assert.deepEqual([second?.settling.admitted, second?.settled.admitted], [10, 5])
  assert.deepEqual(second?.settled.admitted_latency, { p50_ms: 5, p90_ms: 5, p99_ms: 5, max_ms: 5 })
  assert.deepEqual([second?.settled.refused_latency?.p50_ms, second?.settled.lag.max_ms], [85, 49])
  // The second one, at 50 ms.
  assert.equal(second?.first_refusal_ms, 50 + 40 + 21)
})

const latency = (ms: number) => ({ p50_ms: ms, p90_ms: ms, p99_ms: ms, max_ms: ms })

function spanOf(requests: number, admitted: number, ms: number): Span {
  return {
    requests,
    admitted,
    admitted_latency: latency(ms),
    refused_latency: latency(1),
    lag: latency(0.5),
  }
}

function phaseOf(settled: Span, slices: readonly Span[] = [], settling = settled): PhaseCounts {
  return { settling, settled, slices, first_refusal_ms: 90 }
}

test('what is admitted of twice the capacity is compared with the capacity, and its p99 with that of before', () => {
  const [fine, slow, refusing] = [spanOf(10, 10, 6), spanOf(10, 10, 6.1), spanOf(10, 9, 1)]
  const round = { round: 1, capacity: 100, unloaded: phaseOf(spanOf(30, 30, 2)) }
  const overloaded = phaseOf(spanOf(200, 80, 5), [], spanOf(200, 150, 70))
  const recoveredMs = (slices: readonly Span[]) =>
    figuresOf({ ...round, overloaded, recovering: phaseOf(fine, slices) }).recovered_ms
  const figures = figuresOf({ ...round, overloaded, recovering: phaseOf(fine, [fine]) })
  assert.ok(Math.abs(figures.shed_share - 0.6) < 1e-9 && Math.abs(figures.goodput_share - 0.8) < 1e-9)
  assert.deepEqual([figures.admitted_p99_ratio, figures.first_second_p99_ms], [2.5, 70])
  assert.equal(figures.recovered_ms, 0)
  assert.equal(recoveredMs([refusing, slow, fine, slow]), 200)
  assert.equal(recoveredMs([fine, fine, refusing, fine]), 300)
  assert.equal(recoveredMs([fine, refusing]), Infinity)
})
