// What is left of the samples of a scenario.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sampleOf } from './examples.ts'
import { makeTurnResults } from './rounds.ts'

const turns = [
  { name: 'nginx', title: 'nginx', against: {} },
  { name: 'onbehalf', title: 'Onbehalf', against: { nginx: 'nginx', haproxy: 'haproxy' } },
]

test('ratios are medians over the rounds, not ratios of medians', () => {
  // The machine is twice as slow in the second round: of the ratios that says nothing.
  const { medians } = makeTurnResults(turns, [
    sampleOf(1, 'nginx', 10),
    sampleOf(1, 'onbehalf', 30),
    sampleOf(2, 'nginx', 20),
    sampleOf(2, 'onbehalf', 60),
    sampleOf(3, 'nginx', 10),
    sampleOf(3, 'onbehalf', 40),
  ])
  const ours = medians.find(({ turn }) => turn === 'onbehalf')
  assert.equal(ours?.cpu_us_per_request, 40)
  assert.equal(ours?.cpu_spread, 0.75)
  assert.deepEqual(ours?.ratios, { nginx: 3 })
})

test("a turn's own figures are medians, too", () => {
  const samples = [3, 5, 4].map((live, index) => sampleOf(index + 1, 'nginx', 1, { live }))
  assert.deepEqual(makeTurnResults([turns[0] as (typeof turns)[0]], samples).medians[0]?.further, { live: 4 })
})
