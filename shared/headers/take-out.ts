// Takes all fields of some names out of a header list.
import type { HeaderList } from '../head.ts'
import { canonicalName } from './names.ts'

/**
 * Parts the fields of these names from all others; what an app could take for one of them (`X_Forwarded_For`) is none
 * of either. An empty field is no member of a list.
 */
export function takeOut<Name extends string>(headers: HeaderList, names: readonly Name[]) {
  const values = Object.fromEntries(names.map((name) => [name, [] as string[]])) as Record<Name, string[]>
  const others: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    const value = headers[i + 1] as string
    const like = names.find((each) => each.length === name.length && each === canonicalName(name))
    if (like === undefined) others.push(name, value)
    else if (value !== '' && like === name.toLowerCase()) values[like].push(value)
  }
  return { others, values }
}
