// A request to an upstream in HTTP/1.1, and the answer that comes.
import type { Readable } from 'node:stream'
import { hasHeader, headerValues } from '../../shared/head.ts'
import { invalidAnswer, resetByUpstream, unreachable, unreadable } from '../http/failures.ts'
import type { Sent } from '../http/forwarding.ts'
import type { Framing, Incoming, Trailers } from '../http/incoming.ts'
import type { Answer, Outgoing, OutgoingEvents } from '../http/outgoing.ts'
import { tokensOf } from '../http/served.ts'
import { ifSilent } from '../http/silence.ts'
import { isOffered, type Upgrade } from '../http/upgrade.ts'
import { wantsOtherProtocol, type Destination } from '../upstream/dial.ts'
import { Http1Body, makeEmptyBody } from './body.ts'
import { connectionOptions } from './connection-options.ts'
import { HeadTooLarge } from './head-buffer.ts'
import { fieldLine, fieldLines, requestLine } from './head-text.ts'
import { MessageWriter, type MessageOwner } from './message-writer.ts'
import type { Http1Pool } from './pool.ts'
import { Malformed, type AnswerHeadText, type BodyLength } from './syntax.ts'
import type { Exchanging, UpstreamConnection } from './upstream-connection.ts'
import { makeKey } from './websocket-key.ts'

/** Methods whose requests mostly have no body: for others it is said that there is none (RFC 9110 section 8.6). */
const bodiless: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS'])

/**
 * @param poolKey of the destination, as `keyOf` has it.
 * @throws {Error} what cannot be sent.
 */
export function openHttp1(sent: Sent, pool: Http1Pool, poolKey: string, events: OutgoingEvents): Outgoing {
  const { forwarding, onNewConnection } = sent
  const head = headOf(sent)
  const isAlone = onNewConnection || forwarding.incoming.upgrade !== undefined
  const destination = destinationOf(sent)
  const connection = isAlone ? pool.open(destination, poolKey) : pool.take(destination, poolKey)
  return new Http1Outgoing({ sent, pool, poolKey, head, connection, events })
}

/** The pool keeps it as long as the connection; the rest of a request ends with it. */
function destinationOf({ forwarding }: Sent): Destination {
  const { upstream, lookup, choice, security, timeouts, dialMs } = forwarding
  return { upstream, lookup, choice, security, timeouts, ...(dialMs === undefined ? undefined : { dialMs }) }
}

function headOf({ forwarding, framing }: Sent): string {
  const { incoming, path, headers } = forwarding
  const { method } = incoming.head
  let text = requestLine(method, path)
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    // It announces what only a chunked body can have.
    if (framing !== 'open' && name.length === 7 && name.toLowerCase() === 'trailer') continue
    text += fieldLine(name, headers[i + 1] as string)
  }
  return `${text}${framed(method, framing)}${connectionLines(incoming, headers)}\r\n`
}

/** A length is among the headers that pass. */
function framed(method: string, framing: Framing): string {
  if (framing === 'open') return 'Transfer-Encoding: chunked\r\n'
  return framing === 'none' && !bodiless.has(method) ? 'Content-Length: 0\r\n' : ''
}

function connectionLines(incoming: Incoming, headers: readonly string[]): string {
  const trailers = trailersWanted(incoming) ? 'TE: trailers\r\nConnection: TE\r\n' : ''
  if (incoming.upgrade !== undefined) return trailers + upgrading(incoming.upgrade, headers)
  return trailers === '' ? 'Connection: keep-alive\r\n' : trailers
}

/** RFC 9110 section 10.1.4: trailers pass here; other codings concern the client's own connection. */
function trailersWanted({ head }: Incoming): boolean {
  return headerValues(head.headers, 'te').some((value) => /(?:^|,)[ \t]*trailers[ \t]*(?:,|$)/i.test(value))
}

