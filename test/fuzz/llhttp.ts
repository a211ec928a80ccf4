// Node's own parser, driven as node:http drives it: what it makes of bytes, and where it sees the end of a message.
import { createRequire } from 'node:module'
import { METHODS } from 'node:http'

/** What is internal to Node, as far as it is used here. */
interface Parser {
  [callback: number]: (...args: never[]) => unknown
  initialize(type: number, resource: object, maxHeaderSize: number, lenientFlags: number): void
  execute(bytes: Buffer): number | Error
  finish(): Error | undefined
  free(): void
}

interface ParserClass {
  new (): Parser
  readonly REQUEST: number
  readonly RESPONSE: number
  readonly kOnHeaders: number
  readonly kOnHeadersComplete: number
  readonly kOnBody: number
  readonly kOnMessageComplete: number
  readonly kLenientNone: number
}

const { HTTPParser } = createRequire(import.meta.url)('_http_common') as { HTTPParser: ParserClass }

export interface Message {
  /** `GET /x 1.1`, `1.1 200 OK`. */
  readonly start: string
  readonly headers: readonly string[]
  /** In latin1. */
  readonly body: string
  readonly trailers: readonly string[]
}

/** Of requests, or of answers to a method. */
export type Side = 'request' | { readonly asked: string }

export interface Seen {
  /** `overrun`: whole before the last part. */
  readonly outcome: 'refused' | 'unfinished' | 'whole' | 'overrun'
  readonly message: Message
}

type HeadersComplete = (
  major: number,
  minor: number,
  headers: string[] | undefined,
  method: number | undefined,
  url: string | undefined,
  status: number | undefined,
  reason: string | undefined,
) => number

/** Messages one behind the other. */
export interface Stream {
  readonly messages: readonly Message[]
  /** Whether what stands behind them cannot be read. */
  readonly isRefused: boolean
}

const noHeaderLimit = 64 * 1024 * 1024
const parser = new HTTPParser()

/** @param parts given to the parser one by one. */
export function seenByLlhttp(parts: readonly Buffer[], side: Side, ends = false): Seen {
  try {
    return parse(parts, side, ends)
  } finally {
    parser.free()
  }
}

/** @param ends whether the connection ends behind it. */
export function streamOfLlhttp(bytes: Buffer, side: Side, ends: boolean): Stream {
  try {
    const { whole, next } = collect(side)
    const taken = parser.execute(bytes)
    const isTaken = taken === bytes.length
    const isWithin = next.headers !== undefined
    const isCutOff = isTaken && (ends || isWithin) && parser.finish() !== undefined
    // As below.
    const isHidden = side === 'request' && isWithin && !isCutOff
    return { messages: whole, isRefused: typeof taken !== 'number' || isHidden }
  } finally {
    parser.free()
  }
}

/** Begins to read. @returns the messages that are whole, and what has come of the next; both grow as it reads. */
function collect(side: Side) {
  const whole: Message[] = []
  const next = { start: '', headers: undefined as string[] | undefined, body: '', flushed: [] as string[] }
  let url = ''
  const onHeaders = (more: string[], moreUrl: string) => {
    next.flushed.push(...more)
    // It comes once more with trailers.
    if (next.headers === undefined) url += moreUrl
  }
  const onHeadersComplete: HeadersComplete = (major, minor, rest, method, restUrl, status, reason) => {
    const version = `${major}.${minor}`
    next.headers = [...next.flushed, ...(rest ?? [])]
    next.flushed = []
    if (side === 'request') {
      next.start = `${methodNames.get(method)} ${url}${restUrl ?? ''} ${version}`
      url = ''
      return 0
    }
    next.start = `${version} ${status} ${reason}`
    return skipped(side.asked, status as number)
  }
  const onMessageComplete = () => {
    const { start, headers = [], body, flushed } = next
    whole.push({ start, headers, body, trailers: flushed })
    Object.assign(next, { start: '', headers: undefined, body: '', flushed: [] })
  }
  parser.initialize(
    side === 'request' ? HTTPParser.REQUEST : HTTPParser.RESPONSE,
    {},
    noHeaderLimit,
    HTTPParser.kLenientNone,
  )
  parser[HTTPParser.kOnHeaders] = onHeaders
  parser[HTTPParser.kOnHeadersComplete] = onHeadersComplete
  parser[HTTPParser.kOnBody] = (part: Buffer) => void (next.body += part.toString('latin1'))
  parser[HTTPParser.kOnMessageComplete] = onMessageComplete
  return { whole, next }
}

function parse(parts: readonly Buffer[], side: Side, ends: boolean): Seen {
  const { whole, next } = collect(side)
  const seen = (outcome: Seen['outcome']): Seen => {
    const { start, headers = [], body, flushed } = next
    return { outcome, message: whole[0] ?? { start, headers, body, trailers: flushed } }
  }
  for (const part of parts) {
    // What stands behind a message is another one's.
    if (whole.length > 0) return seen('overrun')
    if (parser.execute(part) !== part.length) return seen(whole.length > 0 ? 'whole' : 'refused')
  }
  if (whole.length > 0) return seen('whole')
  if (next.headers === undefined && !ends) return seen('unfinished')
  const isCutOff = parser.finish() !== undefined
  if (ends) return seen(whole.length > 0 ? 'whole' : 'refused')
  // Behind an offer of another protocol Node hides what is wrong with the body; only what is right can be cut off.
  return seen(side === 'request' && !isCutOff ? 'refused' : 'unfinished')
}

/** What node:http's client tells the parser: 1 for no body, 2 for another protocol behind the head. */
function skipped(asked: string, status: number): number {
  if (status === 101 || (asked === 'CONNECT' && status >= 200 && status < 300)) return 2
  return asked === 'HEAD' || status < 200 ? 1 : 0
}

/** Their numbers, which Node keeps to itself: each is asked for. */
const methodNames: ReadonlyMap<number | undefined, string> = new Map(
  METHODS.map((name) => [numberOf(name), name]),
)

function numberOf(name: string): number | undefined {
  let number: number | undefined
  parser.initialize(HTTPParser.REQUEST, {}, noHeaderLimit, HTTPParser.kLenientNone)
  const onHeadersComplete: HeadersComplete = (_major, _minor, _headers, method) => {
    number = method
    return 0
  }
  parser[HTTPParser.kOnHeadersComplete] = onHeadersComplete
  parser[HTTPParser.kOnMessageComplete] = () => undefined
  parser.execute(Buffer.from(`${name} ${name === 'CONNECT' ? 'a:1' : '/'} HTTP/1.1\r\n\r\n`))
  return number
}
