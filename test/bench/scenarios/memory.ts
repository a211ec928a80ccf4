// Memory with telemetry on: idle, and along a million requests of which every token is new.
import { rm } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { signAssertions } from '../assertions.ts'
import { ownFolder } from '../bed.ts'
import { makeOnbehalf } from '../contenders/onbehalf.ts'
import { connections, faultOf, runLoad } from '../load.ts'
import { signingOf } from '../plans.ts'
import { memory, type Memory } from '../proc.ts'
import type { Scenario, Scene } from '../scenario.ts'
import { startSink } from '../sink.ts'

export interface MemoryResults {
  readonly idle: Memory
  /** In order, the last one after all requests. */
  readonly along: readonly (Memory & { readonly requests: number })[]
}

export const memoryScenario: Scenario<'memory', MemoryResults> = {
  name: 'memory',
  commands: [],
  run: async (scene) => {
    const sink = await startSink(scene.bed)
    const results = await measureMemory(scene, sink.environment)
    await sink.stop()
    return results
  },
}

const parts = 10
/** What is done once after the start is over by then, the first export of metrics aside. */
const settleMs = 5_000
const deadlineSeconds = 900

async function measureMemory(
  { bed, options }: Scene,
  environment: Readonly<Record<string, string>>,
): Promise<MemoryResults> {
  const started = await makeOnbehalf({ environment }).start(bed)
  try {
    await pause(settleMs)
    const idle = await memory(started.pid)
    const along: MemoryResults['along'][number][] = []
    let requests = 0
    while (requests < options.requests) {
      const count = Math.min(Math.ceil(options.requests / parts), options.requests - requests)
      const folder = await ownFolder(bed.folder, 'tokens')
      // What is under way when the last answer comes was sent, too.
      const tokenFiles = await signAssertions(folder, 'new', count + connections + 1, signingOf(bed))
      const order = { tokenFiles, port: started.port, seconds: deadlineSeconds, count }
      const load = await runLoad(bed.processes, order)
      await rm(folder, { recursive: true })
      const fault = faultOf(load, false)
      if (fault !== undefined) throw new Error(fault)
      requests += load.requests
      along.push({ requests, ...(await memory(started.pid)) })
      console.error(`memory, after ${requests} requests: ${along.at(-1)?.rss_mib.toFixed(0)} MiB`)
    }
    return { idle, along }
  } finally {
    await started.stop()
  }
}
