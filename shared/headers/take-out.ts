// Takes all fields of some names out of a header list.
import type { HeaderList } from '../head.ts'
import { canonicalName } from './names.ts'

/** Names to be taken out, in lower case: looked up once for each field. */
export interface Taken<Name extends string> {
  readonly names: ReadonlyMap<string, Name>
  readonly lengths: ReadonlySet<number>
  readonly none: Readonly<Record<Name, readonly string[]>>
}

const noValues: readonly string[] = []

/** To be made once. */
export function taken<Name extends string>(...names: readonly Name[]): Taken<Name> {
  return {
    names: new Map(names.map((name) => [name, name])),
    lengths: new Set(names.map(({ length }) => length)),
    none: Object.fromEntries(names.map((name) => [name, noValues])) as Record<Name, readonly string[]>,
  }
}

/**
 * Parts the fields of these names from all others; what an app could take for one of them (`X_Forwarded_For`) is none
 * of either. An empty field is no member of a list.
 */
export function takeOut<Name extends string>(headers: HeaderList, { names, lengths, none }: Taken<Name>) {
  const values: Record<Name, readonly string[]> = { ...none }
  let others: string[] | undefined
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    const value = headers[i + 1] as string
    const like = lengths.has(name.length) ? names.get(canonicalName(name)) : undefined
    if (like === undefined) {
      others?.push(name, value)
      continue
    }
    others ??= headers.slice(0, i)
    if (value !== '' && like === name.toLowerCase()) add(values, like, value)
  }
  return { others: others ?? headers.slice(), values }
}

function add<Name extends string>(values: Record<Name, readonly string[]>, name: Name, value: string): void {
  const known = values[name]
  if (known.length === 0) values[name] = [value]
  else (known as string[]).push(value)
}
