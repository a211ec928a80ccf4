// A request to an upstream in HTTP/2, by node:http2.
import { STATUS_CODES } from 'node:http'
import {
  constants,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
} from 'node:http2'
import { headerValues } from '../../shared/head.ts'
import { contained, type Contained } from '../http/containment.ts'
import { invalidAnswer, resetByUpstream, turnedAway, unreadable } from '../http/failures.ts'
import type { Forwarding, Sent } from '../http/forwarding.ts'
import type { Trailers } from '../http/incoming.ts'
import type { Answer, Outgoing, OutgoingEvents } from '../http/outgoing.ts'
import { tokensOf } from '../http/served.ts'
import type { Upgrade } from '../http/upgrade.ts'
import { asObject, plainFields, writeRequestHead, type RequestLine } from './head.ts'
import { outlive } from './outlive.ts'
import type { Lease } from './sessions.ts'
import { cancel, onSilence, watchEnd, type EndWatch } from './stream.ts'

const endStreamFlag = constants.NGHTTP2_FLAG_END_STREAM

/** @throws {Refusal} `upstream_invalid`: the upstream takes no change of protocol; or what cannot be sent. */
export function openHttp2(sent: Sent, lease: Lease, events: OutgoingEvents): Outgoing {
  try {
    const stream = request(sent, lease)
    outlive(lease.session, stream)
    stream.once('close', () => lease.release())
    return new Http2Outgoing(stream, sent, lease, events)
  } catch (error) {
    lease.release()
    throw error
  }
}

function request({ forwarding, framing }: Sent, lease: Lease): ClientHttp2Stream {
  const { incoming, headers } = forwarding
  const wantsTrailers = tokensOf(incoming.head.headers, 'te').some((token) => /^trailers$/i.test(token))
  const list = writeRequestHead(
    lineOf(forwarding, lease),
    wantsTrailers ? [...headers, 'te', 'trailers'] : headers,
  )
  const hasBody = framing !== 'none'
  const endStream = !hasBody && incoming.upgrade === undefined
  return lease.session.request(list, { endStream, waitForTrailers: hasBody })
}

function lineOf({ incoming, upstream, path }: Forwarding, { session }: Lease): RequestLine {
  const { head, upgrade } = incoming
  const line = { method: head.method, scheme: upstream.tls ? 'https' : 'http', path } as const
  if (upgrade === undefined) return line
  if (session.remoteSettings.enableConnectProtocol !== true) throw invalidAnswer()
  return { ...line, method: 'CONNECT', protocol: upgrade.protocols[0] }
}

type Fields = IncomingHttpHeaders & IncomingHttpStatusHeader

class Http2Outgoing implements Outgoing, Contained {
  readonly #stream: ClientHttp2Stream
  readonly #lease: Lease
  readonly #events: OutgoingEvents
  readonly #end: EndWatch
  readonly #upgrade: Upgrade | undefined
  #trailers: Trailers = []
  #answer: Http2Answer | undefined
  #hasHeard = false
  #isOver = false
  #error: Error | undefined

