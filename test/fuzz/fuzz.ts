// Runs one parser for many cases by chance, the same ones for the same seed, and counts what came of them.
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'

/** A number below `below`. */
export type Chance = (below: number) => number

/** Mulberry32. */
export function chanceOf(seed: number): Chance {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

/** Who reads them differently, or breaks what must hold, throws. @returns what came of it, in a few words of a closed set. */
export type Case = (chance: Chance) => string | Promise<string>

export interface Fuzzed {
  /** Without `FUZZ_SECONDS`: so many of fixed seeds, and as many of new ones. */
  readonly cases: number
  /** One in so many at least is to come to this, or the cases are too wild to find anything. */
  readonly atLeast: { readonly outcome: string; readonly oneIn: number }
}

/** FUZZ_SECONDS for so long; FUZZ_SEED to begin with that one. */
const seconds = Number(process.env['FUZZ_SECONDS'] ?? 0)
const givenSeed = process.env['FUZZ_SEED']

export function fuzz(parser: string, { cases, atLeast }: Fuzzed, one: Case): void {
  test(`${parser}, by chance`, async (t) => {
    const untilMs = seconds > 0 ? performance.now() + seconds * 1_000 : Infinity
    const outcomes = new Map<string, number>()
    let tried = 0
    const run = async (first: number, count: number) => {
      t.diagnostic(`from seed ${first} on`)
      for (let seed = first; seed < first + count && performance.now() < untilMs; seed++, tried++) {
        const outcome = await outcomeOf(one, seed)
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
        // What Node holds of each parsing goes between turns.
        if (tried % 1_024 === 0) await setImmediate()
      }
    }
    if (givenSeed !== undefined) await run(Number(givenSeed), seconds > 0 ? Infinity : cases)
    else if (seconds > 0) await run(randomInt(2 ** 40), Infinity)
    else {
      await run(0, cases)
      await run(randomInt(2 ** 40), cases)
    }
    t.diagnostic(`${tried} cases, no disagreement`)
    for (const [outcome, count] of outcomes) t.diagnostic(`${count}: ${outcome}`)
    const found = outcomes.get(atLeast.outcome) ?? 0
    assert.ok(found * atLeast.oneIn >= tried, `of ${tried} only ${found}: ${atLeast.outcome}`)
  })
}

async function outcomeOf(one: Case, seed: number): Promise<string> {
  try {
    return await one(chanceOf(seed))
  } catch (error) {
    throw new Error(`FUZZ_SEED=${seed}: ${(error as Error).message}`, { cause: error })
  }
}
