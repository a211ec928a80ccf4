// What Node tells of its event loop: which turn it is in, whether it ever had nothing to do, and what its work took.
import { performance } from 'node:perf_hooks'

export interface EventLoop {
  /** The number of the turn that it is in. */
  turn(): number
  /** Milliseconds, since the start of the process, in which nothing was waiting for it. */
  idleMs(): number
  /** Milliseconds that the process was on a core: not where it was stopped, or others had the core. */
  cpuMs(): number
}

/** The one of this thread. */
export const eventLoop: EventLoop = {
  turn: () => performance.nodeTiming.uvMetricsInfo.loopCount,
  idleMs: () => performance.nodeTiming.idleTime,
  cpuMs() {
    // That of the thread alone, `threadCpuUsage`, Linux brings up to date once in some milliseconds only.
    const { user, system } = process.cpuUsage()
    return (user + system) / 1_000
  },
}