/** Who asks in HTTP/2 gives no key (RFC 8441 section 5). */
function upgrading(upgrade: Upgrade, headers: readonly string[]): string {
  const needsKey = isOffered(upgrade.protocols, 'websocket') && !hasHeader(headers, 'sec-websocket-key')
  const key = needsKey ? ['Sec-WebSocket-Key', makeKey()] : []
  return fieldLines([...key, 'Connection', 'Upgrade', 'Upgrade', upgrade.protocols.join(', ')])
}

interface Opened {
  readonly sent: Sent
  readonly pool: Http1Pool
  readonly poolKey: string
  readonly head: string
  readonly connection: UpstreamConnection
  readonly events: OutgoingEvents
}

class Http1Outgoing implements Outgoing, Exchanging, MessageOwner {
  readonly method: string
  readonly #opened: Opened
  readonly #connection: UpstreamConnection
  readonly #events: OutgoingEvents
  readonly #writer: MessageWriter
  #isEnded = false
  #isOver = false
  #answer: Http1Answer | undefined
  #drainListeners: (() => void)[] = []

  constructor(opened: Opened) {
    const { sent, connection, events } = opened
    this.#opened = opened
    this.#connection = connection
    this.#events = events
    this.#writer = new MessageWriter(connection.socket, this)
    this.method = sent.forwarding.incoming.head.method
    const { idleMs } = sent.forwarding.timeouts
    if (connection.socket.timeout !== idleMs) connection.socket.setTimeout(idleMs)
    connection.begin(this)
    // Nobody has been told of this yet.
    if (connection.isConnected) queueMicrotask(() => this.onConnected())
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  get hasAsked(): boolean {
    return this.#writer.isOut
  }

  onConnected(): void {
    if (this.#isOver) return
    const { sent, head } = this.#opened
    this.#writer.begin(head, sent.framing === 'open')
    if (sent.framing === 'none') {
      this.#isEnded = true
      this.#writer.end([])
    }
    this.#events.onReady()
  }

  write(chunk: Buffer): boolean {
    return this.#writer.write(chunk)
  }

  onDrain(listener?: () => void): void {
    if (listener !== undefined) this.#drainListeners.push(listener)
    else for (const each of this.#drainListeners) each()
  }

  offDrain(listener: () => void): void {
    this.#drainListeners = this.#drainListeners.filter((each) => each !== listener)
  }

  end(trailers: Trailers): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#writer.end(trailers)
    this.#letGo()
  }

  onWritten(): void {
    // It goes on with the answer.
  }

  fault(error: unknown): void {
    this.#connection.fault(error)
  }

  abandon(): void {
    if (this.#isOver && this.#answer?.isWhole === true) return
    this.#isOver = true
    this.#connection.destroy()
  }

  onInformation({ status, headers }: AnswerHeadText): void {
    if (!this.#isOver) this.#events.onInformation(status, headers)
  }

  onSwitch({ headers }: AnswerHeadText): boolean {
    if (this.#opened.sent.forwarding.incoming.upgrade === undefined) return false
    const ahead = this.#connection.release()
    const { socket } = this.#connection
    if (this.#isOver) {
      socket.destroy()
      return true
    }
    this.#isOver = true
    if (ahead.length > 0) socket.unshift(ahead)
    const [protocol = ''] = tokensOf(headers, 'upgrade')
    this.#events.onUpgrade({ protocol, headers, bytes: socket })
    return true
  }

  onHead(head: AnswerHeadText, length: BodyLength, content: Buffer | undefined): void {
    if (this.#isOver) return
    this.#answer = new Http1Answer(head, length, content, this.#connection)
    this.#events.onAnswer(this.#answer)
    if (content !== undefined) this.#letGo()
  }

  onBody(part: Buffer): boolean {
    return this.#answer === undefined || this.#answer.push(part)
  }

  onEnd(trailers: readonly string[]): void {
    this.#answer?.end(trailers)
    this.#letGo()
  }

  onFailure(error: Error): void {
    const answer = this.#answer
    if (answer?.isWhole === true) {
      // It has come before the whole request was sent, which nobody takes any more.
      this.#isOver = true
      return
    }
    if (answer !== undefined) answer.breakOff()
    if (this.#isOver) return
    this.#isOver = true
    if (answer === undefined) this.#events.onFailure(this.#failure(error))
    else this.#events.onBroken()
  }

  onFault(error: unknown): void {
    this.#answer?.breakOff()
    if (this.#isOver) return
    this.#isOver = true
    this.#events.onFault(error)
  }

  onSilence(): void {
    ifSilent(this.#connection.socket, () => {
      if (!this.#isOver) this.#events.onIdle()
    })
  }

  /** When both the request and the answer are whole. */
  #letGo(): void {
    const answer = this.#answer
    if (this.#isOver || answer === undefined || !answer.isWhole || !this.#isEnded) return
    this.#isOver = true
    const connection = this.#connection
    if (answer.endsConnection || !connection.isClean) connection.destroy()
    else this.#opened.pool.keep(this.#opened.poolKey, connection, keepAliveHintMs(answer.headers))
  }

  #failure(error: NodeJS.ErrnoException) {
    if (error instanceof Malformed || error instanceof HeadTooLarge) return unreadable('1.1', error)
    const { isConnected, hasHeard } = this.#connection
    const { code } = error
    const isReset = code === 'ECONNRESET' || code === 'EPIPE'
    if (isConnected && isReset) return resetByUpstream(error, hasHeard, this.hasAsked)
    if (isConnected && code === undefined) return invalidAnswer()
    const isUnsent = code === 'ECONNREFUSED' || (!isConnected && isReset) || wantsOtherProtocol(error)
    return unreachable(error, isUnsent)
  }
}

/** How long the upstream says that it keeps the connection, in milliseconds (RFC 2068 section 19.7.1.1: in any order). */
export function keepAliveHintMs(headers: readonly string[]): number {
  for (const value of headerValues(headers, 'keep-alive')) {
    const seconds = /(?:^|,)[ \t]*timeout[ \t]*=[ \t]*"?(\d{1,9})(?!\d)/i.exec(value)?.[1]
    if (seconds !== undefined) return Number(seconds) * 1_000
  }
  return Infinity
}

class Http1Answer implements Answer {
  readonly status: number
  readonly reason: string
  readonly headers: readonly string[]
  readonly content: Buffer | undefined
  /** Of an empty body and of none the same is seen. */
  readonly isEmpty = false
  /** RFC 9112 section 6.3: what has none is no answer. */
  readonly hasCertainEnd = true
  readonly endsConnection: boolean
  readonly #connection: UpstreamConnection
  #body: Readable | undefined
  #trailers: readonly string[] = []
  #isWhole: boolean

  constructor(
    head: AnswerHeadText,
    length: BodyLength,
    content: Buffer | undefined,
    connection: UpstreamConnection,
  ) {
    this.status = head.status
    this.reason = head.reason
    this.headers = head.headers
    this.content = content
    this.#connection = connection
    this.#isWhole = content !== undefined
    this.endsConnection = length === 'close' || connectionOptions(head.headers, head.version).ends
  }

  get body(): Readable {
    this.#body ??= this.#makeBody()
    return this.#body
  }

  get trailers(): readonly string[] {
    return this.#trailers
  }

  get isWhole(): boolean {
    return this.#isWhole
  }

  push(part: Buffer): boolean {
    const { body } = this
    return body.destroyed || body.push(part)
  }

  end(trailers: readonly string[]): void {
    this.#trailers = trailers
    this.#isWhole = true
    this.body.push(null)
  }

  breakOff(): void {
    this.body.destroy()
  }

  #makeBody(): Readable {
    if (this.content === undefined) return new Http1Body(() => this.#connection.readOn())
    const body = makeEmptyBody()
    if (this.content.length > 0) body.unshift(this.content)
    return body
  }
}
