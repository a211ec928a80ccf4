// Inbound on behalf of users: the caller's assertion seen before, `-For` new in each request, and 1 to 8 links of evidence.
import { makeAuthority, makeWay, meshIssuer, stationAccount, stationHost, stationName } from '../accounts.ts'
import type { Bed } from '../bed.ts'
import { haproxy } from '../contenders/haproxy.ts'
import {
  appRoute,
  pomeriumOf,
  serviceOf,
  usersOfDomain,
  type Members,
  type Ports,
} from '../contenders/mesh.ts'
import { makeOnbehalf } from '../contenders/onbehalf.ts'
import { mintFor, type Hop } from '../links.ts'
import type { Load } from '../load.ts'
import { readMetric } from '../metrics.ts'
import { signingOf, tokensNew } from '../plans.ts'
import { runRounds } from '../rounds.ts'
import type { TurnScenario } from '../scenario.ts'
import { assertionHeader } from '../users.ts'
import type { Plan, Turn } from '../window.ts'

const linkCounts = [1, 2, 4, 8]
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

function onBehalfOf(plan: Plan, way: readonly Hop[]): Plan {
  const caller = way.at(-1) as Hop
  const headers = {
    tokenHeader: `${assertionHeader}-For`,
    headerLine: () => `${assertionHeader}: ${mintFor(caller)}`,
  }
  return {
    ...plan,
    warmup: { ...plan.warmup, ...headers },
    timed: { ...plan.timed, ...headers },
    check: async ({ metrics }, { requests }: Load) => {
      const verified = readMetric((await metrics?.()) ?? '', 'onbehalf_evidence_total', 'result="verified"')
      if (verified < requests) throw new Error(`of ${requests} requests ${verified} had verified evidence`)
      return {}
    },
  }
}

/** App at the end; before it the stations, each of which may be where users come in. */
function farMesh(bed: Bed, ports: Ports, ca: string): Members {
  const stations = Array.from({ length: Math.max(...linkCounts) }, (_, index) => ({
    name: stationName(index),
    from: `https://${stationHost(index)}`,
    to: 'http://127.0.0.1:1',
    policy: usersOfDomain,
    account: stationAccount(index),
  }))
  const policy = [
    { allow: { and: [{ issuer: { is: 'mesh' } }, { original_user: usersOfDomain[0]?.allow.or[0] }] } },
  ]
  return {
    issuers: [pomeriumOf(bed)],
    mesh: { issuer: meshIssuer, ca, evidence: 'verify' },
    routes: [...stations, { ...appRoute(ports.inbound), policy }],
    services: { App: { ...serviceOf(ports, bed.upstreamPort), calls: [] } },
    log: { level: 'warn', access: 'off' },
  }
}
