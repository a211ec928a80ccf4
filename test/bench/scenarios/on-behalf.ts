// Inbound on behalf of users: the caller's assertion seen before, `-For` new in each request, and 1 to 8 links of evidence.
import { makeAuthority, makeWay, stationHost } from '../accounts.ts'
import { farMesh, linkCounts } from '../contenders/far-mesh.ts'
import { haproxy } from '../contenders/haproxy.ts'
import { makeOnbehalf } from '../contenders/onbehalf.ts'
import { onBehalfOf, signingOf, tokensNew } from '../plans.ts'
import { runRounds } from '../rounds.ts'
import type { TurnScenario } from '../scenario.ts'
import type { Turn } from '../window.ts'

/** More than one core can verify. */
const signaturesPerSecond = 14_000

export const onBehalf: TurnScenario<'on-behalf'> = {
  name: 'on-behalf',
  commands: [],
  run: async (scene) => {
    const { bed, options } = scene
    const authority = await makeAuthority(bed)
    const contender = makeOnbehalf({ mesh: (_, ports) => farMesh(bed, ports, authority.file) })
    const ways = await Promise.all(linkCounts.map((count) => makeWay(authority, count)))
    return runRounds('on-behalf', scene, async (folder) => {
      const base = await tokensNew(folder, 'base', options, signingOf(bed), signaturesPerSecond)
      const turns: Turn[] = [
        { name: 'haproxy new', title: haproxy.title, contender: haproxy, plan: base, against: {} },
      ]
      for (const way of ways) {
        const count = way.length
        const signing = { host: stationHost(0), keys: [bed.key], hops: way }
        // Each costs a verification for each link and one for the user's token, so fewer are needed.
        const signed = await tokensNew(
          folder,
          `links-${count}`,
          options,
          signing,
          signaturesPerSecond / (count + 1),
        )
        turns.push({
          name: `links ${count}`,
          title: `Onbehalf, inbound with \`-For\` and ${count === 1 ? 'one link' : `${count} links`} of evidence`,
          contender,
          plan: onBehalfOf(signed, way),
          against: { haproxy: 'haproxy new' },
        })
      }
      return turns
    })
  },
}
