// The two loads that most scenarios need: tokens seen before, and every token new. Signed before anything is measured.
import { signAssertions, type Signing } from './assertions.ts'
import type { Bed } from './bed.ts'
import { mintFor, type Hop } from './links.ts'
import type { Load } from './load.ts'
import { readMetric } from './metrics.ts'
import { assertionHeader, host, userCount } from './users.ts'
import type { Lengths, Plan } from './window.ts'

/** More than one core can verify: as many new tokens are signed for each second of load. */
const newTokensPerSecond = 20_000
/** V8 compiles until some 40,000 requests were served, which takes so much longer where each is verified. */
const warmupTimes = 3

/** As the bed's issuer signs for the route. */
export function signingOf({ key }: Bed): Signing {
  return { host, keys: [key], hops: [] }
}

/** 1,000 tokens again and again. */
export async function tokensSeen(folder: string, signing: Signing): Promise<Plan> {
  const seen = { tokenFiles: await signAssertions(folder, 'seen', userCount, signing) }
  return { warmup: seen, timed: seen, repeats: true }
}

/** Like Pomerium's, the assertions live for five minutes: long enough for a round. */
export async function tokensNew(
  folder: string,
  name: string,
  lengths: Lengths,
  signing: Signing,
  perSecond = newTokensPerSecond,
): Promise<Plan> {
  const sign = (part: string, seconds: number) =>
    signAssertions(folder, `${name}-${part}`, Math.ceil(seconds * perSecond), signing)
  return {
    warmup: { tokenFiles: await sign('warmup', lengths.warmupSeconds * warmupTimes) },
    warmupTimes,
    timed: { tokenFiles: await sign('timed', lengths.seconds) },
    repeats: false,
  }
}

/** What `plan` sends, as `-For` beside the assertion of who calls last, with the evidence of the way. */
export function onBehalfOf(plan: Plan, way: readonly Hop[]): Plan {
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
