// How the open-loop client reads answers, and what it makes of its latencies.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readAnswer } from './answer.ts'
import { latencyOf } from './open-loop.ts'

test('an answer is as long as its head and what the head says', () => {
  const head = 'HTTP/1.1 403 Forbidden\r\nx: y\r\nContent-Length: 5\r\n\r\n'
  assert.deepEqual(readAnswer(`${head}he`), { status: 403, bytes: head.length + 5 })
  assert.equal(readAnswer(head.slice(0, -1)), undefined)
})

test('an answer whose length is not told is none', () => {
  assert.throws(() => readAnswer('HTTP/1.1 200 OK\r\n\r\n'), /without a length/)
})

test('percentiles of latencies', () => {
  const values = Array.from({ length: 1_000 }, (_, index) => index + 1)
  assert.deepEqual(latencyOf(values), { p50_ms: 500, p90_ms: 900, p99_ms: 990, max_ms: 1_000 })
})
