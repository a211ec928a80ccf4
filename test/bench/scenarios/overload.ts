// Twice as many requests as one sidecar can carry: who is admitted is to be served as ever, the others are to be refused at once,
// and when it is over all is to be as before. They come on behalf of users, each with a new token and one link of evidence: of what
// costs less, the client and the upstream, which share a core, cannot send and answer twice as many.
import { rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { makeAuthority, makeWay, stationHost } from '../accounts.ts'
import { readTokens, signAssertions } from '../assertions.ts'
import { ownFolder, type Bed } from '../bed.ts'
import { farMesh } from '../contenders/far-mesh.ts'
import type { Contender } from '../contenders/contender.ts'
import { makeOnbehalf } from '../contenders/onbehalf.ts'
import { faultOf, runLoad } from '../load.ts'
import type { OverloadOrder, Phase, PhaseCounts, Span } from '../overload/order.ts'
import { sliceMs } from '../overload/tally.ts'
import { mintFor, type Hop } from '../links.ts'
import { onBehalfOf, tokensNew } from '../plans.ts'
import { cores } from '../processes.ts'
import type { Scenario, Scene } from '../scenario.ts'
import { median } from '../statistics.ts'
import { warmupSeconds, type Lengths, type Plan } from '../window.ts'

export interface OverloadResults {
  readonly medians: OverloadMedians
  readonly rounds: readonly OverloadRound[]
}

export interface OverloadMedians {
  /** Requests per second that it carries, one sent when another is answered. */
  readonly capacity: number
  /** Of twice as many, once that has settled. */
  readonly shed_share: number
  /** Admitted, over the capacity. */
  readonly goodput_share: number
  /** Of those admitted, alone and then. */
  readonly unloaded_p99_ms: number
  readonly admitted_p99_ms: number
  readonly admitted_p99_ratio: number
  /** In the second before it has settled. */
  readonly first_second_p99_ms: number
  readonly refused_p50_ms: number
  readonly refused_p99_ms: number
  /** From the start of the overload until the first refusal. */
  readonly first_refusal_ms: number
  /** From its end until none is refused any more and the p99 is at most three times that of before. */
  readonly recovered_ms: number
  /** How late the client sent, once it has settled. */
  readonly lag_p99_ms: number
}

interface OverloadRound {
  readonly round: number
  readonly capacity: number
  readonly unloaded: PhaseCounts
  readonly overloaded: PhaseCounts
  readonly recovering: PhaseCounts
}

/** More than are ever under way: none waits for one. */
const connections = 1_000
const lowShare = 0.3
const highShare = 2
/** What the p99 may grow by. */
export const mostGrowth = 3
/** For the closed loop: more than one core verifies. */
const tokensPerSecond = 7_000
const settleMs = 1_000

export const overload: Scenario<'overload', OverloadResults> = {
  name: 'overload',
  commands: [],
  run: async (scene) => {
    const rounds: OverloadRound[] = []
    const authority = await makeAuthority(scene.bed)
    const way = await makeWay(authority, 1)
    const shedding = makeOnbehalf({ mesh: (bed, ports) => farMesh(bed, ports, authority.file) })
    for (let round = 1; round <= scene.options.rounds; round++) {
      const measured = await measureRound(scene, shedding, way, round)
      const { admitted_p99_ratio: ratio, shed_share: share } = figuresOf(measured)
      console.error(
        `overload, round ${round} of ${scene.options.rounds}: ${measured.capacity.toFixed(0)} requests/s at the most; of twice as many ${(share * 100).toFixed(0)} % refused, p99 of the others ${ratio.toFixed(2)} ×`,
      )
      rounds.push(measured)
    }
    return { medians: mediansOf(rounds), rounds }
  },
}

async function measureRound(
  { bed, options }: Scene,
  shedding: Contender,
  way: readonly Hop[],
  round: number,
): Promise<OverloadRound> {
  const signing = { host: stationHost(0), keys: [bed.key], hops: way }
  const started = await shedding.start(bed)
  const folder = await ownFolder(bed.folder, 'tokens')
  try {
    await pause(settleMs)
    const closed = onBehalfOf(await tokensNew(folder, 'closed', options, signing, tokensPerSecond), way)
    const capacity = await capacityOf(bed, started.port, options, closed)
    const phase = (share: number): Phase => ({
      rate: Math.round(capacity * share),
      seconds: options.seconds + settleMs / 1_000,
    })
    const phases = [phase(lowShare), phase(highShare), phase(lowShare)]
    const count = phases.reduce((sum, { rate, seconds }) => sum + Math.ceil(rate * seconds), 0)
    const tokens = await readTokens(await signAssertions(folder, 'overload', count, signing))
    const tokenFile = path.join(folder, 'tokens.txt')
    await writeFile(tokenFile, `${tokens.join('\n')}\n`)
    const assertion = mintFor(way.at(-1) as Hop)
    const order = { port: started.port, connections, assertion, tokenFile, phases }
    const [unloaded, overloaded, recovering] = (await runClient(bed, order)) as [
      PhaseCounts,
      PhaseCounts,
      PhaseCounts,
    ]
    return { round, capacity, unloaded, overloaded, recovering }
  } finally {
    await started.stop()
    await rm(folder, { recursive: true })
  }
}

/** @throws Error where it sheds what comes one after the other. */
async function capacityOf({ processes }: Bed, port: number, lengths: Lengths, plan: Plan): Promise<number> {
  await runLoad(processes, { port, seconds: warmupSeconds(plan, lengths), ...plan.warmup })
  const load = await runLoad(processes, { port, seconds: lengths.seconds, ...plan.timed })
  const fault = faultOf(load, false)
  if (fault !== undefined) throw new Error(fault)
  return load.requests / load.seconds
}

async function runClient({ folder, processes }: Bed, order: OverloadOrder): Promise<PhaseCounts[]> {
  const file = path.join(await ownFolder(folder, 'overload'), 'order.json')
  await writeFile(file, JSON.stringify(order))
  const program = path.join(import.meta.dirname, '../overload/program.ts')
  // Its garbage, collected often, would make it late.
  const command = [process.execPath, '--max-semi-space-size=64', program, file]
  return JSON.parse(await processes.run(cores.load, command)) as PhaseCounts[]
}

const p99Of = ({ admitted_latency: latency }: Span): number => latency?.p99_ms ?? Infinity

export function figuresOf({ capacity, unloaded, overloaded, recovering }: OverloadRound): OverloadMedians {
  const { settled, settling } = overloaded
  const rate = capacity * highShare
  const unloadedMs = p99Of(unloaded.settled)
  const admittedShare = settled.admitted / settled.requests
  return {
    capacity,
    shed_share: 1 - admittedShare,
    goodput_share: (admittedShare * rate) / capacity,
    unloaded_p99_ms: unloadedMs,
    admitted_p99_ms: p99Of(settled),
    admitted_p99_ratio: p99Of(settled) / unloadedMs,
    first_second_p99_ms: p99Of(settling),
    refused_p50_ms: settled.refused_latency?.p50_ms ?? 0,
    refused_p99_ms: settled.refused_latency?.p99_ms ?? 0,
    first_refusal_ms: overloaded.first_refusal_ms ?? Infinity,
    recovered_ms: recoveredMs(recovering, unloadedMs * mostGrowth),
    lag_p99_ms: settled.lag.p99_ms,
  }
}

/** When the first tenth of a second begins that is as before, and behind which none is refused. */
function recoveredMs({ slices }: PhaseCounts, mostMs: number): number {
  const lastRefusing = slices.findLastIndex(({ requests, admitted }) => admitted < requests)
  const isAsBefore = slices.findIndex((slice, index) => index > lastRefusing && p99Of(slice) <= mostMs)
  return isAsBefore === -1 ? Infinity : isAsBefore * sliceMs
}

function mediansOf(rounds: readonly OverloadRound[]): OverloadMedians {
  const figures = rounds.map(figuresOf)
  const names = Object.keys(figures[0] as OverloadMedians) as (keyof OverloadMedians)[]
  const entries = names.map((name) => [name, median(figures.map((each) => each[name]))])
  return Object.fromEntries(entries) as Record<keyof OverloadMedians, number>
}
