// What a message in HTTP/1.1 says in its head, and where its body ends, read strictly (RFC 9112).
import { METHODS } from 'node:http'

/** What came is not HTTP/1.1 as it is read here. */
export class Malformed extends Error {
  /** One of a few fixed texts, never what was sent. */
  readonly reason: string

  constructor(reason: string) {
    super(reason)
    this.name = new.target.name
    this.reason = reason
  }
}

/** Well written, but readers differ about where its body ends (RFC 9112 section 6.1). */
export class Ambiguous extends Malformed {}

/** RFC 9112 sections 3 and 5. */
export interface RequestHeadText {
  readonly method: string
  /** In any of the four forms (RFC 9112 section 3.2), as received. */
  readonly target: string
  readonly version: '1.0' | '1.1'
  /** Names and values in turn, as received, without the blanks around values. */
  readonly headers: string[]
}

/** RFC 9112 sections 4 and 5. */
export interface AnswerHeadText {
  /** 100 to 999. */
  readonly status: number
  /** As received; empty where there is none. */
  readonly reason: string
  readonly version: '1.0' | '1.1'
  /** Names and values in turn, as received, without the blanks around values. */
  readonly headers: string[]
}

/** How the body ends (RFC 9112 section 6.3): after so many bytes, after the last chunk, with its connection. */
export type BodyLength = number | 'chunked' | 'close'

// No two neighbours in these patterns match the same character, so none of them tries a place twice to no end.
const printable = '[\\x20-\\x7e]'
/** RFC 9110 section 5.5. Eight at a time: that is twice as fast. */
export const fieldText = `(?:${printable.repeat(8)})*${printable}{0,7}(?:[\\t\\x80-\\xff]${printable}*)*`
/** RFC 9112 section 5.1: nothing between the name, which is a token, and the colon. */
const fieldLine = `[!#$%&'*+.^_\`|~0-9A-Za-z-]+:${fieldText}\\r\\n`
const fields = new RegExp(`(?:${fieldLine})*`, 'y')
/** RFC 9112 section 3: several blanks before the target may be taken for one. */
const requestHead = new RegExp(`[A-Z-]+ +[\\x21-\\x7e]+ HTTP/1\\.[01]\\r\\n(?:${fieldLine})*`, 'y')
/** RFC 9112 section 4; the blank before an empty reason is often left out. */
const answerHead = new RegExp(`HTTP/1\\.[01] [1-9][0-9]{2}(?: ${fieldText})?\\r\\n(?:${fieldLine})*`, 'y')
const methods: ReadonlySet<string> = new Set(METHODS)

/** ` HTTP/1.1` and the end of the line. */
const versionLength = 11
/** `HTTP/1.1 200`. */
const statusLength = 12

/**
 * RFC 9112 sections 2, 3 and 5.
 * @param text latin1: the lines of the head, each with its CRLF, without the empty line that ends it. Headers are views
 * of it.
 * @throws {Malformed}
 */
export function readRequestHead(text: string): RequestHeadText {
  requestHead.lastIndex = 0
  if (!requestHead.test(text)) throw requestLineMalformed()
  if (requestHead.lastIndex !== text.length) throw fieldMalformed()
  const methodEnd = text.indexOf(' ')
  const method = text.slice(0, methodEnd)
  if (!methods.has(method)) throw new Malformed('The method is not known.')
  let targetStart = methodEnd + 1
  while (text.charCodeAt(targetStart) === 0x20) targetStart++
  const lineEnd = text.indexOf('\n', targetStart) + 1
  const target = text.slice(targetStart, lineEnd - versionLength)
  if (!isTarget(target, method)) throw new Malformed('The request target has no known form.')
  const version = text.charCodeAt(lineEnd - 3) === 0x31 ? '1.1' : '1.0'
  return { method, target, version, headers: split(text, lineEnd) }
}

/** See {@link readRequestHead}; RFC 9112 section 4. */
export function readAnswerHead(text: string): AnswerHeadText {
  answerHead.lastIndex = 0
  if (!answerHead.test(text)) throw statusLineMalformed()
  if (answerHead.lastIndex !== text.length) throw fieldMalformed()
  const lineEnd = text.indexOf('\n') + 1
  const status = Number(text.slice(statusLength - 3, statusLength))
  const reason = text.slice(statusLength + 1, lineEnd - 2)
  const version = text.charCodeAt(7) === 0x31 ? '1.1' : '1.0'
  return { status, reason, version, headers: split(text, lineEnd) }
}

/** A method, or the beginning of one; none is longer. */
const requestBegin = /^(?:[A-Z-]{1,16} |[A-Z-]{0,16}$)/
const answerBegin = 'HTTP/1.'

/**
 * What can become no head is refused at once, or its sender would wait for an answer (RFC 9112 section 2.2).
 * @param text latin1: the first bytes of a head, without empty lines before it.
 * @throws {Malformed}
 */
export function refuseRequestBegin(text: string): void {
  if (!requestBegin.test(text)) throw requestLineMalformed()
}

/** See {@link refuseRequestBegin}. */
export function refuseAnswerBegin(text: string): void {
  if (!text.startsWith(answerBegin.slice(0, text.length))) throw statusLineMalformed()
}

