// A thread that says when the next request is due: timers are as coarse as a millisecond, its sleep is not.
import { parentPort, workerData } from 'node:worker_threads'

export interface Ticks {
  /** Of the first one, by the clock that all threads share. */
  readonly startMs: number
  readonly intervalMs: number
  readonly count: number
}

const { startMs, intervalMs, count } = workerData as Ticks
const never = new Int32Array(new SharedArrayBuffer(4))

for (let index = 0; index < count; index++) {
  const leftMs = startMs + index * intervalMs - (performance.timeOrigin + performance.now())
  if (leftMs > 0) Atomics.wait(never, 0, 0, leftMs)
  parentPort?.postMessage(index, [])
}
