// JSON patches (RFC 6902) as an API server applies them: every operation, and none that does not fit. Shares nothing with ours.
import { isDeepStrictEqual } from 'node:util'

type Holder = Record<string, unknown> | unknown[]

/** The document after the whole patch; the one that is given stays as it is. @throws {Error} an operation does not fit. */
export function applyJsonPatch(document: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw new Error('the patch is no list')
  let whole = structuredClone(document)
  for (const operation of patch as readonly unknown[]) whole = applyOperation(whole, operation)
  return whole
}

function applyOperation(whole: unknown, given: unknown): unknown {
  if (typeof given !== 'object' || given === null) throw new Error('an operation is no object')
  const operation = given as Readonly<Record<string, unknown>>
  const path = pointerOf(operation, 'path')
  switch (operation['op']) {
    case 'add':
      return add(whole, path, valueOf(operation))
    case 'remove':
      return remove(whole, path)
    case 'replace':
      read(whole, path)
      return path.length === 0 ? valueOf(operation) : add(remove(whole, path), path, valueOf(operation))
    case 'move':
      return move(whole, pointerOf(operation, 'from'), path)
    case 'copy':
      return add(whole, path, structuredClone(read(whole, pointerOf(operation, 'from'))))
    case 'test':
      if (!isDeepStrictEqual(read(whole, path), valueOf(operation)))
        throw new Error(`test of /${path.join('/')} fails`)
      return whole
    default:
      throw new Error(`there is no operation ${String(operation['op'])}`)
  }
}

function move(whole: unknown, from: readonly string[], path: readonly string[]): unknown {
  const value = read(whole, from)
  if (path.length > from.length && isDeepStrictEqual(path.slice(0, from.length), from))
    throw new Error('nothing can be moved into itself')
  return add(remove(whole, from), path, value)
}

function valueOf(operation: Readonly<Record<string, unknown>>): unknown {
  if (!Object.hasOwn(operation, 'value')) throw new Error(`${String(operation['op'])} has no value`)
  return structuredClone(operation['value'])
}

/** RFC 6901. */
function pointerOf(operation: Readonly<Record<string, unknown>>, key: 'path' | 'from'): string[] {
  const text = operation[key]
  if (typeof text !== 'string') throw new Error(`${key} is no text`)
  if (text === '') return []
  if (!text.startsWith('/') || /~(?![01])/.test(text)) throw new Error(`${key} ${text} is no JSON pointer`)
  return text
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function read(whole: unknown, path: readonly string[]): unknown {
  let value = whole
  for (const [i, part] of path.entries()) {
    const holder = holderOf(value, path.slice(0, i))
    if (Array.isArray(holder)) value = holder[indexIn(holder, part, holder.length - 1)]
    else if (Object.hasOwn(holder, part)) value = holder[part]
    else throw new Error(`there is no /${path.slice(0, i + 1).join('/')}`)
  }
  return value
}

function holderOf(value: unknown, path: readonly string[]): Holder {
  if (typeof value !== 'object' || value === null) throw new Error(`/${path.join('/')} holds nothing`)
  return value as Holder
}

function indexIn(list: readonly unknown[], part: string, last: number): number {
  const index = /^(0|[1-9]\d*)$/.test(part) ? Number(part) : Number.NaN
  if (!(index <= last)) throw new Error(`${part} is no place in a list of ${list.length}`)
  return index
}

function add(whole: unknown, path: readonly string[], value: unknown): unknown {
  const key = path.at(-1)
  if (key === undefined) return value
  const holder = holderOf(read(whole, path.slice(0, -1)), path.slice(0, -1))
  if (!Array.isArray(holder)) holder[key] = value
  else if (key === '-') holder.push(value)
  else holder.splice(indexIn(holder, key, holder.length), 0, value)
  return whole
}

function remove(whole: unknown, path: readonly string[]): unknown {
  const key = path.at(-1)
  if (key === undefined) throw new Error('the whole document cannot be removed')
  const holder = holderOf(read(whole, path.slice(0, -1)), path.slice(0, -1))
  if (Array.isArray(holder)) holder.splice(indexIn(holder, key, holder.length - 1), 1)
  else if (Object.hasOwn(holder, key)) delete holder[key]
  else throw new Error(`there is no /${path.join('/')}`)
  return whole
}
