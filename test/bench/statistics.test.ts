// The arithmetic of the bench.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { median, percentile, ratioTo, spread } from './statistics.ts'

test('a percentile is one of the values, and the hundredth is the largest', () => {
  const hundred = Array.from({ length: 100 }, (_, i) => 100 - i)
  assert.equal(percentile(hundred, 50), 50)
  assert.equal(percentile(hundred, 99), 99)
  assert.equal(percentile(hundred, 100), 100)
  assert.equal(percentile([7], 99), 7)
  assert.throws(() => percentile([], 50), RangeError)
})

test('the median of an odd count is the middle value, however they are ordered', () => {
  assert.equal(median([10, 9, 100]), 10)
  assert.equal(median([7]), 7)
})

test('the median of an even count lies between the two in the middle', () => {
  assert.equal(median([4, 1, 100, 2]), 3)
})

test('there is no median of nothing', () => {
  assert.throws(() => median([]), RangeError)
})

test('the spread is the distance of the extremes as a share of the median', () => {
  assert.equal(spread([90, 100, 110]), 0.2)
  assert.equal(spread([5]), 0)
})

const sample = (round: number, turn: string, cpu: number) => ({ round, turn, cpu_us_per_request: cpu })

test('a ratio is taken to the other turn of the same round', () => {
  const ours = sample(2, 'onbehalf', 90)
  const samples = [sample(1, 'nginx', 10), sample(2, 'haproxy', 45), sample(2, 'nginx', 30), ours]
  assert.equal(ratioTo('nginx', ours, samples), 3)
  assert.equal(ratioTo('haproxy', ours, samples), 2)
})

test('there is no ratio to what was not measured in the round', () => {
  const ours = sample(2, 'onbehalf', 90)
  assert.equal(ratioTo('nginx', ours, [sample(1, 'nginx', 10), ours]), null)
})
