// 10 to 100,000 live sessions: as many as memory is given for, so that each request ends the oldest one.
import type { Started } from '../contenders/contender.ts'
import { appMesh } from '../contenders/mesh.ts'
import { makeOnbehalf } from '../contenders/onbehalf.ts'
import type { Bed } from '../bed.ts'
import { runLoad, type Requests } from '../load.ts'
import { readMetric } from '../metrics.ts'
import { signingOf, tokensSeen } from '../plans.ts'
import { runRounds } from '../rounds.ts'
import type { TurnScenario } from '../scenario.ts'
import type { Plan } from '../window.ts'

const counts = [10, 100_000]
/** What one of them counts for, with the tokens of the bench. */
const sessionBytes = 3_750
/** As many requests are under way, and cannot be fewer sessions. */
const connections = 10

export const sessions: TurnScenario<'sessions'> = {
  name: 'sessions',
  commands: [],
  run: (scene) =>
    runRounds('sessions', scene, async (folder) => {
      const seen = await tokensSeen(folder, signingOf(scene.bed))
      return counts.map((count) => ({
        name: String(count),
        title: `Onbehalf, inbound; token seen before, ${count} live sessions`,
        contender: makeOnbehalf({
          mesh: (bed, ports) => ({
            ...appMesh(bed, ports),
            limits: { session_bytes: (count + connections) * sessionBytes },
            timeouts: { linger: '1h' },
          }),
        }),
        plan: planFor(scene.bed, seen, count),
        against: { few: String(counts[0]) },
      }))
    }),
}

function planFor(bed: Bed, seen: Plan, count: number): Plan {
  const requests: Requests = { ...seen.timed, connections }
  return {
    ...seen,
    warmup: requests,
    timed: requests,
    fill: async (started) => {
      const missing = count - (await liveSessions(started))
      if (missing <= 0) return
      await runLoad(bed.processes, { ...requests, port: started.port, seconds: 600, count: missing })
    },
    check: async (started) => {
      const live = await liveSessions(started)
      if (live < count * 0.9) throw new Error(`there were ${live} live sessions instead of ${count}`)
      return { live_sessions: live }
    },
  }
}

async function liveSessions({ metrics }: Started): Promise<number> {
  return readMetric((await metrics?.()) ?? '', 'onbehalf_sessions')
}
