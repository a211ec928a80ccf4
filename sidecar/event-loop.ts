// What Node tells of its event loop: which turn it is in, whether it ever had nothing to do, and what its work took.
import { performance } from 'node:perf_hooks'

export interface EventLoop {
  /** The number of the turn that it is in. */
  turn(): number
  /** Milliseconds, since the start of the process, in which nothing was waiting for it. */
  idleMs(): number
  /** Milliseconds that its thread was on a core: not where the process was stopped, or others had the core. */
  cpuMs(): number
}

/** The one of this thread. */
export const eventLoop: EventLoop = {
  turn: () => performance.nodeTiming.uvMetricsInfo.loopCount,
  idleMs: () => performance.nodeTiming.idleTime,
  cpuMs() {
    const { user, system } = process.threadCpuUsage()
    return (user + system) / 1_000
  },
}
