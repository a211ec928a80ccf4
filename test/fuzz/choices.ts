// A case is what chance chose, number by number: written down it can be carried out again, and changed in the midst it becomes
// another case that a reader of the changed text would seldom think of. So no parser needs a form of its own for either.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Chance } from './fuzz.ts'

export type Choices = readonly number[]

/** Longer cases are carried out, but not kept. */
const mostChoices = 1_000

/** Carries `choices` out, and goes on by chance behind them; what was chosen is put into `chosen`. */
export function chanceAlong(choices: Choices, chance: Chance, chosen: number[]): Chance {
  let at = 0
  return (below) => {
    const choice = at < choices.length ? (choices[at] as number) % below : chance(below)
    at++
    if (chosen.length <= mostChoices) chosen.push(choice)
    return choice
  }
}

/** Whether it is short enough to be kept. */
export function isKept(chosen: Choices): boolean {
  return chosen.length > 0 && chosen.length <= mostChoices
}

/** A few of one changed, left out or doubled, or the end of another in the place of its own. */
export function mutatedChoices(corpus: readonly Choices[], chance: Chance): Choices {
  let choices = [...(corpus[chance(corpus.length)] ?? [])]
  for (let times = 1 + chance(3); times > 0; times--) choices = mutatedOnce(choices, corpus, chance)
  return choices
}

function mutatedOnce(choices: readonly number[], corpus: readonly Choices[], chance: Chance): number[] {
  const at = chance(choices.length + 1)
  const behind = at + 1 + chance(4)
  switch (chance(6)) {
    case 0:
      return choices.toSpliced(at, behind - at)
    case 1:
      return [...choices.slice(0, behind), ...choices.slice(at)]
    case 2:
      return choices.slice(0, at)
    case 3:
      return [...choices.slice(0, at), ...(corpus[chance(corpus.length)] ?? []).slice(at)]
    default:
      return [...choices.slice(0, at), chance(chance(2) === 0 ? 16 : 2 ** 30), ...choices.slice(at + 1)]
  }
}

/** In the order in which they were found to reach something new, from the shortest on. */
export function readCorpus(parser: string): Choices[] {
  const file = fileOf(parser)
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n')
  return lines.filter((line) => line !== '').map(choicesIn)
}

export function choicesIn(line: string): Choices {
  return line.split(' ').map((choice) => parseInt(choice, 36))
}

export function lineOf(choices: Choices): string {
  return choices.map((choice) => choice.toString(36)).join(' ')
}

export function writeCorpus(parser: string, corpus: readonly Choices[]): void {
  writeFileSync(fileOf(parser), corpus.map((choices) => `${lineOf(choices)}\n`).join(''))
}

function fileOf(parser: string): string {
  return path.join(import.meta.dirname, 'corpus', `${parser}.txt`)
}
