// The comparison: which contenders can be measured, then rounds in which each has its turn.
import { rm } from 'node:fs/promises'
import { ownFolder, type Bed } from './bed.ts'
import { versionOf } from './conditions.ts'
import type { Contender } from './contenders/contender.ts'
import { haproxy } from './contenders/haproxy.ts'
import { nginx } from './contenders/nginx.ts'
import { onbehalf } from './contenders/onbehalf.ts'
import type { Options } from './options.ts'
import { makeScenarios } from './scenarios.ts'
import { checkValidity } from './validity.ts'
import { measure, type Sample } from './window.ts'

export interface Comparison {
  readonly contenders: readonly Contender[]
  /** Why a contender was left out, by its name. */
  readonly notMeasured: Record<string, string>
  readonly samples: readonly Sample[]
}

/** @throws Error where Onbehalf does not verify, or a window holds a failed request */
export async function compare(bed: Bed, options: Options): Promise<Comparison> {
  const notMeasured: Record<string, string> = {}
  const contenders: Contender[] = []
  for (const contender of [nginx, haproxy, onbehalf]) {
    const obstacle = await obstacleTo(contender, bed)
    if (obstacle === undefined) contenders.push(contender)
    else notMeasured[contender.name] = obstacle
  }
  const names = contenders.map(({ name }) => name).join(', ')
  console.error(
    `measured are ${names}: each lets the good assertion in, those that verify refuse the bad ones`,
  )
  const samples: Sample[] = []
  for (let round = 1; round <= options.rounds; round++) {
    samples.push(...(await runRound(bed, rotated(contenders, round - 1), round, options)))
  }
  return { contenders, notMeasured, samples }
}

/** Why a contender cannot be measured; undefined: it can. Without the others there is less to compare, without ours nothing. */
async function obstacleTo(contender: Contender, bed: Bed): Promise<string | undefined> {
  const { command } = contender
  if (command !== undefined && versionOf(command, '-v') === undefined)
    return leftOut(contender, 'not installed')
  try {
    await checkValidity(contender, bed)
    return undefined
  } catch (error) {
    if (contender === onbehalf) throw error
    return leftOut(contender, (error as Error).message)
  }
}

function leftOut({ name }: Contender, why: string): string {
  console.error(`${name} is left out: ${why}`)
  return why
}

/** Each round begins with another contender, so that none always runs after the same one. */
function rotated<T>(list: readonly T[], by: number): T[] {
  const start = by % list.length
  return [...list.slice(start), ...list.slice(0, start)]
}

async function runRound(
  bed: Bed,
  contenders: readonly Contender[],
  round: number,
  options: Options,
): Promise<Sample[]> {
  const folder = await ownFolder(bed.folder, 'tokens')
  const samples: Sample[] = []
  for (const scenario of await makeScenarios(bed, folder, options)) {
    for (const contender of contenders) {
      const sample = await measure(bed, contender, scenario, round, options)
      const cpu = sample.cpu_us_per_request.toFixed(1)
      console.error(
        `round ${round} of ${options.rounds}, ${scenario.name}, ${contender.name}: ${cpu} µs per request`,
      )
      samples.push(sample)
    }
  }
  await rm(folder, { recursive: true })
  return samples
}
