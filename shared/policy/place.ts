// Where a part of a policy stands while it is compiled, and how what is wrong with it is said.
import type { Path, ProblemSink } from '../config/problem.ts'

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

function nearestName(name: string, known: readonly string[]): string | undefined {
  if (name.length > 40) return undefined
  const lower = name.toLowerCase()
  const ranked = known
    .map((candidate) => ({ candidate, distance: editDistance(lower, candidate) }))
    .sort((a, b) => a.distance - b.distance)
  const best = ranked[0]
  if (best !== undefined && best.distance <= Math.ceil(best.candidate.length / 3)) return best.candidate
  return lower.length < 2 ? undefined : known.find((candidate) => candidate.split('_').includes(lower))
}

/** Levenshtein distance, row by row. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1))
    }
    row = next
  }
  return row[b.length] as number
}
