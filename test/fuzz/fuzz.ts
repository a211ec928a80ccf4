// Runs one parser for many cases by chance, the same ones for the same seed, and counts what came of them.
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import {
  chanceAlong,
  isKept,
  lineOf,
  mutatedChoices,
  readCorpus,
  writeCorpus,
  choicesIn,
  type Choices,
} from './choices.ts'
import { Coverage } from './coverage.ts'

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

/** For so long, guided by what is reached. */
const seconds = Number(process.env['FUZZ_SECONDS'] ?? 0)
/** This case alone, as an error has told it. */
const givenCase = process.env['FUZZ_CASE']

/** So many cases before it is asked whether any of them reached something new. */
const batch = 64

/**
 * Carries out all cases that were kept, then others: each from its seed, in half of them along one that was kept, changed.
 * With FUZZ_SECONDS, what reaches something new is kept, and in the end those that together reach it all, the shortest first.
 */
export function fuzz(parser: string, { cases, atLeast }: Fuzzed, one: Case): void {
  test(`${parser}, by chance`, async (t) => {
    const run = new Run(parser, one)
    if (givenCase !== undefined) {
      await run.carryOut(choicesIn(givenCase))
      return
    }
    t.diagnostic(`${run.corpus.length} cases that were kept`)
    const anyFirst = randomInt(2 ** 40)
    if (seconds > 0) {
      await run.guided(anyFirst, performance.now() + seconds * 1_000)
      t.diagnostic(`${run.corpus.length} cases are kept`)
    } else {
      for (const choices of run.corpus) await run.carryOut(choices)
      for (const first of [0, anyFirst]) {
        for (let seed = first; seed < first + cases; seed++) await run.bySeed(seed)
      }
    }
    const { tried, outcomes } = run
    t.diagnostic(`${tried} cases, no disagreement`)
    for (const [outcome, count] of outcomes) t.diagnostic(`${count}: ${outcome}`)
    const found = outcomes.get(atLeast.outcome) ?? 0
    assert.ok(found * atLeast.oneIn >= tried, `of ${tried} only ${found}: ${atLeast.outcome}`)
  })
}

class Run {
  readonly #parser: string
  readonly #one: Case
  readonly outcomes = new Map<string, number>()
  tried = 0
  corpus: Choices[]

  constructor(parser: string, one: Case) {
    this.#parser = parser
    this.#one = one
    this.corpus = readCorpus(parser)
  }

  /** @returns what was chosen. */
  async bySeed(seed: number): Promise<Choices> {
    const chance = chanceOf(seed)
    const isAlong = this.corpus.length > 0 && chance(2) === 0
    return this.carryOut(isAlong ? mutatedChoices(this.corpus, chance) : [], chance)
  }

  /** @param chance behind the choices; without, as chance would have it from the first seed on. */
  async carryOut(choices: Choices, chance: Chance = chanceOf(0)): Promise<Choices> {
    const chosen: number[] = []
    const outcome = await this.#outcomeOf(chanceAlong(choices, chance, chosen), chosen)
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1)
    // What Node holds of each parsing goes between turns.
    if (++this.tried % 1_024 === 0) await setImmediate()
    return chosen
  }

  async #outcomeOf(chance: Chance, chosen: Choices): Promise<string> {
    try {
      return await this.#one(chance)
    } catch (error) {
      throw new Error(`FUZZ_CASE='${lineOf(chosen)}': ${(error as Error).message}`, { cause: error })
    }
  }

  /** Until then; what is kept is written down at the end. */
  async guided(first: number, untilMs: number): Promise<void> {
    const coverage = new Coverage()
    await this.#keepNews(this.corpus.splice(0), coverage)
    for (let seed = first; performance.now() < untilMs; seed += batch) {
      const inBatch: Choices[] = []
      for (let i = 0; i < batch; i++) inBatch.push(await this.bySeed(seed + i))
      if (coverage.hasNews(false)) await this.#keepNews(inBatch, coverage)
    }
    coverage.forget()
    const shortest = this.corpus.splice(0).sort((a, b) => a.length - b.length)
    await this.#keepNews(shortest, coverage)
    coverage.stop()
    writeCorpus(this.#parser, this.corpus)
  }

  async #keepNews(cases: readonly Choices[], coverage: Coverage): Promise<void> {
    for (const choices of cases) {
      const chosen = await this.carryOut(choices)
      if (coverage.hasNews(true) && isKept(chosen)) this.corpus.push(chosen)
    }
  }
}
