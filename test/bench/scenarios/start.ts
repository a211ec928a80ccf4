// From the start of a process until it is ready.
import { makeOnbehalf, onbehalf } from '../contenders/onbehalf.ts'
import type { Scenario } from '../scenario.ts'
import { startSink } from '../sink.ts'
import { median } from '../statistics.ts'

export interface StartResults {
  readonly plain: Starts
  readonly telemetry: Starts
}

interface Starts {
  readonly median_ms: number
  readonly all_ms: readonly number[]
}

const startsInRound = 5

export const start: Scenario<'start', StartResults> = {
  name: 'start',
  commands: [],
  run: async ({ bed, options }) => {
    const sink = await startSink(bed)
    const contenders = { plain: onbehalf, telemetry: makeOnbehalf({ environment: sink.environment }) }
    const times = { plain: [] as number[], telemetry: [] as number[] }
    for (let count = 0; count < options.rounds * startsInRound; count++) {
      for (const which of ['plain', 'telemetry'] as const) {
        const started = await contenders[which].start(bed)
        times[which].push(started.startToReadyMs)
        await started.stop()
      }
    }
    await sink.stop()
    console.error(`start: ready after ${median(times.plain).toFixed(0)} ms`)
    return { plain: startsOf(times.plain), telemetry: startsOf(times.telemetry) }
  },
}

function startsOf(all: readonly number[]): Starts {
  return { median_ms: median(all), all_ms: all }
}
