// Holds values against a schema: every fault with its path, and what is left without the faulty parts.
import * as v from 'valibot'
import type { Path } from './problem.ts'

export interface SchemaFault {
  readonly path: Path
  readonly message: string
  /** Whether the last key of `path` is at fault (unknown or missing) and not its value. */
  readonly isKey: boolean
}

export interface Salvaged<T> {
  /** The input without its faulty parts. */
  readonly input: unknown
  readonly output: T
  /** First keys of what was left out: nothing should be concluded from their absence. */
  readonly broken: ReadonlySet<string>
}

/** All faults of a value, in no particular order. */
export function findFaults(schema: v.GenericSchema, value: unknown): SchemaFault[] {
  const result = v.safeParse(schema, value)
  return result.success ? [] : result.issues.flatMap((issue) => toFaults(issue, []))
}

/** Of a choice between forms, only the faults of the form that was meant, where one was. */
function toFaults(issue: v.BaseIssue<unknown>, prefix: Path): SchemaFault[] {
  const steps = issue.path ?? []
  const path = [...prefix, ...steps.map((step) => step.key as string | number)]
  const meant = (issue.issues ?? []).filter((inner) => inner.path !== undefined || inner.kind !== 'schema')
  if (meant.length > 0) return meant.flatMap((inner) => toFaults(inner, path))
  return [{ path, message: issue.message, isKey: steps.at(-1)?.origin === 'key' }]
}

/**
 * Parses what is left of a value without its faulty parts, so that one fault does not hide those elsewhere. First
 * only the faulty keys are left out, then ever larger parts. Undefined where nothing is left to parse.
 */
export function salvage<S extends v.GenericSchema>(
  schema: S,
  value: unknown,
): Salvaged<v.InferOutput<S>> | undefined {
  const broken = new Set<string>()
  let input = value
  for (let depth = maxDepth; depth >= 0; depth--) {
    const result = v.safeParse(schema, input)
    if (result.success) return { input, output: result.output, broken }
    const paths = result.issues
      .flatMap((issue) => toFaults(issue, []))
      .map(({ path }) => path.slice(0, depth))
    input = structuredClone(input)
    for (const path of paths) {
      if (typeof path[0] === 'string') broken.add(path[0])
      removeAt(input, path)
    }
  }
  return undefined
}

/** No part of the schema is deeper than that. */
const maxDepth = 8

/** Removes the key at `path`; of a list's element the key that holds the list, so that no other element moves. */
function removeAt(root: unknown, path: Path): void {
  const end = path.findLastIndex((step) => typeof step === 'string')
  if (end < 0) return
  let container: unknown = root
  for (const step of path.slice(0, end)) {
    if (typeof container !== 'object' || container === null) return
    container = (container as Record<string | number, unknown>)[step]
  }
  if (typeof container === 'object' && container !== null)
    delete (container as Record<string, unknown>)[path[end] as string]
}
