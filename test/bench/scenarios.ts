// The two scenarios, and the assertions that they need: signed for each round, before anything of it is measured.
import { signAssertions } from './assertions.ts'
import type { Bed } from './bed.ts'
import { userCount } from './users.ts'
import type { Lengths, Scenario } from './window.ts'

/** More than one core can verify: as many new tokens are signed for each second of load. */
const newTokensPerSecond = 20_000

/** Signs into files of this folder. Like Pomerium's, the assertions live for five minutes: long enough for a round. */
export async function makeScenarios(bed: Bed, folder: string, lengths: Lengths): Promise<Scenario[]> {
  const sign = (name: string, count: number) => signAssertions(folder, name, count, bed.key)
  const seen = await sign('seen', userCount)
  return [
    { name: 'token_seen', warmupFiles: seen, timedFiles: seen, repeats: true },
    {
      name: 'token_new',
      warmupFiles: await sign('warmup', lengths.warmupSeconds * newTokensPerSecond),
      timedFiles: await sign('timed', lengths.seconds * newTokensPerSecond),
      repeats: false,
    },
  ]
}
