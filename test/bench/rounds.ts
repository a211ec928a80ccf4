// Rounds in which each turn of a scenario is measured once, and what is left of them.
import { rm } from 'node:fs/promises'
import { ownFolder } from './bed.ts'
import type { Scene } from './scenario.ts'
import { median, ratioTo, spread } from './statistics.ts'
import { measure, type Sample, type Turn } from './window.ts'

export interface TurnResults {
  readonly medians: readonly Medians[]
  readonly rounds: readonly Sample[]
}

export interface Medians {
  readonly turn: string
  readonly title: string
  readonly cpu_us_per_request: number
  /** Largest less smallest, over the median. */
  readonly cpu_spread: number
  /** Medians of the ratios of each round; missing where there was nothing to compare with. */
  readonly ratios: Readonly<Record<string, number>>
  readonly requests: number
  readonly requests_per_second: number
  readonly start_to_ready_ms: number
  readonly rss_idle_mib: number
  readonly rss_anon_idle_mib: number
  readonly rss_loaded_mib: number
  readonly rss_anon_loaded_mib: number
  readonly further: Readonly<Record<string, number>>
}

/**
 * @param prepare signs what the turns of a round send, into the folder.
 * @throws Error where a window holds a failed request
 */
export async function runRounds(
  name: string,
  { bed, options, contenders }: Scene,
  prepare: (folder: string) => Promise<readonly Turn[]>,
): Promise<TurnResults> {
  const samples: Sample[] = []
  let turns: readonly Turn[] = []
  for (let round = 1; round <= options.rounds; round++) {
    const folder = await ownFolder(bed.folder, 'tokens')
    turns = (await prepare(folder)).filter(({ contender }) =>
      contenders.some((each) => each.name === contender.name),
    )
    for (const turn of rotated(turns, round - 1)) {
      const sample = await measure(bed, turn, round, options)
      const cpu = sample.cpu_us_per_request.toFixed(1)
      console.error(`${name}, round ${round} of ${options.rounds}, ${turn.name}: ${cpu} µs per request`)
      samples.push(sample)
    }
    await rm(folder, { recursive: true })
  }
  return makeTurnResults(turns, samples)
}

/** Each round begins with another turn, so that none always comes after the same one. */
function rotated<T>(list: readonly T[], by: number): T[] {
  const start = by % list.length
  return [...list.slice(start), ...list.slice(0, start)]
}

type Described = Pick<Turn, 'name' | 'title' | 'against'>

export function makeTurnResults(turns: readonly Described[], samples: readonly Sample[]): TurnResults {
  return { medians: turns.map((turn) => mediansOf(turn, samples)), rounds: samples }
}

function mediansOf({ name, title, against }: Described, samples: readonly Sample[]): Medians {
  const own = samples.filter(({ turn }) => turn === name)
  const of = (read: (sample: Sample) => number) => median(own.map(read))
  return {
    turn: name,
    title,
    cpu_us_per_request: of((sample) => sample.cpu_us_per_request),
    cpu_spread: spread(own.map((sample) => sample.cpu_us_per_request)),
    ratios: definedOnly(against, (other) => {
      const ratios = own.map((sample) => ratioTo(other, sample, samples)).filter((ratio) => ratio !== null)
      return ratios.length === 0 ? undefined : median(ratios)
    }),
    requests: of((sample) => sample.requests),
    requests_per_second: of((sample) => sample.requests_per_second),
    start_to_ready_ms: of((sample) => sample.start_to_ready_ms),
    rss_idle_mib: of((sample) => sample.idle.rss_mib),
    rss_anon_idle_mib: of((sample) => sample.idle.rss_anon_mib),
    rss_loaded_mib: of((sample) => sample.loaded.rss_mib),
    rss_anon_loaded_mib: of((sample) => sample.loaded.rss_anon_mib),
    further: definedOnly(own[0]?.further ?? {}, (_, key) => of((sample) => sample.further?.[key] ?? 0)),
  }
}

function definedOnly<Value>(
  members: Readonly<Record<string, Value>>,
  figure: (value: Value, key: string) => number | undefined,
): Record<string, number> {
  const entries = Object.entries(members).map(([key, value]) => [key, figure(value, key)] as const)
  return Object.fromEntries(entries.filter((entry): entry is [string, number] => entry[1] !== undefined))
}