/** A control character, or half of a line end; a carriage return may be followed by what has not come yet. */
const broken = /[^\t\r\n\x20-\x7e\x80-\xff]|\r(?!\n|$)|(?<!\r)\n/

/**
 * See {@link refuseRequestBegin}.
 * @param text a part of a head that does not begin between the two halves of a line end.
 * @throws {Malformed}
 */
export function refuseCharacters(text: string): void {
  if (broken.test(text)) throw new Malformed('A character is in no place for it.')
}

function requestLineMalformed(): Malformed {
  return new Malformed('The request line is malformed.')
}

function statusLineMalformed(): Malformed {
  return new Malformed('The status line is malformed.')
}

/**
 * The fields of a head or of a trailer section (RFC 9112 sections 5 and 7.1.2).
 * @param text field lines, each with its CRLF, and nothing else.
 * @throws {Malformed}
 */
export function readFields(text: string): string[] {
  fields.lastIndex = 0
  fields.test(text)
  if (fields.lastIndex !== text.length) throw fieldMalformed()
  return split(text, 0)
}

function fieldMalformed(): Malformed {
  return new Malformed('A field line is malformed.')
}

/** @param text matched already. */
function split(text: string, from: number): string[] {
  const headers: string[] = []
  for (let at = from; at < text.length;) {
    const colon = text.indexOf(':', at)
    const lineEnd = text.indexOf('\r', colon)
    const name = text.slice(at, colon)
    let start = colon + 1
    let end = lineEnd
    while (start < end && isBlank(text.charCodeAt(start))) start++
    while (end > start && isBlank(text.charCodeAt(end - 1))) end--
    if (end < lineEnd) refuseTabBehindCoding(name, text.slice(end, lineEnd))
    headers.push(name, text.slice(start, end))
    at = lineEnd + 2
  }
  return headers
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}

/** RFC 9112 section 5.1 would take it; llhttp reads another coding in it, and so where the body ends. */
function refuseTabBehindCoding(name: string, blanks: string): void {
  if (isCodingName(name) && blanks.includes('\t')) throw codingNotTaken()
}

const authority = "(?:[\\w.!~*'()%;:&=+$,[\\]-]|@(?!@))*"
/** Whatever the scheme and the host: which of them are served is decided elsewhere. */
const absoluteForm = new RegExp(`^[A-Za-z]+://${authority}(?:[/?]|$)`)
const authorityForm = new RegExp(`^${authority}(?:[/?]|$)`)

/** RFC 9112 section 3.2. */
function isTarget(target: string, method: string): boolean {
  if (method === 'CONNECT') return authorityForm.test(target)
  const first = target.charCodeAt(0)
  return first === 0x2f || first === 0x2a || absoluteForm.test(target)
}

/**
 * RFC 9112 section 6.3.
 * @returns 0 for none.
 * @throws {Malformed} a length or a coding that comes twice, or beside the other; a length that is no number; content of
 * CONNECT (RFC 9110 section 9.3.6).
 * @throws {Ambiguous} another coding than one `chunked`, or any in HTTP/1.0.
 */
export function requestBodyLength({ method, version, headers }: RequestHeadText): number | 'chunked' {
  const length = saidLength(version, headers) ?? 0
  if (method === 'CONNECT' && length !== 0) throw new Malformed('CONNECT has no content.')
  return length
}

/**
 * RFC 9112 section 6.3.
 * @param method of the request that is answered.
 * @throws as {@link requestBodyLength}, also where the answer has no body: then readers differ about that.
 */
export function answerBodyLength(head: AnswerHeadText, method: string): BodyLength {
  const { status, version, headers } = head
  const length = saidLength(version, headers) ?? 'close'
  if (status < 200 || status === 204 || status === 304 || method === 'HEAD') return 0
  if (method === 'CONNECT' && status < 300) return 0
  return length
}

/** What the fields say of the body; undefined where they say nothing. */
function saidLength(version: '1.0' | '1.1', headers: readonly string[]): number | 'chunked' | undefined {
  let at = -1
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    if (!isLengthName(name) && !isCodingName(name)) continue
    if (at !== -1) throw new Malformed('The length of the body is said more than once.')
    at = i
  }
  if (at === -1) return undefined
  const value = headers[at + 1] as string
  return isLengthName(headers[at] as string) ? readLength(value) : readCoding(value, version)
}

/** @param name in any case. */
export function isLengthName(name: string): boolean {
  return name.length === 14 && name.toLowerCase() === 'content-length'
}

/** @param name in any case. */
export function isCodingName(name: string): boolean {
  return name.length === 17 && name.toLowerCase() === 'transfer-encoding'
}

/** RFC 9110 section 8.6. */
function readLength(value: string): number {
  const length = /^[0-9]+$/.test(value) ? Number(value) : Number.NaN
  if (!Number.isSafeInteger(length)) throw new Malformed('Content-Length is malformed.')
  return length
}

/** RFC 9112 sections 6.1 and 7: what else there may be, some reader does not know. */
function readCoding(value: string, version: '1.0' | '1.1'): 'chunked' {
  if (version === '1.0' || value.toLowerCase() !== 'chunked') throw codingNotTaken()
  return 'chunked'
}

function codingNotTaken(): Ambiguous {
  return new Ambiguous('The only transfer coding taken is one `chunked`, in HTTP/1.1.')
}
