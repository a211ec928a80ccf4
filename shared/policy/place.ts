// Where a part of a policy stands while it is compiled, and how what is wrong with it is said.
import type { Path, ProblemSink } from '../config/problem.ts'
import { closestWord } from '../config/suggest.ts'

export type Action = 'allow' | 'deny'

export interface Place {
  readonly path: Path
  readonly problems: ProblemSink
  /** What `issuer` may name. */
  readonly issuerNames: ReadonlySet<string>
  readonly action: Action
  /** Under `not` or `nor`. */
  readonly isNegated: boolean
}

export function inside(place: Place, ...keys: (string | number)[]): Place {
  return { ...place, path: [...place.path, ...keys] }
}

/** Reports an error; its `undefined` is what the broken part compiles to. */
export function fault(place: Place, message: string): undefined {
  place.problems.error(place.path, message)
  return undefined
}

/**
 * Whether a doubtful value (none, or one that can be read in two ways) is no match. It is where a match would admit,
 * and a match where that would deny, so that doubt never admits.
 */
export function isStrict(place: Place): boolean {
  return (place.action === 'allow') !== place.isNegated
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What a value is, for people who know YAML rather than JavaScript. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'an object'
  return typeof value === 'boolean' ? 'true or false' : `a ${typeof value}`
}

/** A name from the file as it stands in a message. */
export function quote(name: string): string {
  return JSON.stringify(name.length > 40 ? `${name.slice(0, 40)}…` : name)
}

/** A problem with a name that is not among the known ones, with the nearest of them. */
export function unknownName(what: string, name: string, known: readonly string[]): string {
  const nearest = nearestName(name, known)
  const hint = nearest === undefined ? '' : ` Did you mean ${quote(nearest)}?`
  return `${quote(name)} is no ${what}.${hint} Known: ${known.join(', ')}.`
}

/** By spelling, or as one of the words of a longer name. */
function nearestName(name: string, known: readonly string[]): string | undefined {
  const lower = name.toLowerCase()
  const spelt = closestWord(name, known)
  if (spelt !== undefined || lower.length < 2) return spelt
  return known.find((candidate) => candidate.split('_').includes(lower))
}
