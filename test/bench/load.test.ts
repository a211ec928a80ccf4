// How the bench reads what wrk counted, and when it does not believe it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { faultOf, parseLoad, type Load } from './load.ts'

const output = (counts: string) => `Running 5s test @ http://127.0.0.1:20000/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     5.71ms    1.02ms  20.73ms   88.12%
  28052 requests in 5.01s, 6.71MB read
Requests/sec:   5599.20
${counts}
`
const good = 'bench requests=28052 duration_us=5010000 connect=0 read=0 write=0 timeout=0 status=0 wraps=28'

test('requests, time and wraps are read from the last line', () => {
  assert.deepEqual(parseLoad(output(good)), {
    requests: 28_052,
    seconds: 5.01,
    socketErrors: 0,
    refusals: 0,
    wraps: 28,
  })
})

test('every kind of socket error counts', () => {
  const counts = 'bench requests=5 duration_us=1 connect=1 read=20 write=300 timeout=4000 status=7 wraps=0'
  const { socketErrors, refusals } = parseLoad(output(counts))
  assert.deepEqual([socketErrors, refusals], [4_321, 7])
})

test('output without the counts is no result', () => {
  assert.throws(
    () => parseLoad('unable to connect to 127.0.0.1:20000'),
    /without its counts:\nunable to connect/,
  )
  assert.throws(() => parseLoad(output(good.replace('status=0 ', ''))), /did not count status/)
  assert.throws(() => parseLoad(output(good.replace('wraps=28', 'wraps=nil'))), /did not count wraps/)
})

const load: Load = { requests: 10, seconds: 1, socketErrors: 0, refusals: 0, wraps: 0 }

test('a window without failures is believed', () => {
  assert.equal(faultOf(load, false), undefined)
  assert.equal(faultOf({ ...load, wraps: 3 }, true), undefined)
})

for (const [what, changes, fault] of [
  ['nothing was answered', { requests: 0 }, /no request/],
  ['a connection failed', { socketErrors: 1 }, /1 of 10 .*socket/],
  ['a request was refused', { refusals: 2 }, /2 of 10 .*not 200/],
  ['tokens came again that were to be new', { wraps: 1 }, /came again/],
] as const) {
  test(`a window is worthless where ${what}`, () => {
    assert.match(faultOf({ ...load, ...changes }, false) ?? '', fault)
  })
}
