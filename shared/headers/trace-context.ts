// The trace context in which a handle travels through an app (W3C Trace Context, W3C Baggage): put in, and taken out.
import { ownText } from '../own-text.ts'
import { headerValues, type HeaderList } from '../head.ts'
import { canonicalOf } from './names.ts'
import { taken, takeOut } from './take-out.ts'

/** The key of our member in `tracestate` and in `baggage`. */
const ownKey = 'onbehalf'

/**
 * Fields that are lists of members with keys, by canonical name. `jaeger-baggage` is read as baggage by Jaeger's
 * propagators; as `correlation-context` .NET itself sends on what came as baggage, and its older versions read it.
 */
const carriers: ReadonlyMap<string, 'tracestate' | 'baggage'> = new Map([
  ['tracestate', 'tracestate'],
  ['baggage', 'baggage'],
  ['jaeger-baggage', 'baggage'],
  ['correlation-context', 'baggage'],
])

const carrierLengths: ReadonlySet<number> = new Set([...carriers.keys()].map(({ length }) => length))

/** Which source a field could carry a handle for, however it spells its name, in lower case; undefined for every other field. */
export function carrierOf(lowerName: string): 'tracestate' | 'baggage' | undefined {
  return carrierLengths.has(lowerName.length) ? carriers.get(canonicalOf(lowerName)) : undefined
}

export interface Stripped {
  /** Without our members; byte for byte as it was where there were none, empty where nothing is left. */
  readonly rest: string
  /** What our members held, each once. */
  readonly handles: readonly string[]
}

const noHandles: readonly string[] = []
const mayBeOurs = /onbehalf|%/i

/**
 * Takes our members out of a list, under every spelling that an agent could read as our key: whatever its case,
 * percent-encoded, with blanks around it, without a value, more than once.
 */
export function stripHandles(value: string): Stripped {
  if (!mayBeOurs.test(value)) return { rest: value, handles: noHandles }
  const members = value.split(',')
  const others = members.filter((member) => !isOurs(member))
  if (others.length === members.length) return { rest: value, handles: noHandles }
  const handles = new Set(members.filter(isOurs).map(valueOf))
  const rest = others.filter((member) => member.trim() !== '')
  return { rest: rest.join(',').trim(), handles: [...handles] }
}

function isOurs(member: string): boolean {
  return plainKey(member.split(/[=;]/, 1)[0] as string) === ownKey
}

/** Some agents decode a key that they, or the next one, do not encode again. */
const maxDecodings = 3

/** As the most lenient of all agents reads it: to some `+` is a blank, and what is not printable is trimmed. */
function plainKey(key: string): string {
  let text = key
  for (let i = 0; i < maxDecodings && text.includes('%'); i++) {
    text = text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  }
  return text
    .replace(/[^!-~]|\+/g, ' ')
    .trim()
    .toLowerCase()
}

/** What stands behind the key, without properties. */
function valueOf(member: string): string {
  const [pair = ''] = member.split(';', 1)
  const at = pair.indexOf('=')
  return at === -1 ? '' : decode(pair.slice(at + 1)).trim()
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** A valid `traceparent`. */
export interface TraceParent {
  /** 32 hexadecimal digits, in lower case. */
  readonly traceId: string
  /** 16 hexadecimal digits, in lower case: of the span that is the parent of whatever is done next. */
  readonly spanId: string
  readonly isSampled: boolean
  /** Whether it came with the request; else it was started here. */
  readonly isContinued: boolean
}

/** As it is passed on: version 00, flags 00 or 01; some agents drop a whole context over another flag. */
export function formatTraceParent({ traceId, spanId, isSampled }: TraceParent): string {
  return `00-${traceId}-${spanId}-0${isSampled ? 1 : 0}`
}

/** Reads `traceparent` (W3C Trace Context 3.2); undefined where there is none, several, or one that is not valid. */
export function readTraceParent(headers: HeaderList): TraceParent | undefined {
  const values = headerValues(headers, 'traceparent')
  if (values.length !== 1) return undefined
  const text = (values[0] as string).trim()
  if (!isOfForm(text) || text.startsWith('ff')) return undefined
  if (text.length > plainLength && (text[plainLength] !== '-' || text.startsWith('00'))) return undefined
  const isSampled = (Number.parseInt(text.slice(53, 55), 16) & 1) === 1
  // Sessions keep it.
  const own = ownText(text.slice(0, plainLength))
  return { traceId: own.slice(3, 35), spanId: own.slice(36, 52), isSampled, isContinued: true }
}

/** Of version 00; later ones may say more, behind a dash. */
const plainLength = 55

/** Version, trace, span and flags in hexadecimal digits, a dash between; of trace and span not all are zeros. */
function isOfForm(text: string): boolean {
  const isDashed = text[2] === '-' && text[35] === '-' && text[52] === '-'
  if (
    !isDashed ||
    !isHex(text, 0, 2) ||
    !isHex(text, 3, 35) ||
    !isHex(text, 36, 52) ||
    !isHex(text, 53, 55)
  ) {
    return false
  }
  return !isZero(text, 3, 35) && !isZero(text, 36, 52)
}

function isHex(text: string, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i)
    const isDigit = (code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x66)
    if (!isDigit) return false
  }
  return true
}

