// A request to an upstream in HTTP/1.1, by node:http.
import { request as requestHttp, type ClientRequest, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { filterHeaders, hasHeader, headerValues } from '../../shared/head.ts'
import type { Framing, Incoming, Trailers } from '../http/incoming.ts'
import { invalidAnswer, resetByUpstream, unreachable, unreadable } from '../http/failures.ts'
import type { Sent } from '../http/forwarding.ts'
import type { Answer, Outgoing, OutgoingEvents } from '../http/outgoing.ts'
import { tokensOf } from '../http/served.ts'
import { ifSilent } from '../http/silence.ts'
import { isOffered, type Upgrade } from '../http/upgrade.ts'
import { connectedEvent, wantsOtherProtocol } from '../upstream/dial.ts'
import { flushSoon } from './flush.ts'
import { lengthLast } from './length-last.ts'
import type { Http1Pool, PoolOptions } from './pool.ts'
import { isChunked } from './served.ts'
import { makeKey } from './websocket-key.ts'

/** Room for what apps really send: 64 KiB of headers and some. */
const maxResponseHeaderBytes = 128 * 1024
/** Methods for which Node sends no body unless told so; for all others it would send an empty chunked one. */
const bodiless: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS'])

/** @param poolKey of the destination, as `keyOf` has it. */
export function openHttp1(sent: Sent, pool: Http1Pool, poolKey: string, events: OutgoingEvents): Outgoing {
  const { forwarding, framing, onNewConnection } = sent
  const { incoming, upstream, lookup, choice, security, timeouts, dialMs, path, headers } = forwarding
  const { method } = incoming.head
  // The pool keeps it as long as the connection; the rest of a request ends with it.
  const destination = {
    upstream,
    lookup,
    choice,
    security,
    timeouts,
    ...(dialMs === undefined ? undefined : { dialMs }),
  }
  const isAlone = onNewConnection || incoming.upgrade !== undefined
  const options: PoolOptions = {
    host: upstream.host,
    port: upstream.port,
    method,
    path,
    ...(isAlone ? { createConnection: () => pool.dial(destination) } : { agent: pool }),
    destination,
    poolKey,
    headers: lengthLast([
      ...fitting(headers, framing),
      ...framed(method, framing),
      ...trailersWanted(incoming),
      ...upgrading(incoming.upgrade, headers),
    ]),
    setHost: false,
    insecureHTTPParser: false,
    maxHeaderSize: maxResponseHeaderBytes,
  }
  const request = requestHttp(options)
  // Node drops what is beyond this in silence; their size is bounded.
  request.maxHeadersCount = 0
  return new Http1Outgoing(request, sent, events)
}

/** A length is among the headers that pass. */
function framed(method: string, framing: Framing): string[] {
  if (framing === 'open') return ['Transfer-Encoding', 'chunked']
  return framing === 'none' && !bodiless.has(method) ? ['Content-Length', '0'] : []
}

/** `Trailer` announces what only a chunked body can have. */
function fitting(headers: readonly string[], framing: Framing): string[] {
  return filterHeaders(headers, (name) => name !== 'trailer' || framing === 'open')
}

/** RFC 9110 section 10.1.4: trailers pass here; other codings concern the client's own connection. */
function trailersWanted({ head }: Incoming): string[] {
  const wanted = headerValues(head.headers, 'te').some((value) =>
    /(?:^|,)[ \t]*trailers[ \t]*(?:,|$)/i.test(value),
  )
  return wanted ? ['TE', 'trailers', 'Connection', 'TE'] : []
}

/** Who asks in HTTP/2 gives no key (RFC 8441 section 5). */
function upgrading(upgrade: Upgrade | undefined, headers: readonly string[]): string[] {
  if (upgrade === undefined) return []
  const needsKey = isOffered(upgrade.protocols, 'websocket') && !hasHeader(headers, 'sec-websocket-key')
  const key = needsKey ? ['Sec-WebSocket-Key', makeKey()] : []
  return [...key, 'Connection', 'Upgrade', 'Upgrade', upgrade.protocols.join(', ')]
}

class Http1Outgoing implements Outgoing {
  readonly #request: ClientRequest
  readonly #sent: Sent
  readonly #events: OutgoingEvents
  #socket: Socket | undefined
  /** What the connection had read before this request. */
  #bytesReadBefore = 0
  #isConnected = false
  #hasBody = false
  #answer: IncomingMessage | undefined
  #isOver = false

  constructor(request: ClientRequest, sent: Sent, events: OutgoingEvents) {
    this.#request = request
    this.#sent = sent
    this.#events = events
    const { idleMs } = sent.forwarding.timeouts
    if (idleMs > 0) request.setTimeout(idleMs).on('timeout', () => this.#onIdle())
    request.once('socket', (socket) => this.#onSocket(socket))
    request.on('information', ({ statusCode, rawHeaders }) => events.onInformation(statusCode, rawHeaders))
    request.once('response', (answer) => this.#onAnswer(answer))
    if (sent.forwarding.incoming.upgrade !== undefined) {
      request.once('upgrade', (answer, socket, head) => this.#onUpgrade(answer, socket, head))
    }
    request.on('error', (error) => this.#onError(error))
    request.once('close', () => this.#onClose())
    if (sent.framing === 'none') request.end()
  }

  get isEnded(): boolean {
    return this.#request.writableEnded
  }

  write(chunk: Buffer): boolean {
    this.#hasBody = true
    return this.#request.write(chunk)
  }

  onDrain(listener: () => void): void {
    this.#request.on('drain', listener)
  }

  offDrain(listener: () => void): void {
    this.#request.off('drain', listener)
  }

  end(trailers: Trailers): void {
    if (this.#sent.framing === 'open' && trailers.length > 0) {
      this.#request.addTrailers(trailers as [string, string][])
    }
    this.#request.end()
  }

  abandon(): void {
    this.#isOver = true
    this.#request.destroy()
  }

  #onSocket(socket: Socket): void {
    this.#socket = socket
    this.#bytesReadBefore = socket.bytesRead
    if (!socket.connecting) {
      this.#ready()
      return
    }
    socket.once(connectedEvent(socket), () => this.#ready())
  }

  #ready(): void {
    this.#isConnected = true
    if (this.#isOver) return
    if (this.#sent.framing !== 'none') flushSoon(this.#request, () => this.#hasBody)
    this.#events.onReady()
  }

  #onAnswer(answer: IncomingMessage): void {
    if (this.#isOver) return
    this.#answer = answer
    this.#events.onAnswer(new Http1Answer(answer))
  }

  #onUpgrade({ rawHeaders }: IncomingMessage, socket: Socket, head: Buffer): void {
    if (this.#isOver) {
      socket.destroy()
      return
    }
    this.#isOver = true
    socket.setTimeout(0)
    if (head.length > 0) socket.unshift(head)
    const [protocol = ''] = tokensOf(rawHeaders, 'upgrade')
    this.#events.onUpgrade({ protocol, headers: rawHeaders, bytes: socket })
  }

  #onIdle(): void {
    if (this.#socket === undefined) return
    ifSilent(this.#socket, () => {
      if (!this.#isOver) this.#events.onIdle()
    })
  }

  #onError(error: NodeJS.ErrnoException): void {
    if (this.#isOver) return
    const answer = this.#answer
    if (answer === undefined) this.#fail(this.#failure(error))
    // What comes behind a whole answer spoils the connection, not the answer. One that only the end of its connection
    // ends was not whole (RFC 9112 section 8), though Node will say so: it is broken off before Node does.
    else if (!answer.complete || (endsWithConnection(answer) && !isUnreadable(error))) this.#events.onBroken()
  }

  #onClose(): void {
    if (this.#answer === undefined) this.#fail(invalidAnswer())
  }

  #fail(refusal: Parameters<OutgoingEvents['onFailure']>[0]): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#events.onFailure(refusal)
  }

  #failure(error: NodeJS.ErrnoException) {
    const { code } = error
    if (isUnreadable(error)) return unreadable('1.1', error)
    const isReset = code === 'ECONNRESET' || code === 'EPIPE'
    if (this.#isConnected && isReset) return resetByUpstream(error, this.#hasHeard())
    const isUnsent = code === 'ECONNREFUSED' || (!this.#isConnected && isReset) || wantsOtherProtocol(error)
    return unreachable(error, isUnsent)
  }

  /** Whether a byte of an answer has come. */
  #hasHeard(): boolean {
    return this.#socket !== undefined && this.#socket.bytesRead > this.#bytesReadBefore
  }
}

class Http1Answer implements Answer {
  readonly body: IncomingMessage

  constructor(answer: IncomingMessage) {
    this.body = answer
  }

  get status(): number {
    return this.body.statusCode as number
  }

  get reason(): string {
    return this.body.statusMessage ?? ''
  }

  get headers(): readonly string[] {
    return this.body.rawHeaders
  }

  get trailers(): readonly string[] {
    return this.body.rawTrailers
  }

  /** Of an empty body and of none the same is seen. */
  get isEmpty(): boolean {
    return false
  }

  get isWhole(): boolean {
    return this.body.complete
  }

  /** RFC 9112 section 6.3. */
  get hasCertainEnd(): boolean {
    const { rawHeaders, httpVersion } = this.body
    const codings = headerValues(rawHeaders, 'transfer-encoding')
    if (httpVersion !== '1.1' && httpVersion !== '1.0') return false
    if (codings.length === 0) return headerValues(rawHeaders, 'content-length').length <= 1
    if (hasHeader(rawHeaders, 'content-length')) return false
    return httpVersion === '1.1' && isChunked(codings)
  }
}

/** Whether nothing but the end of the connection tells where the answer ends (RFC 9112 section 6.3). */
function endsWithConnection({ rawHeaders }: IncomingMessage): boolean {
  return !hasHeader(rawHeaders, 'content-length') && !hasHeader(rawHeaders, 'transfer-encoding')
}

/** What came is not HTTP, or not that of its place. */
function isUnreadable(error: NodeJS.ErrnoException): boolean {
  return error.code?.startsWith('HPE_') === true
}
