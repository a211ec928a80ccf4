// Reads HTTP/1.1 messages strictly by RFC 9112 from latin1 text: an opinion of its own on where each message ends.

export type Field = readonly [name: string, value: string]

export interface Message {
  readonly startLine: string
  readonly fields: readonly Field[]
  readonly framing: 'none' | 'length' | 'chunked' | 'close'
  readonly body: string
  readonly trailers: readonly Field[]
}

export interface Answer extends Message {
  readonly status: number
  /** The 1xx answers before it. */
  readonly interim: readonly Message[]
}

/** What an answer is read as an answer to. */
export interface Asked {
  readonly method: string
  readonly version: '1.0' | '1.1'
}

export interface Reading<M> {
  readonly messages: readonly M[]
  /** What begins after the last whole message: the beginning of one, or nothing. */
  readonly rest: string
  /** Why the rest can be no HTTP/1.1 message, however it goes on. */
  readonly violation?: string
}

class Violation extends Error {}

/** Reads all requests that are whole. */
export function readRequests(text: string): Reading<Message> {
  return readAll(new Cursor(text), readRequest)
}

/** Reads all answers that are whole. `ended`: nothing follows `text` on its connection. */
export function readAnswers(text: string, asked: readonly Asked[], ended: boolean): Reading<Answer> {
  let count = 0
  let isLast = false
  return readAll(new Cursor(text), (cursor) => {
    if (isLast) throw new Violation('there is something behind the last answer of the connection')
    const answer = readAnswer(cursor, asked[count], ended)
    if (answer === undefined) return undefined
    count++
    isLast = answer.framing === 'close' || saysClose(answer)
    return answer
  })
}

export function valuesOf(fields: readonly Field[], name: string): string[] {
  return fields.filter(([each]) => each.toLowerCase() === name.toLowerCase()).map(([, value]) => value)
}

export function saysClose(message: Message): boolean {
  const options = valuesOf(message.fields, 'connection').join(',').toLowerCase().split(',')
  return options.some((option) => option.trim() === 'close')
}

function readAll<M>(cursor: Cursor, readOne: (cursor: Cursor) => M | undefined): Reading<M> {
  const messages: M[] = []
  let begin = 0
  try {
    while (cursor.at < cursor.text.length) {
      begin = cursor.at
      const message = readOne(cursor)
      if (message === undefined) return { messages, rest: cursor.text.slice(begin) }
      messages.push(message)
    }
  } catch (error) {
    if (!(error instanceof Violation)) throw error
    return { messages, rest: cursor.text.slice(begin), violation: error.message }
  }
  return { messages, rest: '' }
}

/** All reads give undefined where the text ends too early. */
class Cursor {
  readonly text: string
  at = 0

  constructor(text: string) {
    this.text = text
  }

  /** RFC 9112 section 2.2: a line ends with CR and LF; neither stands alone. */
  line(): string | undefined {
    const end = this.text.indexOf('\n', this.at)
    const line = this.text.slice(this.at, end === -1 ? undefined : end)
    const carriage = line.indexOf('\r')
    if (carriage !== -1 && carriage !== line.length - 1) throw new Violation('a carriage return alone')
    if (end === -1) return undefined
    if (carriage === -1) throw new Violation('a line feed alone')
    this.at = end + 1
    return line.slice(0, -1)
  }

  take(length: number): string | undefined {
    if (this.text.length - this.at < length) return undefined
    this.at += length
    return this.text.slice(this.at - length, this.at)
  }

  takeRest(): string {
    return this.take(this.text.length - this.at) as string
  }
}

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const requestLine = new RegExp(`^(${token}) (/[\\x21-\\x7e]*|\\*) HTTP/1\\.1$`)
const statusLine = /^HTTP\/1\.1 ([1-9]\d\d) [\t\x20-\x7e\x80-\xff]*$/
const fieldLine = new RegExp(`^(${token}):[ \\t]*([\\t\\x20-\\x7e\\x80-\\xff]*?)[ \\t]*$`)
const quoted = '"(?:[\\t \\x21\\x23-\\x5b\\x5d-\\x7e\\x80-\\xff]|\\\\[\\t\\x20-\\x7e\\x80-\\xff])*"'
const chunkLine = new RegExp(
  `^([0-9A-Fa-f]+)(?:[ \\t]*;[ \\t]*${token}(?:[ \\t]*=[ \\t]*(?:${token}|${quoted}))?)*$`,
)

function readRequest(cursor: Cursor): Message | undefined {
  const startLine = cursor.line()
  if (startLine === undefined) return undefined
  const [, method, target] = requestLine.exec(startLine) ?? []
  if (method === undefined) throw new Violation(`no request line: ${JSON.stringify(startLine)}`)
  if (target === '*' && method !== 'OPTIONS') throw new Violation('the target * is for OPTIONS')
  const fields = readFields(cursor)
  if (fields === undefined) return undefined
  if (valuesOf(fields, 'host').length !== 1) throw new Violation('a request has one Host')
  const body = readBody(cursor, framingOf(fields) ?? { kind: 'none' })
  return body && { startLine, fields, ...body }
}

