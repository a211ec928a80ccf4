// What `verify-chain` is given: headers as somebody captured them.
import { trimBlanks } from '../../shared/head.ts'
import { headerNames } from '../../shared/headers/names.ts'
import { UsageFault } from './token-input.ts'

export interface CapturedHeaders {
  readonly via: string
  readonly userToken: string
  /** Undefined where it was not captured. */
  readonly assertion: string | undefined
}

/** `Name: value`, also behind the marks of `curl -v`; a request line and all else is passed over. */
const headerLine = /^[<>]?[ \t]*([\w!#$%&'*+.^`|~-]+)[ \t]*:(.*)/s

/** @throws {UsageFault} what is needed is not there, or there twice. */
export function readHeaders(text: string): CapturedHeaders {
  const wanted: ReadonlySet<string> = new Set([
    headerNames.via,
    headerNames.assertionFor,
    headerNames.assertion,
  ])
  const found = new Map<string, string>()
  for (const line of text.split(/\r?\n/)) {
    const [, name = '', rest = ''] = headerLine.exec(line) ?? []
    const lower = name.toLowerCase()
    const value = trimBlanks(rest)
    if (!wanted.has(lower) || value === '') continue
    if (found.has(lower)) throw new UsageFault(`${lower} is there more than once: a sidecar refuses that`)
    found.set(lower, value)
  }
  return {
    via: required(found, headerNames.via),
    userToken: required(found, headerNames.assertionFor),
    assertion: found.get(headerNames.assertion),
  }
}

function required(found: ReadonlyMap<string, string>, name: string): string {
  const value = found.get(name)
  if (value !== undefined) return value
  throw new UsageFault(
    `the headers have no ${name}: give them as lines of "Name: value", as curl -v shows them`,
  )
}
