// The chart that is made of the results.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeChart } from './chart.ts'
import { resultsOf, turnsOf } from './examples.ts'

const costs = { 'nginx seen': 20, 'haproxy seen': 100, 'onbehalf seen': 40 }
const inbound = turnsOf(costs, { nginx: 'nginx seen', haproxy: 'haproxy seen' })

test('each contender has a bar as long as its cost, and each target that was measured one', () => {
  const svg = makeChart(resultsOf({ inbound }))
  const widths = [...svg.matchAll(/<rect class="(\w+)" [^>]*width="([\d.]+)"/g)].map(([, kind, width]) => [
    kind,
    width,
  ])
  assert.deepEqual(widths, [
    ['other', '64'],
    ['other', '320'],
    ['ours', '128'],
    ['must', '100'],
    ['must', '106.7'],
  ])
})

test('it is readable in light and in dark, runs nothing and loads nothing', () => {
  const svg = makeChart(resultsOf({ inbound }))
  assert.match(svg, /prefers-color-scheme: dark/)
  assert.doesNotMatch(svg, /script|href|url\(|\son\w+=/)
})

test('text is escaped, and figures are whole', () => {
  const svg = makeChart(resultsOf({ inbound: turnsOf({ 'a < b & c': 1 }, {}) }))
  assert.match(svg, /the turn of a &lt; b &amp; c/)
  assert.doesNotMatch(svg, /NaN|undefined|Infinity/)
})

test('what is far from its target has the longest bar, and its figure', () => {
  const far = turnsOf({ 'nginx seen': 1, 'onbehalf seen': 999 }, { nginx: 'nginx seen' })
  assert.match(
    makeChart(resultsOf({ inbound: far })),
    /class="missed"[^>]*width="320".*>999\.00 of 1\.6 × nginx</,
  )
})

test('where nothing was measured it is empty', () => {
  assert.doesNotMatch(makeChart(resultsOf({})), /<rect|NaN/)
})
