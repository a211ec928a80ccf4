// The one header that is carried: its name, its form, and how it is added to any form of headers without touching them.

export const headerName = 'x-onbehalf-handle'

const wellFormed = /^[\w-]{26}$/

/** Undefined where there is none, several, or what is no handle. */
export function parseHandle(value: unknown): string | undefined {
  return typeof value === 'string' && wellFormed.test(value) ? value : undefined
}

const isName = (name: unknown): boolean => String(name).toLowerCase() === headerName

/** `[[name, value], …]` */
const arePairs = (headers: readonly unknown[]): boolean => Array.isArray(headers[0])

/** Of headers as an object, as pairs, or as names and values in turn. */
export function hasHandle(headers: unknown): boolean {
  if (typeof headers !== 'object' || headers === null) return false
  if (!Array.isArray(headers)) return Object.keys(headers).some(isName)
  if (arePairs(headers)) return headers.some((pair: unknown) => Array.isArray(pair) && isName(pair[0]))
  return headers.some((name, i) => i % 2 === 0 && isName(name))
}

/** A copy with the handle, in the same form. */
export function addHandle(headers: unknown, handle: string): unknown {
  if (!Array.isArray(headers)) return { ...(headers as object | undefined), [headerName]: handle }
  return arePairs(headers) ? [...headers, [headerName, handle]] : [...headers, headerName, handle]
}

/** A copy without the handle, in the same form; of names and values in turn, or of an object. */
export function dropHandle(headers: unknown): unknown {
  if (Array.isArray(headers)) return headers.filter((_, i) => !isName(headers[i - (i % 2)]))
  return Object.fromEntries(Object.entries(headers as object).filter(([name]) => !isName(name)))
}
