// Rates from what was counted, times from buckets, and both sides of an edge put together.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { quantileOf } from '../../sidecar/admin/page/quantile.ts'
import { ratesOf, remember, type History } from '../../sidecar/admin/page/rates.ts'
import { waysOf } from '../../sidecar/admin/page/ways.ts'
import { bounds, makeEdge, makeState } from './made.ts'

const counted = (requests: number, refused = 0, failed = 0) =>
  makeEdge({ requests, refused, failed, buckets: [0, requests, 0, 0, 0, 0] })

function historyOf(states: readonly ReturnType<typeof makeState>[]): History {
  return states.reduce(remember, [] as History)
}

test('a rate is of the last ten seconds, however long it was before', () => {
  const seconds = Array.from({ length: 31 }, (_, i) => i)
  // Nothing for twenty seconds, then ten a second.
  const history = historyOf(
    seconds.map((i) =>
      makeState('App', i, { edges: [counted(Math.max(0, i - 20) * 10, Math.max(0, i - 20))] }),
    ),
  )
  const [rates] = ratesOf(history)
  assert.equal(rates?.lately?.perSecond, 10)
  assert.equal(rates.lately.refusedPerSecond, 1)
  assert.equal(rates.edge.requests, 100)
  assert.equal(history.length, 11)
})

test('the first state says how many there were, and not how fast', () => {
  const [rates] = ratesOf(historyOf([makeState('App', 0, { edges: [counted(70)] })]))
  assert.deepEqual([rates?.edge.requests, rates?.lately], [70, undefined])
})

test('an edge that was not there before counts from nothing', () => {
  const history = historyOf([makeState('App', 0), makeState('App', 2, { edges: [counted(8, 0, 4)] })])
  const [rates] = ratesOf(history)
  assert.deepEqual([rates?.lately?.perSecond, rates?.lately?.failedPerSecond], [4, 2])
})

test('a service that started anew is not compared with what it was before', () => {
  const again = { startedAtMs: Date.UTC(2026, 0, 15, 13) }
  const history = historyOf([
    makeState('App', 3_600, { edges: [counted(900)] }),
    makeState('App', 3_601, { ...again, edges: [counted(1)] }),
    makeState('App', 3_603, { ...again, edges: [counted(5)] }),
  ])
  assert.equal(ratesOf(history)[0]?.lately?.perSecond, 2)
})

test('a state that comes twice, or late, changes nothing', () => {
  const states = [makeState('App', 1, { edges: [counted(1)] }), makeState('App', 2, { edges: [counted(2)] })]
  const history = historyOf(states)
  assert.equal(remember(history, states[1] as (typeof states)[number]), history)
  assert.equal(remember(history, states[0] as (typeof states)[number]), history)
})

test('a time is as far into its bucket as its rank', () => {
  assert.deepEqual(quantileOf([10, 0, 0, 0, 0, 0], bounds, 0.5), { seconds: 0.0025, isBeyond: false })
  assert.deepEqual(quantileOf([5, 5, 0, 0, 0, 0], bounds, 0.5), { seconds: 0.005, isBeyond: false })
  assert.equal(quantileOf([0, 0, 0, 100, 0, 0], bounds, 0.99)?.seconds.toFixed(4), '0.0995')
  // An empty bucket before is no part of it.
  assert.deepEqual(quantileOf([0, 2, 0, 0, 0, 0], bounds, 0.5), { seconds: 0.0075, isBeyond: false })
})

test('what took longer than the last bound is said to be beyond it', () => {
  assert.deepEqual(quantileOf([0, 0, 0, 0, 0, 3], bounds, 0.5), { seconds: 1, isBeyond: true })
  assert.equal(quantileOf([0, 0, 0, 0, 0, 0], bounds, 0.5), undefined)
})

test('times are of what was counted in the window alone', () => {
  const slow = makeEdge({ requests: 100, buckets: [0, 0, 0, 0, 100, 0] })
  const then = makeEdge({ requests: 110, buckets: [10, 0, 0, 0, 100, 0] })
  const history = historyOf([makeState('App', 0, { edges: [slow] }), makeState('App', 5, { edges: [then] })])
  assert.deepEqual(ratesOf(history)[0]?.lately?.p99, { seconds: 0.00495, isBeyond: false })
})

test('of an edge that both sides count the called one is shown, with what never reached it', () => {
  const outbound = makeEdge({
    from: 'App',
    to: 'API',
    direction: 'outbound',
    requests: 30,
    refused: 4,
    codes: { original_user_lost: 4 },
  })
  const inbound = makeEdge({ from: 'App', to: 'API', requests: 26, refused: 1, codes: { policy_denied: 1 } })
  const ways = waysOf([
    {
      edge: outbound,
      lately: { perSecond: 3, refusedPerSecond: 0.4, failedPerSecond: 9, p50: undefined, p99: undefined },
    },
    {
      edge: inbound,
      lately: { perSecond: 2.6, refusedPerSecond: 0.1, failedPerSecond: 0, p50: undefined, p99: undefined },
    },
  ])
  assert.equal(ways.length, 1)
  const [way] = ways
  assert.deepEqual([way?.side, way?.requests, way?.refused], ['inbound', 30, 5])
  assert.deepEqual(way?.codes, { policy_denied: 1, original_user_lost: 4 })
  assert.deepEqual(
    [way.lately?.perSecond, way.lately?.refusedPerSecond, way.lately?.failedPerSecond],
    [3, 0.5, 0],
  )
})

test('an edge that one side counts is shown as that side says', () => {
  const ways = waysOf([
    {
      edge: makeEdge({ from: 'App', to: 'elsewhere', direction: 'outbound', requests: 3 }),
      lately: undefined,
    },
    { edge: makeEdge({ requests: 2 }), lately: undefined },
  ])
  assert.deepEqual(
    ways.map(({ from, to, side, requests }) => [from, to, side, requests]),
    [
      ['users', 'App', 'inbound', 2],
      ['App', 'elsewhere', 'outbound', 3],
    ],
  )
})
