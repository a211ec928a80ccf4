// 1 to 1,000 routes, all of the measured service, each with a host of its own.
import { appMesh, appRoute, type Members, type Ports } from '../contenders/mesh.ts'
import { makeOnbehalf } from '../contenders/onbehalf.ts'
import type { Bed } from '../bed.ts'
import { signingOf, tokensSeen } from '../plans.ts'
import { runRounds } from '../rounds.ts'
import type { TurnScenario } from '../scenario.ts'

export const routes: TurnScenario<'routes'> = {
  name: 'routes',
  commands: [],
  run: (scene) =>
    runRounds('routes', scene, async (folder) => {
      const plan = await tokensSeen(folder, signingOf(scene.bed))
      return [1, 1_000].map((count) => ({
        name: String(count),
        title: `Onbehalf, inbound; token seen before, ${count} ${count === 1 ? 'route' : 'routes'}`,
        contender: makeOnbehalf({ mesh: (bed, ports) => meshWith(count, bed, ports) }),
        plan,
        against: { few: '1' },
      }))
    }),
}

/** The route that is called is the last one. */
function meshWith(count: number, bed: Bed, ports: Ports): Members {
  const others = Array.from({ length: count - 1 }, (_, index) => ({
    ...appRoute(ports.inbound),
    name: `Route${index}`,
    service: 'App',
    from: `https://route-${index}.localhost.pomerium.io`,
  }))
  return { ...appMesh(bed, ports), routes: [...others, appRoute(ports.inbound)] }
}
