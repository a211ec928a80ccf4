// One measurement: a fresh process of a contender, a warm-up, and CPU per request over a timed window.
import { setTimeout as pause } from 'node:timers/promises'
import type { Bed } from './bed.ts'
import type { Contender, Started } from './contenders/contender.ts'
import { faultOf, runLoad, type Load } from './load.ts'
import { cpuMs, memory, type Memory } from './proc.ts'
import { host } from './users.ts'

/** What is the same for all contenders of a round. */
export interface Scenario {
  readonly name: 'token_seen' | 'token_new'
  readonly warmupFiles: readonly string[]
  readonly timedFiles: readonly string[]
  /** Whether tokens come again: each of them in the warm-up already, or none ever. */
  readonly repeats: boolean
}

export interface Sample {
  readonly round: number
  readonly scenario: Scenario['name']
  readonly contender: string
  readonly requests: number
  readonly requests_per_second: number
  readonly cpu_us_per_request: number
  readonly start_to_ready_ms: number
  readonly idle: Memory
  readonly loaded: Memory
}

export interface Lengths {
  readonly seconds: number
  readonly warmupSeconds: number
}

/** What is started at once after the start, and done by then. */
const settleMs = 1_000

/** @throws Error where an answer is missing or not 200, or a token came again that was to be new */
export async function measure(
  bed: Bed,
  contender: Contender,
  scenario: Scenario,
  round: number,
  lengths: Lengths,
): Promise<Sample> {
  const started = await contender.start(bed)
  try {
    await pause(settleMs)
    const idle = await memory(started.pid)
    const warmup = await load(bed, contender, started, scenario, scenario.warmupFiles, lengths.warmupSeconds)
    if (scenario.repeats && warmup.wraps === 0)
      throw new Error(`${contender.name}: the warm-up is too short to show it every token`)
    const beforeMs = await cpuMs(started.pid)
    const timed = await load(bed, contender, started, scenario, scenario.timedFiles, lengths.seconds)
    const usedMs = (await cpuMs(started.pid)) - beforeMs
    return {
      round,
      scenario: scenario.name,
      contender: contender.name,
      requests: timed.requests,
      requests_per_second: timed.requests / timed.seconds,
      cpu_us_per_request: (usedMs * 1_000) / timed.requests,
      start_to_ready_ms: started.startToReadyMs,
      idle,
      loaded: await memory(started.pid),
    }
  } finally {
    await started.stop()
  }
}

async function load(
  bed: Bed,
  contender: Contender,
  { port }: Started,
  scenario: Scenario,
  tokenFiles: readonly string[],
  seconds: number,
): Promise<Load> {
  const result = await runLoad(bed.processes, { port, host, tokenFiles, seconds })
  // Who verifies nothing is faster than tokens are signed, and cannot tell a new one from an old one.
  const mayRepeat = scenario.repeats || !contender.verifies
  const fault = faultOf(result, mayRepeat)
  if (fault !== undefined) throw new Error(`${contender.name}, ${scenario.name}: ${fault}`)
  return result
}
