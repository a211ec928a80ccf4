// The body of one request on its way to the upstream: streamed, bounded, and kept while it may have to be sent again.
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import { hasHeader, headerValues } from '../../shared/head.ts'
import { Refusal } from '../../shared/errors.ts'
import { flushSoon } from './flush.ts'

/** Of a longer body so much was sent that the request can be sent but once. */
const maxKeptBytes = 64 * 1024
/** What a chunk costs beside its bytes. */
const chunkOverheadBytes = 256
/** RFC 9110 section 9.2.2: what may be sent again though it may have been carried out. */
const idempotent: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

/** How the end of the body is told: `none` where there is no body, else its length in bytes or `chunked`. */
export type Framing = 'none' | 'chunked' | number

/** What of a trailer section passes on, as pairs of name and value. */
export type SiftTrailers = (rawTrailers: readonly string[]) => [string, string][]

export interface UploadEvents {
  readonly onTooLarge: () => void
  /** The client ended the body before its end: the upstream must be aborted, never ended, or it would look complete. */
  readonly onBroken: () => void
}

export class Upload {
  readonly framing: Framing
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #maxBytes: number
  readonly #siftTrailers: SiftTrailers
  #bytes = 0
  readonly #isIdempotent: boolean
  #kept: Buffer[] | undefined
  #keptBytes = 0
  #isInvited = false
  #detach: (() => void) | undefined

  /**
   * @param maxBytes 0: no limit.
   * @param mayBeRejected whether an upstream may say that it took nothing of the request.
   * @throws {Refusal} `body_too_large`, by its length.
   */
  constructor(response: ServerResponse, maxBytes: number, siftTrailers: SiftTrailers, mayBeRejected = false) {
    const request = response.req
    this.#request = request
    this.#response = response
    this.#maxBytes = maxBytes || Infinity
    this.#siftTrailers = siftTrailers
    this.framing = framingOf(request.rawHeaders)
    this.#isIdempotent = idempotent.has(request.method ?? '')
    this.#kept = this.#isIdempotent || mayBeRejected ? [] : undefined
    if (typeof this.framing === 'number' && this.framing > this.#maxBytes) throw bodyTooLarge()
  }

  /** Whether the request may be sent once more though the upstream may have had it. */
  get isRepeatable(): boolean {
    return this.#isIdempotent && this.isKept
  }

  /** Whether all of it that came is kept, so that a request of which nothing was carried out can be sent again. */
  get isKept(): boolean {
    return this.#kept !== undefined
  }

  /** Whether it is the client that is waited for, not the upstream. */
  get awaitsClient(): boolean {
    return this.framing !== 'none' && !this.#request.complete && !this.#request.isPaused()
  }

  /** From the start, as far as it came; the rest as it comes, at the upstream's pace. */
  sendTo(upstream: ClientRequest, events: UploadEvents): void {
    const request = this.#request
    this.#invite()
    for (const chunk of this.#kept ?? []) upstream.write(chunk)
    if (request.readableEnded) {
      this.#finish(upstream)
      return
    }
    const onData = (chunk: Buffer) => {
      this.#bytes += chunk.length
      if (this.#bytes > this.#maxBytes) {
        request.pause()
        events.onTooLarge()
        return
      }
      this.#keep(chunk)
      if (!upstream.write(chunk)) request.pause()
    }
    const onEnd = () => this.#finish(upstream)
    const onClose = () => {
      if (!request.readableEnded) events.onBroken()
    }
    request.on('data', onData).once('end', onEnd).once('error', events.onBroken).once('close', onClose)
    const onDrain = () => request.resume()
    upstream.on('drain', onDrain)
    request.resume()
    flushSoon(upstream, () => this.#bytes > 0)
    this.#detach = () => {
      upstream.off('drain', onDrain)
      request.off('data', onData).off('end', onEnd).off('error', events.onBroken).off('close', onClose)
      request.pause()
    }
  }

  /** The upstream has begun to answer: the request will not be sent again. */
  release(): void {
    this.#kept = undefined
  }

  /** The upstream takes no more: what still comes waits for the next, or for nobody. */
  detach(): void {
    this.#detach?.()
    this.#detach = undefined
  }

  /** The client waits to be told that its body is wanted; in HTTP/1.0 none does (RFC 9110 section 10.1.1). */
  #invite(): void {
    const { httpVersion, rawHeaders } = this.#request
    if (this.#isInvited || httpVersion !== '1.1' || !hasHeader(rawHeaders, 'expect')) return
    this.#isInvited = true
    this.#response.writeContinue()
  }

  #keep(chunk: Buffer): void {
    this.#keptBytes += chunk.length + chunkOverheadBytes
    if (this.#keptBytes > maxKeptBytes) this.#kept = undefined
    this.#kept?.push(chunk)
  }

  #finish(upstream: ClientRequest): void {
    const trailers = this.#request.rawTrailers
    if (this.framing === 'chunked' && trailers.length > 0) upstream.addTrailers(this.#siftTrailers(trailers))
    upstream.end()
  }
}

export function bodyTooLarge(): Refusal {
  return new Refusal('body_too_large', 'The body is larger than the mesh file allows (limits.body_bytes).')
}

export function hasBody({ rawHeaders }: IncomingMessage): boolean {
  const framing = framingOf(rawHeaders)
  return framing !== 'none' && framing !== 0
}

function framingOf(headers: readonly string[]): Framing {
  if (hasHeader(headers, 'transfer-encoding')) return 'chunked'
  const [length] = headerValues(headers, 'content-length')
  return length === undefined ? 'none' : Number(length)
}
