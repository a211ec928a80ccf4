// How far what is to be reached was reached.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memory, resultsOf, turnsOf } from './examples.ts'
import type { Parts } from './scenarios/all.ts'
import { targetsOf, verdictOf, type Target } from './targets.ts'

const target: Target = { what: 'x', unit: 'ms', digits: 0, must: 3, target: 2, measured: 2 }

test('a target is reached, or what must be, or neither; what is not known is none of them', () => {
  assert.equal(verdictOf(target), 'reached')
  assert.equal(verdictOf({ ...target, measured: 3 }), 'must reached')
  assert.equal(verdictOf({ ...target, measured: 3.1 }), 'not reached')
  assert.equal(verdictOf({ ...target, measured: undefined }), 'not measured')
  assert.equal(verdictOf({ ...target, caveat: 'too few' }), 'not measured')
})

const measured = (parts: Parts, what: string) =>
  targetsOf(resultsOf(parts)).filter((each) => each.what.includes(what))

test('each row of the table is there, measured or not', () => {
  const all = targetsOf(resultsOf({}))
  assert.equal(all.length, 19)
  assert.ok(all.every((each) => verdictOf(each) === 'not measured'))
})

test('the inbound side is compared with both contenders, where they were measured', () => {
  const against = { nginx: 'nginx seen', haproxy: 'haproxy seen' }
  const inbound = turnsOf({ 'nginx seen': 20, 'onbehalf seen': 50 }, against)
  assert.deepEqual(
    measured({ inbound }, 'token seen').map((each) => each.measured),
    [2.5, undefined],
  )
})

test('what a further link costs is the mean of the seven', () => {
  const part = turnsOf({ 'haproxy new': 100, 'links 1': 150, 'links 8': 640 }, { haproxy: 'haproxy new' })
  assert.ok(Math.abs((measured({ 'on-behalf': part }, 'further link')[0]?.measured ?? 0) - 0.7) < 1e-9)
})

const along = (requests: readonly number[]) => ({
  idle: memory,
  along: requests.map((count) => ({ ...memory, rss_mib: 80 + count / 100_000, requests: count })),
})

test('memory after a million requests is compared with that after half of them', () => {
  const [after, flat] = measured({ memory: along([500_000, 1_000_000]) }, 'after 1 M')
  assert.deepEqual([after?.measured, after?.caveat], [90, undefined])
  assert.ok(Math.abs((flat?.measured ?? 0) - 90 / 85) < 1e-9)
})

test('memory after fewer requests says nothing about a million', () => {
  for (const each of measured({ memory: along([500, 1_000]) }, 'after 1 M')) {
    assert.equal(verdictOf(each), 'not measured')
    assert.match(each.caveat ?? '', /after 1000 requests only/)
  }
})

test('growth is the cost with the many over that with the few', () => {
  const routes = turnsOf({ 1: 100, 1000: 112 }, { few: '1' })
  const [row] = measured({ routes }, 'routes')
  assert.equal(row === undefined ? '' : verdictOf(row), 'not reached')
})
