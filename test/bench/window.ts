// One measurement: a fresh process of a contender, a warm-up, and CPU per request over a timed window.
import { setTimeout as pause } from 'node:timers/promises'
import type { Bed } from './bed.ts'
import type { Contender, Started } from './contenders/contender.ts'
import { connections, faultOf, runLoad, type Load, type LoadOptions, type Requests } from './load.ts'

import { cpuMs, memory, type Memory } from './proc.ts'
import { userCount } from './users.ts'

/** What is measured once in each round. */
export interface Turn {
  /** Unique in its scenario. */
  readonly name: string
  /** For the report. */
  readonly title: string
  readonly contender: Contender
  readonly plan: Plan
  /** The turns whose CPU per request its own is divided by, by the name of the ratio. */
  readonly against: Readonly<Record<string, string>>
}

export interface Plan {
  readonly warmup: Requests
  /** How many times as long as others it is warmed up. Default: 1. */
  readonly warmupTimes?: number
  readonly timed: Requests
  /** Whether tokens come again: each of them in the warm-up already, or none ever. */
  readonly repeats: boolean
  /** Brings it into the state that is measured, after the warm-up. */
  readonly fill?: (started: Started) => Promise<void>
  /** Figures of its own. @throws Error where it did not do what is measured. */
  readonly check?: (started: Started, timed: Load) => Promise<Readonly<Record<string, number>>>
}

export interface Sample {
  readonly round: number
  readonly turn: string
  readonly requests: number
  readonly requests_per_second: number
  readonly cpu_us_per_request: number
  readonly start_to_ready_ms: number
  readonly idle: Memory
  readonly loaded: Memory
  readonly further?: Readonly<Record<string, number>>
}

export interface Lengths {
  readonly seconds: number
  readonly warmupSeconds: number
}

/** What is started at once after the start, and done by then. */
const settleMs = 1_000
/** Those that come again have all been seen by then; what is under way at the end counts for none. */
const everyToken = { seconds: 60, count: userCount + connections }

/** @throws Error where an answer is missing or not 200, or a token came again that was to be new */
export async function measure(bed: Bed, turn: Turn, round: number, lengths: Lengths): Promise<Sample> {
  const { contender, plan } = turn
  const started = await contender.start(bed)
  try {
    await pause(settleMs)
    const idle = await memory(started.pid)
    if (plan.repeats) await load(bed, turn, started, { ...plan.warmup, ...everyToken })
    await load(bed, turn, started, { ...plan.warmup, seconds: warmupSeconds(plan, lengths) })
    await plan.fill?.(started)
    const beforeMs = await cpuMs(started.pid)
    const timed = await load(bed, turn, started, { ...plan.timed, seconds: lengths.seconds })
    const usedMs = (await cpuMs(started.pid)) - beforeMs
    const further = await plan.check?.(started, timed)
    return {
      round,
      turn: turn.name,
      requests: timed.requests,
      requests_per_second: timed.requests / timed.seconds,
      cpu_us_per_request: (usedMs * 1_000) / timed.requests,
      start_to_ready_ms: started.startToReadyMs,
      idle,
      loaded: await memory(started.pid),
      ...(further && { further }),
    }
  } finally {
    await started.stop()
  }
}

export function warmupSeconds({ warmupTimes = 1 }: Plan, lengths: Lengths): number {
  return lengths.warmupSeconds * warmupTimes
}

async function load(
  bed: Bed,
  { name, contender, plan }: Turn,
  { port }: Started,
  order: Omit<LoadOptions, 'port'>,
): Promise<Load> {
  const result = await runLoad(bed.processes, { ...order, port })
  // Who verifies nothing is faster than tokens are signed, and cannot tell a new one from an old one.
  const mayRepeat = plan.repeats || !contender.verifies
  const fault = faultOf(result, mayRepeat)
  if (fault !== undefined) throw new Error(`${name}: ${fault}`)
  return result
}
