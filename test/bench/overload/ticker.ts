// A thread that says how many requests are due. It shares its core with the client that sends them and with the upstream, and each
// time that it wakes costs them as much as a request.
import { parentPort, workerData } from 'node:worker_threads'
import { schedule } from './schedule.ts'
import type { Phase } from './order.ts'

export interface Dues {
  /** Of the first one, by the clock that all threads share. */
  readonly startMs: number
  readonly phases: readonly Phase[]
}

const { startMs, phases } = workerData as Dues
/** It sleeps no shorter, so that requests are sent some at a time, and late by as much. */
const restMs = 1
const never = new Int32Array(new SharedArrayBuffer(4))
const dueMs = schedule(phases)
const nowMs = () => performance.timeOrigin + performance.now() - startMs

for (let next = 0; next < dueMs.length;) {
  const leftMs = (dueMs[next] as number) - nowMs()
  if (leftMs > 0) Atomics.wait(never, 0, 0, Math.max(leftMs, restMs))
  const nextBefore = next
  for (const untilMs = nowMs(); next < dueMs.length && (dueMs[next] as number) <= untilMs;) next++
  if (next > nextBefore) parentPort?.postMessage(next, [])
}
