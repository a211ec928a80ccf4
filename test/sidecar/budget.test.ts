// A few at once, and again one each interval.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Budget } from '../../sidecar/budget.ts'

test('a few may be taken at once, then none', () => {
  const budget = new Budget(3, 1_000)
  assert.deepEqual(
    [0, 0, 0, 0].map((ms) => budget.take(ms)),
    [true, true, true, false],
  )
})

test('one more is to be had after each interval, to the millisecond', () => {
  const budget = new Budget(1, 1_000)
  const times = [0, 999, 1_000, 1_999, 2_000]
  assert.deepEqual(
    times.map((ms) => budget.take(ms)),
    [true, false, true, false, true],
  )
})

test('what was not taken does not gather beyond the burst', () => {
  const budget = new Budget(2, 1_000)
  for (const ms of [0, 0]) budget.take(ms)
  assert.deepEqual(
    [60_000, 60_000, 60_000].map((ms) => budget.take(ms)),
    [true, true, false],
  )
})

test('a clock that was set back does not keep anybody waiting', () => {
  const budget = new Budget(1, 1_000)
  assert.equal(budget.take(1_000_000), true)
  assert.equal(budget.take(5), true)
  assert.equal(budget.take(6), false)
})
