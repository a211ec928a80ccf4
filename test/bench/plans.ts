// The two loads that most scenarios need: tokens seen before, and every token new. Signed before anything is measured.
import { signAssertions, type Signing } from './assertions.ts'
import type { Bed } from './bed.ts'
import { host, userCount } from './users.ts'
import type { Lengths, Plan } from './window.ts'

/** More than one core can verify: as many new tokens are signed for each second of load. */
const newTokensPerSecond = 20_000

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
    warmup: { tokenFiles: await sign('warmup', lengths.warmupSeconds) },
    timed: { tokenFiles: await sign('timed', lengths.seconds) },
    repeats: false,
  }
}
