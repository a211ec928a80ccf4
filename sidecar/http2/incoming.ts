// A request as node:http2 took it, and the way to reply.
import { constants, type ServerHttp2Stream } from 'node:http2'
import { Refusal } from '../../shared/errors.ts'
import { filterHeaders, headerValues } from '../../shared/head.ts'
import type { Connection } from '../http/connection.ts'
import { contained, type Contained } from '../http/containment.ts'
import type { Framing, HttpVersion, Incoming, Reply, ReplyHead, Trailers } from '../http/incoming.ts'
import { refuseExpectation, refuseMethod } from '../http/served.ts'
import type { Upgrade } from '../http/upgrade.ts'
import { asObject, readRequestHead, writeReplyHead, type Http2Head } from './head.ts'
import { breakOff, watchEnd, type EndWatch } from './stream.ts'

export class Http2Incoming implements Incoming {
  readonly head: Http2Head
  readonly version: HttpVersion = '2.0'
  readonly connection: Connection
  readonly framing: Framing
  readonly body: ServerHttp2Stream
  readonly reply: Reply
  readonly upgrade: Upgrade | undefined
  readonly #end: EndWatch
  #trailers: readonly string[] = []

  /** @param within what an error of our own ends. */
  constructor(
    stream: ServerHttp2Stream,
    rawHeaders: readonly string[],
    connection: Connection,
    within: Contained,
  ) {
    this.head = readRequestHead(rawHeaders)
    this.connection = connection
    this.body = stream
    this.framing = framingOf(stream, this.head)
    this.#end = watchEnd(stream)
    stream.on('trailers', (_headers, _flags, raw) => (this.#trailers = raw))
    // Also of what nobody reads any more.
    stream.on('error', () => undefined)
    this.reply = new Http2Reply(stream, this, within)
    this.upgrade = makeUpgrade(stream, this.head)
  }

  get trailers(): readonly string[] {
    return this.#trailers
  }

  get isComplete(): boolean {
    return this.#end.hasEnded
  }

  refuseUnserved(): void {
    if (this.head.method === 'CONNECT' && this.upgrade === undefined) {
      throw new Refusal('request_malformed', 'CONNECT is not served over HTTP/2.')
    }
    refuseMethod(this.head.method)
    refuseExpectation(this.head.headers)
  }
}

/** RFC 8441: the stream itself becomes the other protocol's connection. */
function makeUpgrade(stream: ServerHttp2Stream, { protocol }: Http2Head): Upgrade | undefined {
  if (protocol === undefined) return undefined
  return {
    protocols: [protocol],
    accept(_protocol, headers) {
      const fields = filterHeaders(headers, (name) => name !== 'sec-websocket-accept')
      stream.respond(writeReplyHead(200, fields))
      return stream
    },
  }
}

function framingOf(stream: ServerHttp2Stream, { headers, protocol }: Http2Head): Framing {
  if (stream.endAfterHeaders || protocol !== undefined) return 'none'
  const [length] = headerValues(headers, 'content-length')
  return length === undefined ? 'open' : Number(length)
}

/** How long a client may go on with a request that is answered. */
const lingerMs = 1_000

class Http2Reply implements Reply {
  readonly #stream: ServerHttp2Stream
  readonly #incoming: Http2Incoming
  #status = 0
  #trailers: Trailers = []

  constructor(stream: ServerHttp2Stream, incoming: Http2Incoming, within: Contained) {
    this.#stream = stream
    this.#incoming = incoming
    const sendTrailers = contained(within, () => stream.sendTrailers(asObject(this.#trailers)))
    stream.once('wantTrailers', sendTrailers)
  }

  get isGone(): boolean {
    return this.#stream.destroyed || this.#stream.closed
  }

  get hasBegun(): boolean {
    return this.#stream.headersSent
  }

  get status(): number {
    return this.#status
  }

  /** Told once for all streams of the connection, when the sidecar drains. */
  closeConnection(): void {}

  invite(): void {
    const { headers } = this.#incoming.head
    if (headerValues(headers, 'expect').length > 0) this.inform(constants.HTTP_STATUS_CONTINUE, [])
  }

  inform(status: number, headers: readonly string[]): void {
    if (this.isGone || this.hasBegun) return
    const fields = asObject(pairsOf(writeReplyHead(status, headers).slice(2)))
    this.#stream.additionalHeaders({ ':status': status, ...fields })
  }

  begin({ status, headers }: ReplyHead, isEmpty: boolean): void {
    this.#status = status
    const list = writeReplyHead(status, headers)
    this.#stream.respond(list, { endStream: isEmpty, waitForTrailers: !isEmpty })
  }

  write(chunk: Buffer): boolean {
    return this.#stream.write(chunk)
  }

  onDrain(listener: () => void): void {
    this.#stream.on('drain', listener)
  }

  end(trailers: Trailers, done: (error?: Error | null) => void): void {
    this.#trailers = trailers
    this.#stream.end((error?: Error | null) => {
      done(error)
      this.#leaveRest()
    })
  }

  send({ status, headers }: ReplyHead, body: string): void {
    this.#status = status
    const isEmpty = body === '' || this.#incoming.head.method === 'HEAD'
    this.#stream.respond(writeReplyHead(status, headers), { endStream: isEmpty })
    if (isEmpty) this.#leaveRest()
    else this.#stream.end(body, () => this.#leaveRest())
  }

  /**
   * RFC 9113 section 8.1: what still comes of a request that is answered is not wanted. Clients lose an answer that a reset
   * follows at once; most of them are about to end their request anyway.
   */
  #leaveRest(): void {
    const stream = this.#stream
    if (this.#incoming.isComplete || this.isGone) return
    stream.resume()
    const timer = setTimeout(() => stream.close(constants.NGHTTP2_NO_ERROR), lingerMs)
    stream.once('close', () => clearTimeout(timer))
  }

  breakOff(): void {
    breakOff(this.#stream)
  }

  onceClosed(listener: () => void): void {
    this.#stream.once('close', listener)
  }

  offClosed(listener: () => void): void {
    this.#stream.off('close', listener)
  }
}

function pairsOf(list: readonly string[]): [string, string][] {
  return Array.from({ length: list.length / 2 }, (_, i) => [list[2 * i] as string, list[2 * i + 1] as string])
}