function readAnswer(cursor: Cursor, asked: Asked | undefined, ended: boolean): Answer | undefined {
  const interim: Message[] = []
  for (;;) {
    const startLine = cursor.line()
    if (startLine === undefined) return undefined
    const status = Number(statusLine.exec(startLine)?.[1])
    if (Number.isNaN(status)) throw new Violation(`no status line: ${JSON.stringify(startLine)}`)
    if (asked === undefined) throw new Violation('an answer to no request')
    const fields = readFields(cursor)
    if (fields === undefined) return undefined
    const framing = framingOf(fields)
    refuseFraming(status, asked, framing)
    if (status < 200) {
      interim.push({ startLine, fields, framing: 'none', body: '', trailers: [] })
      continue
    }
    const body = readBody(cursor, isBodiless(status, asked) ? { kind: 'none' } : framing, ended)
    return body && { startLine, status, fields, interim, ...body }
  }
}

/** What must not stand in an answer to this request, though another reader may overlook it. */
function refuseFraming(status: number, asked: Asked, framing: Framing | undefined): void {
  const isEmpty = status < 200 || status === 204 || isTunnel(status, asked)
  if (isEmpty && framing !== undefined)
    throw new Violation(`a ${status} has no Content-Length or Transfer-Encoding`)
  if (asked.version === '1.0' && status < 200) throw new Violation('a 1xx answer to HTTP/1.0')
  if (asked.version === '1.0' && framing?.kind === 'chunked') throw new Violation('chunks to HTTP/1.0')
  if (status === 101) throw new Violation('an upgrade, which no row asks for')
}

function isBodiless(status: number, asked: Asked): boolean {
  return asked.method === 'HEAD' || status === 204 || status === 304 || isTunnel(status, asked)
}

function isTunnel(status: number, { method }: Asked): boolean {
  return method === 'CONNECT' && status >= 200 && status < 300
}

function readFields(cursor: Cursor): Field[] | undefined {
  const fields: Field[] = []
  for (;;) {
    const line = cursor.line()
    if (line === undefined) return undefined
    if (line === '') return fields
    const [, name, value] = fieldLine.exec(line) ?? []
    if (name === undefined || value === undefined)
      throw new Violation(`no field line: ${JSON.stringify(line)}`)
    fields.push([name, value])
  }
}

type Framing =
  | { readonly kind: 'length'; readonly length: number }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'none' }

/** RFC 9112 section 6.3; undefined where no field says how the message is framed. */
function framingOf(fields: readonly Field[]): Framing | undefined {
  const codings = valuesOf(fields, 'transfer-encoding')
  const lengths = valuesOf(fields, 'content-length')
  if (codings.length > 0 && lengths.length > 0) throw new Violation('a length beside a transfer coding')
  if (codings.length > 0) {
    if (codings.join(', ').toLowerCase() !== 'chunked')
      throw new Violation(`a transfer coding but one chunked: ${JSON.stringify(codings)}`)
    return { kind: 'chunked' }
  }
  if (lengths.length === 0) return undefined
  const [length] = lengths
  if (lengths.length > 1 || length === undefined || !/^\d{1,15}$/.test(length))
    throw new Violation(`no length: ${JSON.stringify(lengths)}`)
  return { kind: 'length', length: Number(length) }
}

type Body = Pick<Message, 'framing' | 'body' | 'trailers'>

function readBody(cursor: Cursor, framing: Framing | undefined, ended = false): Body | undefined {
  if (framing === undefined)
    return ended ? { framing: 'close', body: cursor.takeRest(), trailers: [] } : undefined
  if (framing.kind === 'none') return { framing: 'none', body: '', trailers: [] }
  if (framing.kind === 'chunked') return readChunks(cursor)
  const body = cursor.take(framing.length)
  return body === undefined ? undefined : { framing: 'length', body, trailers: [] }
}

function readChunks(cursor: Cursor): Body | undefined {
  let body = ''
  for (;;) {
    const line = cursor.line()
    if (line === undefined) return undefined
    const size = Number.parseInt(chunkLine.exec(line)?.[1] ?? '', 16)
    if (!Number.isSafeInteger(size)) throw new Violation(`no chunk size: ${JSON.stringify(line)}`)
    if (size === 0) break
    const data = cursor.take(size)
    const end = data === undefined ? undefined : cursor.take(2)
    if (data === undefined || end === undefined) return undefined
    if (end !== '\r\n') throw new Violation('a chunk is longer than it says')
    body += data
  }
  const trailers = readFields(cursor)
  return trailers && { framing: 'chunked', body, trailers }
}