function isZero(text: string, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (text.charCodeAt(i) !== 0x30) return false
  return true
}

const contextFields = taken('traceparent', 'tracestate', 'baggage')
const traceFields = taken('traceparent', 'tracestate')

/**
 * The headers with a trace context that every agent takes, our handle in it. A context without a valid `traceparent`
 * is none, and its `tracestate` nobody's: there is a new one then.
 * @param headers without any handle.
 * @param parent what was read of them, or the one that was started.
 */
export function withHandle(headers: HeaderList, handle: string, parent: TraceParent): string[] {
  const { others, values } = takeOut(headers, contextFields)
  const own = `${ownKey}=${handle}`
  others.push('traceparent', formatTraceParent(parent))
  others.push('tracestate', joinTraceState(own, parent.isContinued ? values.tracestate : []))
  others.push('baggage', joinBaggage(own, values.baggage))
  return others
}

/**
 * The headers with another parent in them.
 * @param parent of the same trace as what came, or of another one: its `tracestate` is nobody's then.
 */
export function withTraceParent(headers: HeaderList, parent: TraceParent): string[] {
  const { others, values } = takeOut(headers, traceFields)
  others.push('traceparent', formatTraceParent(parent))
  if (parent.isContinued) for (const value of values.tracestate) others.push('tracestate', value)
  return others
}

const traceStateKey = /^(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})$/
const traceStateValue = /^[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/
/** W3C Trace Context 3.3.1. */
const traceStateLimits: ListLimits = { members: 32, bytes: 512, longMember: 128 }

/** Ours first, then what is valid of the others, in their order. The first of a key is the latest. */
function joinTraceState(own: string, fields: readonly string[]): string {
  if (fields.length === 0) return own
  const members = new Map<string, string>()
  for (const member of membersOf(fields)) {
    const at = member.indexOf('=')
    const key = member.slice(0, at)
    if (at === -1 || members.has(key) || !traceStateKey.test(key)) continue
    if (traceStateValue.test(member.slice(at + 1))) members.set(key, member)
  }
  return fit(own, [...members.values()], traceStateLimits)
}

const token = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+"
const octets = '[\\x21\\x23-\\x2b\\x2d-\\x3a\\x3c-\\x5b\\x5d-\\x7e]+'
const blanks = '[ \\t]*'
// A value may be empty. In one way only: blanks that could stand before it or behind it would take exponential time.
const valued = `=${blanks}(?:${octets}${blanks})?`
const baggageMember = new RegExp(
  `^(${token})${blanks}${valued}(?:;${blanks}${token}${blanks}(?:${valued})?)*$`,
)
/** W3C Baggage 3.3.2. */
const baggageLimits: ListLimits = { members: 64, bytes: 8_192, longMember: Infinity }

/** Ours first, then what is valid of the others. Of a key the last counts, as agents read it. */
function joinBaggage(own: string, fields: readonly string[]): string {
  if (fields.length === 0) return own
  const members = new Map<string, string>()
  for (const member of membersOf(fields)) {
    const key = baggageMember.exec(member)?.[1]
    if (key !== undefined) members.set(key, member)
  }
  return fit(own, [...members.values()], baggageLimits)
}

function membersOf(fields: readonly string[]): string[] {
  return fields.flatMap((field) => field.split(',')).map((member) => member.trim())
}

interface ListLimits {
  readonly members: number
  readonly bytes: number
  /** Of a list with too many bytes, longer members go first. */
  readonly longMember: number
}

/** Within the limits: what is long goes first, then what stands last. */
function fit(own: string, others: readonly string[], limits: ListLimits): string {
  const kept = [own, ...others].slice(0, limits.members)
  let length = kept.join(',').length
  const drop = (i: number) => {
    length -= 1 + (kept.splice(i, 1)[0] as string).length
  }
  for (let i = kept.length - 1; i > 0 && length > limits.bytes; i--) {
    if ((kept[i] as string).length > limits.longMember) drop(i)
  }
  while (length > limits.bytes) drop(kept.length - 1)
  return kept.join(',')
}
