// A request of HTTP/1.1 as it is read from its connection, and the way to reply.
import type { Readable } from 'node:stream'
import { Refusal } from '../../shared/errors.ts'
import { hasHeader, headerValues, type RequestHead } from '../../shared/head.ts'
import type { Connection } from '../http/connection.ts'
import type { Framing, HttpVersion, Incoming } from '../http/incoming.ts'
import { refuseExpectation, refuseMethod } from '../http/served.ts'
import type { Upgrade } from '../http/upgrade.ts'
import { Http1Body, makeEmptyBody } from './body.ts'
import { makeBodyReader, readTogether, type BodyReader } from './body-reader.ts'
import { connectionOptions } from './connection-options.ts'
import type { Carrier } from './carrier.ts'
import { fieldLines, statusLine } from './head-text.ts'
import { Http1Reply } from './reply.ts'
import { offeredProtocols } from './served.ts'
import type { RequestHeadText } from './syntax.ts'
import { acceptKey } from './websocket-key.ts'

const none: readonly string[] = []

export class Http1Incoming implements Incoming {
  readonly head: RequestHead
  readonly version: HttpVersion
  readonly framing: Framing
  readonly reply: Http1Reply
  readonly upgrade: Upgrade | undefined
  /** Whether nothing behind it is a request. */
  readonly isLast: boolean
  readonly #carrier: Carrier
  readonly #reader: BodyReader | undefined
  #body: Readable | undefined
  #content: Buffer | undefined

  constructor(head: RequestHeadText, length: number | 'chunked', carrier: Carrier) {
    const { headers, version } = head
    this.head = head
    this.version = version
    this.#carrier = carrier
    this.framing = framingOf(headers, length)
    this.#reader = length === 0 ? undefined : makeBodyReader(length, carrier.maxHeadBytes, 'request')
    const { ends, hasUpgrade } = connectionOptions(headers, version)
    const protocols = hasUpgrade ? offeredProtocols(headers, version) : []
    if (protocols.length > 0) this.upgrade = { protocols, accept: (...granted) => this.#accept(...granted) }
    this.isLast = ends || hasUpgrade
    this.reply = new Http1Reply(this, carrier, this.isLast)
  }

  get connection(): Connection {
    return this.#carrier.connection
  }

  get content(): Buffer | undefined {
    return this.#content
  }

  get body(): Readable {
    return (this.#body ??= this.#makeBody())
  }

  get trailers(): readonly string[] {
    return this.#reader?.trailers ?? none
  }

  get isComplete(): boolean {
    return this.#reader === undefined || this.#reader.hasEnded
  }

  /** @throws {Refusal} `request_malformed` */
  refuseUnserved(): void {
    refuseMethod(this.head.method)
    // A body before the change could be taken for bytes after it.
    if (this.upgrade !== undefined && this.framing !== 'none')
      throw new Refusal('request_malformed', 'A request that asks for another protocol has no body.')
    // In HTTP/1.0 there are no expectations.
    if (this.version !== '1.0') refuseExpectation(this.head.headers)
  }

  /**
   * Takes what has come of the body.
   * @returns what is behind it, and whether more is wanted.
   * @throws {Malformed}
   */
  read(bytes: Buffer): { rest: Buffer; isTaken: boolean } {
    const reader = this.#reader as BodyReader
    let isTaken = true
    const taken = readTogether(reader, bytes, (part) => {
      // A stream for what is whole already would cost more than all else that is done with it.
      if (reader.hasEnded && this.#body === undefined) this.#content = part
      else isTaken = this.body.destroyed || this.body.push(part)
    })
    if (reader.hasEnded) this.#body?.push(null)
    return { rest: bytes.subarray(taken), isTaken }
  }

  #makeBody(): Readable {
    if (this.#reader === undefined) return makeEmptyBody()
    const body = new Http1Body(() => this.#carrier.readOn())
    if (this.#content !== undefined) body.push(this.#content)
    this.#content = undefined
    if (this.#reader.hasEnded) body.push(null)
    return body
  }

  onDrain(): void {
    this.reply.drained()
  }

  /** Nothing more comes, and nobody is there any more. */
  breakOff(): void {
    if (!this.isComplete) this.#body?.destroy()
    this.reply.left()
  }

  #accept(protocol: string, headers: readonly string[]) {
    const fields = [...headers, 'Connection', 'Upgrade', 'Upgrade', protocol, ...this.#acceptFor(headers)]
    const text = `${statusLine(101, 'Switching Protocols')}${fieldLines(fields)}\r\n`
    const { socket, ahead } = this.#carrier.release()
    socket.write(text, 'latin1')
    if (ahead.length > 0) socket.unshift(ahead)
    return socket
  }

  /** An upstream in HTTP/2 leaves that to who speaks HTTP/1.1 (RFC 8441 section 5). */
  #acceptFor(headers: readonly string[]): string[] {
    const [key] = headerValues(this.head.headers, 'sec-websocket-key')
    if (key === undefined || hasHeader(headers, 'sec-websocket-accept')) return []
    return ['Sec-WebSocket-Accept', acceptKey(key)]
  }
}

function framingOf(headers: readonly string[], length: number | 'chunked'): Framing {
  if (length === 'chunked') return 'open'
  return length === 0 && !hasHeader(headers, 'content-length') ? 'none' : length
}
