// Bodies of 64 KB and 1 MB, to the app and from it.
import { haproxy } from '../contenders/haproxy.ts'
import { nginx } from '../contenders/nginx.ts'
import { onbehalf } from '../contenders/onbehalf.ts'
import type { Requests } from '../load.ts'
import { signingOf, tokensSeen } from '../plans.ts'
import { runRounds } from '../rounds.ts'
import type { TurnScenario } from '../scenario.ts'

const kib = 1024

const ways: readonly {
  readonly name: string
  readonly title: string
  readonly request: Partial<Requests>
}[] = [
  { name: '64k up', title: '64 KB to the app', request: { path: '/read', bodyBytes: 64 * kib } },
  { name: '64k down', title: '64 KB from the app', request: { path: '/64k' } },
  { name: '1m up', title: '1 MB to the app', request: { path: '/read', bodyBytes: kib * kib } },
  { name: '1m down', title: '1 MB from the app', request: { path: '/1m' } },
]

export const bodies: TurnScenario<'bodies'> = {
  name: 'bodies',
  commands: [],
  run: (scene) =>
    runRounds('bodies', scene, async (folder) => {
      const seen = await tokensSeen(folder, signingOf(scene.bed))
      return ways.flatMap(({ name, title, request }) =>
        [nginx, haproxy, onbehalf].map((contender) => ({
          name: `${contender.name} ${name}`,
          title: `${contender.title}; ${title}`,
          contender,
          plan: { ...seen, warmup: { ...seen.warmup, ...request }, timed: { ...seen.timed, ...request } },
          against: { nginx: `nginx ${name}`, haproxy: `haproxy ${name}` },
        })),
      )
    }),
}
