// What is written down of a run.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { conditions, resultsOf, turnsOf } from './examples.ts'
import { toJson, withOnly, type Results } from './results.ts'

test('the figures of the JSON are rounded to four digits', () => {
  const { conditions: written } = JSON.parse(toJson(resultsOf({}))) as Results
  assert.equal(written.load_average_before, 0.1235)
})

test('what holds nothing but values is in one line', () => {
  const text = toJson(resultsOf({ inbound: turnsOf({ a: 1 }, {}) }))
  assert.match(text, /^ +"versions": \{ .* \},?$/m)
  assert.doesNotMatch(text, /[{[]\n[^{}[\]]*[}\]]/)
})

test('a scenario that is measured alone takes the place of what was known of it, and of nothing else', () => {
  const [before, after] = [turnsOf({ a: 1 }, {}), turnsOf({ a: 2 }, {})]
  const known = resultsOf({ inbound: before, tracing: before }, { tracing: 'no sink', keys: 'no keys' })
  const both = withOnly(known, 'tracing', resultsOf({ tracing: after }))
  assert.deepEqual(both.scenarios, { inbound: before, tracing: after })
  assert.deepEqual(both.not_measured, { keys: 'no keys' })
  assert.deepEqual(both.conditions, conditions)
})

test('one that fails when it is measured alone is known no more', () => {
  const known = resultsOf({ tracing: turnsOf({ a: 1 }, {}) })
  const both = withOnly(known, 'tracing', resultsOf({}, { tracing: 'no sink' }))
  assert.deepEqual([both.scenarios, both.not_measured], [{}, { tracing: 'no sink' }])
})
