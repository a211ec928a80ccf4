// A thread that says how many requests are due: timers are as coarse as a millisecond, its sleep is not.
import { parentPort, workerData } from 'node:worker_threads'
import { schedule } from './schedule.ts'
import type { Phase } from './order.ts'

export interface Dues {
  /** Of the first one, by the clock that all threads share. */
  readonly startMs: number
  readonly phases: readonly Phase[]
}

const { startMs, phases } = workerData as Dues
const never = new Int32Array(new SharedArrayBuffer(4))
const dueMs = schedule(phases)
const nowMs = () => performance.timeOrigin + performance.now() - startMs

for (let next = 0; next < dueMs.length;) {
  const leftMs = (dueMs[next] as number) - nowMs()
  if (leftMs > 0) Atomics.wait(never, 0, 0, leftMs)
  const nextBefore = next
  for (const untilMs = nowMs(); next < dueMs.length && (dueMs[next] as number) <= untilMs;) next++
  if (next > nextBefore) parentPort?.postMessage(next, [])
}
