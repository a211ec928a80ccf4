// What telemetry costs: all signals by OTLP, 10 % of the requests traced, beside the same without.
import { makeOnbehalf, onbehalf } from '../contenders/onbehalf.ts'
import { signingOf, tokensSeen } from '../plans.ts'
import { runRounds } from '../rounds.ts'
import type { TurnScenario } from '../scenario.ts'
import { startSink } from '../sink.ts'

export const tracing: TurnScenario<'tracing'> = {
  name: 'tracing',
  commands: [],
  run: async (scene) => {
    const sink = await startSink(scene.bed)
    const traced = makeOnbehalf({ environment: sink.environment })
    const results = await runRounds('tracing', scene, async (folder) => {
      const plan = await tokensSeen(folder, signingOf(scene.bed))
      const title = 'Onbehalf, inbound; token seen before'
      return [
        { name: 'off', title: `${title}, no telemetry`, contender: onbehalf, plan, against: {} },
        {
          name: 'on',
          title: `${title}, 10 % traced`,
          contender: traced,
          plan,
          against: { off: 'off' },
        },
      ]
    })
    if ((await sink.traces()) === 0) throw new Error('no span came to the sink')
    await sink.stop()
    return results
  },
}
