// A request as node:http took it, and the way to reply.
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { filterHeaders, hasHeader, headerValues, type RequestHead } from '../../shared/head.ts'
import type { Connection } from '../http/connection.ts'
import type { Framing, HttpVersion, Incoming, Reply, ReplyHead, Trailers } from '../http/incoming.ts'
import type { Upgrade } from '../http/upgrade.ts'
import { flushSoon } from './flush.ts'
import { lengthLast } from './length-last.ts'
import { endsConnection, offeredProtocols, refuseUnserved } from './served.ts'
import { resetConnection } from './reset.ts'
import { acceptKey } from './websocket-key.ts'

export class Http1Incoming implements Incoming {
  readonly head: RequestHead
  readonly version: HttpVersion
  readonly connection: Connection
  readonly framing: Framing
  readonly body: IncomingMessage
  readonly reply: Reply
  readonly upgrade: Upgrade | undefined

  /** @param upgraded where the client asks for another protocol: its connection, and what it sent ahead. */
  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    connection: Connection,
    upgraded?: Upgraded,
  ) {
    const { method, url, rawHeaders } = request
    this.head = { method: method as string, target: url as string, headers: rawHeaders }
    this.version = request.httpVersion as HttpVersion
    this.connection = connection
    this.framing = framingOf(rawHeaders)
    this.body = request
    this.reply = new Http1Reply(response)
    this.upgrade = upgraded && makeUpgrade(request, response, upgraded)
    if (endsConnection(request)) response.shouldKeepAlive = false
  }

  get trailers(): readonly string[] {
    return this.body.rawTrailers
  }

  get isComplete(): boolean {
    return this.body.complete
  }

  refuseUnserved(): void {
    refuseUnserved(this.body)
  }
}

/** A connection that node:http has handed over. */
export interface Upgraded {
  readonly socket: Socket
  readonly head: Buffer
}

function makeUpgrade(
  request: IncomingMessage,
  response: ServerResponse,
  { socket, head }: Upgraded,
): Upgrade {
  return {
    protocols: offeredProtocols(request),
    accept(protocol, headers) {
      response.detachSocket(socket)
      const fields = [
        ...headers,
        'Connection',
        'Upgrade',
        'Upgrade',
        protocol,
        ...acceptFor(request, headers),
      ]
      let text = 'HTTP/1.1 101 Switching Protocols\r\n'
      for (let i = 0; i < fields.length; i += 2) text += `${fields[i]}: ${fields[i + 1]}\r\n`
      socket.write(`${text}\r\n`, 'latin1')
      if (head.length > 0) socket.unshift(head)
      return socket
    },
  }
}

/** An upstream in HTTP/2 leaves that to who speaks HTTP/1.1 (RFC 8441 section 5). */
function acceptFor(request: IncomingMessage, headers: readonly string[]): string[] {
  const [key] = headerValues(request.rawHeaders, 'sec-websocket-key')
  if (key === undefined || hasHeader(headers, 'sec-websocket-accept')) return []
  return ['Sec-WebSocket-Accept', acceptKey(key)]
}

function framingOf(headers: readonly string[]): Framing {
  if (hasHeader(headers, 'transfer-encoding')) return 'open'
  const [length] = headerValues(headers, 'content-length')
  return length === undefined ? 'none' : Number(length)
}

class Http1Reply implements Reply {
  readonly #response: ServerResponse
  #hasBody = false

  constructor(response: ServerResponse) {
    this.#response = response
  }

  get isGone(): boolean {
    return this.#response.destroyed
  }

  get hasBegun(): boolean {
    return this.#response.headersSent
  }

  get status(): number {
    return this.#response.statusCode
  }

  closeConnection(): void {
    this.#response.shouldKeepAlive = false
  }

  /** In HTTP/1.0 none waits. */
  invite(): void {
    const { httpVersion, rawHeaders } = this.#response.req
    if (httpVersion === '1.1' && hasHeader(rawHeaders, 'expect')) this.#response.writeContinue()
  }

  /** It cannot be held back, so to a client that does not read it is not sent: endless ones would fill the memory. */
  inform(status: number, headers: readonly string[]): void {
    const response = this.#response
    if (response.req.httpVersion !== '1.1' || response.socket?.writableNeedDrain !== false) return
    response.writeInformation(status, [...headers])
  }

  begin({ status, reason, headers }: ReplyHead, _isEmpty: boolean): void {
    const response = this.#response
    // The rest of a request that is answered early is not read.
    if (!response.req.complete) response.shouldKeepAlive = false
    // Node would believe the TE of a client that cannot know of it (RFC 9112 section 7.1).
    if (response.req.httpVersion === '1.0') response.useChunkedEncodingByDefault = false
    response.writeHead(status, reason, lengthLast(this.#fitting(status, headers)))
    flushSoon(response, () => this.#hasBody)
  }

  /** Without what says something about a body that is not sent like that. */
  #fitting(status: number, headers: readonly string[]): string[] {
    const isEmpty = status === 204
    const { method, httpVersion } = this.#response.req
    const isInChunks = httpVersion === '1.1' && method !== 'HEAD' && !isEmpty && status !== 304
    const hasLength = hasHeader(headers, 'content-length')
    return filterHeaders(headers, (name) => {
      if (name === 'content-length') return !isEmpty
      return name !== 'trailer' || (isInChunks && !hasLength)
    })
  }

  write(chunk: Buffer): boolean {
    this.#hasBody = true
    return this.#response.write(chunk)
  }

  onDrain(listener: () => void): void {
    this.#response.on('drain', listener)
  }

  end(trailers: Trailers, done: (error?: Error | null) => void): void {
    if (trailers.length > 0) this.#response.addTrailers(trailers as [string, string][])
    this.#response.end(done)
  }

  send({ status, reason, headers }: ReplyHead, body: string): void {
    const response = this.#response
    if (!response.req.complete && this.#awaitsBody()) response.shouldKeepAlive = false
    // A reason that Node did not take before would be taken up again.
    response.writeHead(status, reason === '' ? STATUS_CODES[status] : reason, [...headers])
    response.end(response.req.method === 'HEAD' || body === '' ? undefined : body)
  }

  #awaitsBody(): boolean {
    const framing = framingOf(this.#response.req.rawHeaders)
    return framing !== 'none' && framing !== 0
  }

  /** In HTTP/1.0 the end of the connection is the end of the answer: only a reset tells that it was not. */
  breakOff(): void {
    const response = this.#response
    if (response.req.httpVersion === '1.0') resetConnection(response.socket)
    response.destroy()
  }

  onceClosed(listener: () => void): void {
    this.#response.once('close', listener)
  }

  offClosed(listener: () => void): void {
    this.#response.off('close', listener)
  }
}