  constructor(stream: ClientHttp2Stream, { forwarding }: Sent, lease: Lease, events: OutgoingEvents) {
    this.#stream = stream
    this.#lease = lease
    this.#events = events
    this.#end = watchEnd(stream)
    this.#upgrade = forwarding.incoming.upgrade
    const sendTrailers = contained(this, () => stream.sendTrailers(asObject(this.#trailers)))
    onSilence(
      stream,
      forwarding.timeouts.idleMs,
      contained(this, () => this.#onIdle()),
    )
    stream.once('wantTrailers', sendTrailers)
    stream.on('headers', this.#onHeaders).once('response', this.#onResponse).on('trailers', this.#onTrailers)
    stream.on('error', (error) => (this.#error = error))
    stream.once('close', this.#onClose)
    // Nobody has been told of this yet: a body is asked for when it has somebody to go to.
    queueMicrotask(this.#onReady)
  }

  readonly #onHeaders = contained(this, (headers: Fields, _flags: number, raw: string[]) =>
    this.#onInformation(Number(headers[':status']), raw),
  )
  readonly #onResponse = contained(this, (headers: Fields, flags: number, raw: string[]) =>
    this.#onAnswer(Number(headers[':status']), flags, raw),
  )
  readonly #onTrailers = contained(this, (_headers: Fields, _flags: number, raw: string[]) =>
    this.#answer?.keepTrailers(plainFields(raw)),
  )
  readonly #onReady = contained(this, () => {
    if (!this.#isOver) this.#events.onReady()
  })

  fault(error: unknown): void {
    this.abandon()
    this.#events.onFault(error)
  }

  get isEnded(): boolean {
    return this.#stream.writableEnded
  }

  write(chunk: Buffer): boolean {
    return this.#stream.write(chunk)
  }

  onDrain(listener: () => void): void {
    this.#stream.on('drain', listener)
  }

  offDrain(listener: () => void): void {
    this.#stream.off('drain', listener)
  }

  end(trailers: Trailers): void {
    this.#trailers = trailers
    this.#stream.end()
  }

  abandon(isLate?: boolean): void {
    this.#isOver = true
    if (isLate === true) this.#lease.doubt()
    cancel(this.#stream)
  }

  #onInformation(status: number, raw: readonly string[]): void {
    this.#hasHeard = true
    if (!this.#isOver) this.#events.onInformation(status, plainFields(raw))
  }

  #onAnswer(status: number, flags: number, raw: readonly string[]): void {
    if (this.#isOver) return
    if (this.#upgrade !== undefined && status >= 200 && status < 300) {
      this.#isOver = true
      this.#stream.setTimeout(0)
      const [protocol = ''] = this.#upgrade.protocols
      this.#events.onUpgrade({ protocol, headers: plainFields(raw), bytes: this.#stream })
      return
    }
    this.#answer = new Http2Answer(this.#stream, this.#end, {
      status,
      headers: plainFields(raw),
      isEmpty: (flags & endStreamFlag) !== 0,
    })
    this.#events.onAnswer(this.#answer)
  }

  #onIdle(): void {
    if (!this.#isOver) this.#events.onIdle()
  }

  /** What becomes of an answer that has begun shows in its body. */
  readonly #onClose = contained(this, () => {
    if (this.#isOver || this.#answer !== undefined) return
    this.#isOver = true
    this.#events.onFailure(this.#failure())
  })

  #failure() {
    const { rstCode } = this.#stream
    const cause = this.#error ?? new Error(`the stream was reset with code ${rstCode}`)
    if (rstCode === constants.NGHTTP2_REFUSED_STREAM) return turnedAway(cause)
    if (rstCode === constants.NGHTTP2_PROTOCOL_ERROR) return unreadable('2', cause)
    if (this.#end.hasEnded) return invalidAnswer()
    return resetByUpstream(cause, this.#hasHeard)
  }
}

interface AnswerHead {
  readonly status: number
  readonly headers: readonly string[]
  readonly isEmpty: boolean
}

class Http2Answer implements Answer {
  readonly status: number
  readonly reason: string
  readonly headers: readonly string[]
  readonly isEmpty: boolean
  readonly body: ClientHttp2Stream
  /** RFC 9113 section 8.1.1: node:http2 holds the body to its length. */
  readonly hasCertainEnd: boolean
  readonly #end: EndWatch
  #trailers: readonly string[] = []

  constructor(stream: ClientHttp2Stream, end: EndWatch, { status, headers, isEmpty }: AnswerHead) {
    this.body = stream
    this.#end = end
    this.status = status
    this.reason = STATUS_CODES[status] ?? ''
    this.headers = headers
    this.isEmpty = isEmpty
    this.hasCertainEnd = headerValues(headers, 'content-length').length <= 1
  }

  get trailers(): readonly string[] {
    return this.#trailers
  }

  get isWhole(): boolean {
    return this.isEmpty || this.#end.hasEnded
  }

  keepTrailers(trailers: readonly string[]): void {
    this.#trailers = trailers
  }
}
