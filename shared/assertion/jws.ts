// Takes a compact JWS apart, strictly: whatever two readers could read differently is malformed.
import { isUtf8 } from 'node:buffer'
import type { BoundedMap } from '../bounded-map.ts'
import { ownText } from '../own-text.ts'

/** What the header of a JWS says: nothing but a reading of its text. */
export interface JwsHeader {
  readonly algorithm: string
  /** Undefined where the header has none. */
  readonly keyId: string | undefined
  /** `x5c` of the header, where it has one. */
  readonly certificates: readonly string[] | undefined
  readonly members: Readonly<Record<string, unknown>>
}

/** Headers by their text, base64url as it stands in the JWS: all that one key signs has the same. */
export type KnownHeaders = BoundedMap<string, JwsHeader>

/** A compact JWS, taken apart but not verified. */
export interface ParsedJws {
  readonly header: JwsHeader
  readonly payload: Readonly<Record<string, unknown>>
  readonly signingInput: string
  readonly signature: Buffer
}

/** Far deeper than any claim. `JSON.parse` nests without end, but whoever walks through a claim runs out of stack. */
const maxDepth = 64

/** Where a token is not a JWS that we read. The reason never holds a part of the token. */
export class MalformedToken extends Error {
  override readonly name = 'MalformedToken'
}

/**
 * Parses a JWS in compact serialisation (RFC 7515 section 7.1).
 * @param type what `typ` must be (RFC 8725 section 3.11); only JWT may be left out, and written in any case.
 * @param known headers that were read before, see {@link keepHeader}.
 * @throws {MalformedToken} not three parts, base64url that is padded or not canonical, not UTF-8, no JSON object,
 * a member given twice (RFC 8725 section 2.4) or named with a backslash, JSON nested too deeply, `crit`, another `typ`.
 */
export function parseJws(token: string, type = 'JWT', known?: KnownHeaders): ParsedJws {
  const first = token.indexOf('.')
  const second = token.indexOf('.', first + 1)
  if (first <= 0 || second === -1 || token.indexOf('.', second + 1) !== -1) {
    throw new MalformedToken('the token has not three parts')
  }
  const headerText = token.slice(0, first)
  const header = known?.get(headerText) ?? readHeader(headerText)
  if (!isOfType(header.members['typ'], type)) throw new MalformedToken(`typ is not ${type}`)
  return {
    header,
    payload: parseObject(decode(token.slice(first + 1, second)), 'payload'),
    signingInput: token.slice(0, second),
    signature: decode(token.slice(second + 1)),
  }
}

/** Keeps the header of a JWS that was verified: what anybody can send must not push out what is used. */
export function keepHeader({ header, signingInput }: ParsedJws, known: KnownHeaders): void {
  const text = signingInput.slice(0, signingInput.indexOf('.'))
  if (known.get(text) === undefined) known.set(ownText(text), header, text.length * 3 + 512)
}

function readHeader(text: string): JwsHeader {
  const members = parseObject(decode(text), 'header')
  if ('crit' in members) throw new MalformedToken('the header has crit')
  const { alg: algorithm, kid: keyId } = members
  if (typeof algorithm !== 'string') throw new MalformedToken('alg is not a string')
  if (keyId !== undefined && typeof keyId !== 'string') throw new MalformedToken('kid is not a string')
  return { algorithm, keyId, certificates: stringList(members['x5c']), members }
}

function isOfType(given: unknown, type: string): boolean {
  if (type !== 'JWT') return given === type
  return given === undefined || (typeof given === 'string' && given.toUpperCase() === 'JWT')
}

function decode(part: string): Buffer {
  const bytes = Buffer.from(part, 'base64url')
  // Encoding again is the cheapest way to see padding, foreign characters and stray bits at once.
  if (bytes.toString('base64url') !== part) throw new MalformedToken('a part is not canonical base64url')
  return bytes
}

function parseObject(bytes: Buffer, part: string): Record<string, unknown> {
  if (!isUtf8(bytes)) throw new MalformedToken(`the ${part} is not UTF-8`)
  const text = bytes.toString('utf8')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new MalformedToken(`the ${part} is not JSON`)
  }
  if (!isObject(value)) throw new MalformedToken(`the ${part} is not a JSON object`)
  const hasBackslash = text.includes('\\')
  if (countColons(text, hasBackslash) !== countMembers(value, hasBackslash))
    throw new MalformedToken(`the ${part} has a member twice`)
  return value
}

/** In valid JSON each colon outside a string belongs to one member. */
function countColons(json: string, hasBackslash: boolean): number {
  let count = 0
  for (let i = 0; i < json.length; i++) {
    const code = json.charCodeAt(i)
    if (code === quote) i = hasBackslash ? endOfString(json, i + 1) : json.indexOf('"', i + 1)
    else if (code === colon) count++
  }
  return count
}

const quote = 0x22
const colon = 0x3a
const backslash = 0x5c

/** @param start behind its first quote. */
function endOfString(json: string, start: number): number {
  let i = start
  while (i < json.length && json.charCodeAt(i) !== quote) i += json.charCodeAt(i) === backslash ? 2 : 1
  return i
}

/**
 * Members that are left after parsing; a member given twice is left once. V8 can misread an escape in a name as a
 * backslash once it has seen another name that holds one (nodejs/node#63785), so names without any are all we take.
 * @param hasBackslash whether any stands in the text: else none stands in a name.
 */
function countMembers(value: unknown, hasBackslash: boolean, depth = 0): number {
  if (typeof value !== 'object' || value === null) return 0
  if (depth > maxDepth) throw new MalformedToken('its JSON is nested too deeply')
  let count = 0
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) count += countMembers(value[i], hasBackslash, depth + 1)
    return count
  }
  for (const name of Object.keys(value)) {
    if (hasBackslash && name.includes('\\')) throw new MalformedToken('a member is named with a backslash')
    count += 1 + countMembers((value as Record<string, unknown>)[name], hasBackslash, depth + 1)
  }
  return count
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function stringList(value: unknown): readonly string[] | undefined {
  if (value === undefined) return undefined
  if (!Array.isArray(value) || value.some((item) => typeof item !== 'string')) {
    throw new MalformedToken('x5c is not a list of strings')
  }
  return value as string[]
}
