// JSON patches (RFC 6902) of the two operations that an injection needs: nothing is ever removed.

export interface Operation {
  readonly op: 'add' | 'replace'
  /** A JSON pointer (RFC 6901). */
  readonly path: string
  readonly value: unknown
}

/** A JSON pointer out of its parts. */
export function pointer(...parts: readonly (string | number)[]): string {
  return parts.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

export function partsOf(path: string): string[] {
  return path
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** Of what lies deeper: the same operations where the object is part of another. */
export function beneath(prefix: string, operations: readonly Operation[]): Operation[] {
  return operations.map((operation) => ({ ...operation, path: prefix + operation.path }))
}

/** The document with all operations applied; the one that is given stays as it is. @throws {Error} a path leads nowhere. */
export function applyPatch<T>(document: T, operations: readonly Operation[]): T {
  const copy = structuredClone(document)
  for (const operation of operations) applyOne(copy, operation)
  return copy
}

function applyOne(document: unknown, { op, path, value }: Operation): void {
  const parts = partsOf(path)
  const key = parts.pop()
  if (key === undefined) throw new Error('the whole document cannot be patched')
  const parent = parts.reduce(step, document)
  if (Array.isArray(parent)) return applyToList(parent, key, { op, path, value })
  if (typeof parent !== 'object' || parent === null) throw new Error(`${path} leads nowhere`)
  if (op === 'replace' && !Object.hasOwn(parent, key)) throw new Error(`there is no ${path} to replace`)
  // An assignment to `__proto__` would be none.
  const property = { value: structuredClone(value), configurable: true, enumerable: true, writable: true }
  Object.defineProperty(parent, key, property)
}

/** RFC 6901 section 4: one spelling for each. */
const listIndex = /^(?:0|[1-9]\d*)$/

function applyToList(list: unknown[], key: string, { op, path, value }: Operation): void {
  const index = key === '-' ? list.length : listIndex.test(key) ? Number(key) : Number.NaN
  const last = op === 'add' ? list.length : list.length - 1
  if (!(index <= last)) throw new Error(`${path} leads nowhere`)
  list.splice(index, op === 'add' ? 0 : 1, structuredClone(value))
}

function step(value: unknown, part: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined
  return (value as Readonly<Record<string, unknown>>)[part]
}
