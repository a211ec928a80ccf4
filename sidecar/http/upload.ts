// The body of one request on its way to the upstream: streamed, bounded, and kept while it may have to be sent again.
import { Refusal } from '../../shared/errors.ts'
import type { SiftTrailers } from './answer.ts'
import { contained, type Contained } from './containment.ts'
import type { Framing, Incoming } from './incoming.ts'
import type { Outgoing } from './outgoing.ts'

/** Of a longer body so much was sent that the request can be sent but once. */
const maxKeptBytes = 64 * 1024
/** What a chunk costs beside its bytes. */
const chunkOverheadBytes = 256
/** RFC 9110 section 9.2.2: what may be sent again though it may have been carried out. */
const idempotent: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

export interface UploadEvents {
  /** What an error of our own ends. */
  readonly within: Contained
  readonly onTooLarge: () => void
  /** The client ended the body before its end: the upstream must be aborted, never ended, or it would look complete. */
  readonly onBroken: () => void
}

export class Upload {
  readonly framing: Framing
  readonly #incoming: Incoming
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
  constructor(incoming: Incoming, maxBytes: number, siftTrailers: SiftTrailers, mayBeRejected = false) {
    this.#incoming = incoming
    this.#maxBytes = maxBytes || Infinity
    this.#siftTrailers = siftTrailers
    this.framing = incoming.framing
    this.#isIdempotent = idempotent.has(incoming.head.method)
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
    const { isComplete, body } = this.#incoming
    return this.framing !== 'none' && !isComplete && !body.isPaused()
  }

  /** From the start, as far as it came; the rest as it comes, at the upstream's pace. */
  sendTo(upstream: Outgoing, events: UploadEvents): void {
    this.#invite()
    const { content } = this.#incoming
    if (content === undefined) this.#streamTo(upstream, events)
    else if (content.length > this.#maxBytes) events.onTooLarge()
    else {
      upstream.write(content)
      this.#finish(upstream, events)
    }
  }

  #streamTo(upstream: Outgoing, events: UploadEvents): void {
    const { body } = this.#incoming
    for (const chunk of this.#kept ?? []) upstream.write(chunk)
    if (body.readableEnded) {
      this.#finish(upstream, events)
      return
    }
    const onData = contained(events.within, (chunk: Buffer) => {
      this.#bytes += chunk.length
      if (this.#bytes > this.#maxBytes) {
        body.pause()
        events.onTooLarge()
        return
      }
      this.#keep(chunk)
      if (!upstream.write(chunk)) body.pause()
    })
    const onEnd = contained(events.within, () => this.#finish(upstream, events))
    const onClose = () => {
      if (!body.readableEnded) events.onBroken()
    }
    body.on('data', onData).once('end', onEnd).once('error', events.onBroken).once('close', onClose)
    const onDrain = () => body.resume()
    upstream.onDrain(onDrain)
    body.resume()
    this.#detach = () => {
      upstream.offDrain(onDrain)
      body.off('data', onData).off('end', onEnd).off('error', events.onBroken).off('close', onClose)
      body.pause()
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

  #invite(): void {
    if (this.#isInvited) return
    this.#isInvited = true
    this.#incoming.reply.invite()
  }

  #keep(chunk: Buffer): void {
    this.#keptBytes += chunk.length + chunkOverheadBytes
    if (this.#keptBytes > maxKeptBytes) this.#kept = undefined
    this.#kept?.push(chunk)
  }

  #finish(upstream: Outgoing, events: UploadEvents): void {
    if (this.#incoming.isComplete) upstream.end(this.#siftTrailers(this.#incoming.trailers))
    else events.onBroken()
  }
}

export function bodyTooLarge(): Refusal {
  return new Refusal('body_too_large', 'The body is larger than the mesh file allows (limits.body_bytes).')
}
