// The inbound side with a Redis as its store, beside the same without.
import { appMesh } from '../contenders/mesh.ts'
import { makeOnbehalf, onbehalf } from '../contenders/onbehalf.ts'
import { signingOf, tokensNew } from '../plans.ts'
import { startRedis } from '../redis.ts'
import { runRounds } from '../rounds.ts'
import type { TurnScenario } from '../scenario.ts'

export const store: TurnScenario<'store'> = {
  name: 'store',
  commands: ['redis-server'],
  run: async (scene) => {
    const redis = await startRedis(scene.bed)
    const shared = { redis: { url: `redis://127.0.0.1:${redis.port}` } }
    const withRedis = makeOnbehalf({ mesh: (bed, ports) => ({ ...appMesh(bed, ports), store: shared }) })
    const results = await runRounds('store', scene, async (folder) => {
      const plan = await tokensNew(folder, 'new', scene.options, signingOf(scene.bed))
      const title = 'Onbehalf, inbound; every token new'
      return [
        { name: 'memory', title: `${title}, store: memory`, contender: onbehalf, plan, against: {} },
        {
          name: 'redis',
          title: `${title}, store: redis`,
          contender: withRedis,
          plan,
          against: { memory: 'memory' },
        },
      ]
    })
    await redis.stop()
    return results
  },
}
