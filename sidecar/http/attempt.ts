// One attempt to have a request answered by its upstream: connect, send, pass the answer on; one outcome.
import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { Refusal } from '../../shared/errors.ts'
import { beginAnswer, endsWithConnection, passBody, passInformation } from './answer.ts'
import type { Forwarding } from './forwarding.ts'
import { Unanswered } from './repetition.ts'
import { ifSilent } from './silence.ts'
import { bodyTooLarge, type Upload } from './upload.ts'

/** The client ended its connection before it had the whole answer. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone'
}

/** The upstream carried nothing out, and told for want of what. */
export class Rejected extends Error {
  override readonly name = 'Rejected'
  /** What is to be sent in place of the headers. */
  readonly amended: () => Promise<readonly string[]>

  constructor(amended: () => Promise<readonly string[]>) {
    super('the upstream carried nothing out')
    this.amended = amended
  }
}

/**
 * Resolves with the answer's status when its body has been passed on whole.
 * @throws {Refusal} {@link Unanswered} where it may be worth another attempt.
 * @throws {Rejected} where it is to be sent again as {@link Forwarding.amend} says.
 * @throws {ClientGone} the client left.
 */
export function attempt(forwarding: Forwarding, upload: Upload, open: () => ClientRequest): Promise<number> {
  // Who left while we decided will not be heard of again: 'close' was already emitted.
  if (forwarding.response.destroyed) return Promise.reject(new ClientGone('the client left'))
  const interrupted = forwarding.interruption?.reason
  if (interrupted !== undefined) return Promise.reject(interrupted)
  return new Attempt(forwarding, upload, open()).outcome
}

class Attempt {
  readonly #forwarding: Forwarding
  readonly #upload: Upload
  readonly #upstream: ClientRequest
  readonly #settled = Promise.withResolvers<number>()
  readonly #onClientGone = () => this.#fail(new ClientGone('the client left'))
  readonly #responseTimer: NodeJS.Timeout | undefined
  #phase: 'connecting' | 'sending' | 'answering' | 'settled' = 'connecting'
  #answer: IncomingMessage | undefined
  #socket: Socket | undefined
  /** What the connection had read before this request. */
  #bytesReadBefore = 0

  constructor(forwarding: Forwarding, upload: Upload, upstream: ClientRequest) {
    this.#forwarding = forwarding
    this.#upload = upload
    this.#upstream = upstream
    const { response, timeouts } = forwarding
    response.once('close', this.#onClientGone)
    forwarding.interruption?.listen((reason) => this.#interrupt(reason))
    this.#responseTimer = startTimer(timeouts.responseMs, () => this.#fail(timedOut('response')))
    if (timeouts.idleMs > 0) upstream.setTimeout(timeouts.idleMs, () => this.#onIdle())
    upstream.once('socket', (socket) => this.#onSocket(socket))
    upstream.on('information', (information) => passInformation(information, response, forwarding))
    upstream.once('response', (answer) => this.#begin(answer))
    upstream.on('error', (error) => this.#onError(error))
    upstream.once('close', () => this.#onClose())
    if (upload.framing === 'none') upstream.end()
  }

  get outcome(): Promise<number> {
    return this.#settled.promise
  }

  #onSocket(socket: Socket): void {
    this.#socket = socket
    this.#bytesReadBefore = socket.bytesRead
    if (!socket.connecting) {
      this.#send()
      return
    }
    const timer = startTimer(this.#forwarding.timeouts.connectMs, () => this.#fail(timedOut('connect')))
    const clear = () => clearTimeout(timer)
    socket.once('close', clear)
    socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => {
      clear()
      this.#send()
    })
  }

  /** Nothing of a body is taken from the client before there is somebody to take it. */
  #send(): void {
    if (this.#phase !== 'connecting') return
    this.#phase = 'sending'
    if (this.#upload.framing === 'none') return
    this.#upload.sendTo(this.#upstream, {
      onTooLarge: () => this.#fail(bodyTooLarge()),
      onBroken: this.#onClientGone,
    })
  }

  #begin(answer: IncomingMessage): void {
    const { response } = this.#forwarding
    clearTimeout(this.#responseTimer)
    if (this.#phase === 'settled') return
    const amended = this.#upload.isKept ? this.#forwarding.amend?.(answer) : undefined
    if (amended !== undefined) {
      this.#fail(new Rejected(amended))
      return
    }
    this.#phase = 'answering'
    this.#upload.release()
    this.#answer = answer
    if (!beginAnswer(answer, response, this.#forwarding)) {
      this.#fail(invalidAnswer())
      return
    }
    passBody(answer, response, this.#forwarding, {
      onEnd: () => this.#end(),
      onClientGone: this.#onClientGone,
      onBroken: () => this.#breakOff(brokenOff()),
    })
  }

  #interrupt(reason: Refusal): void {
    if (this.#phase === 'answering') this.#breakOff(reason)
    else this.#fail(reason)
  }

  /** In HTTP/1.0 the end of the connection is the end of the answer: only a reset tells that it was not. */
  #breakOff(reason: Refusal): void {
    const { response } = this.#forwarding
    if (response.req.httpVersion === '1.0') response.socket?.resetAndDestroy()
    response.destroy()
    this.#fail(reason)
  }

  #end(): void {
    // An answer may come before the whole request was sent: then nobody wants the rest.
    if (!this.#upstream.writableEnded) this.#upstream.destroy()
    this.#settle(() => this.#settled.resolve(this.#forwarding.response.statusCode))
  }

  #onIdle(): void {
    ifSilent(this.#socket as Socket, () => {
      // A client that stops sending has a timeout of its own.
      if (!this.#upload.awaitsClient) this.#fail(timedOut('idle'))
    })
  }

  #onError(error: NodeJS.ErrnoException): void {
    const answer = this.#answer
    if (answer === undefined) this.#fail(this.#failure(error))
    // What comes behind a whole answer spoils the connection, not the answer. One that only the end of its connection
    // ends was not whole (RFC 9112 section 8), though Node will say so: it is broken off before Node does.
    else if (!answer.complete || (endsWithConnection(answer) && !isUnreadable(error)))
      this.#breakOff(brokenOff())
  }

  #onClose(): void {
    clearTimeout(this.#responseTimer)
    if (this.#phase !== 'answering') this.#fail(invalidAnswer())
  }

  #fail(error: Error): void {
    this.#upstream.destroy()
    this.#settle(() => this.#settled.reject(error))
  }

  #settle(outcome: () => void): void {
    if (this.#phase === 'settled') return
    this.#phase = 'settled'
    this.#forwarding.response.off('close', this.#onClientGone)
    this.#forwarding.interruption?.listen(undefined)
    this.#upload.detach()
    outcome()
  }

  #failure(error: NodeJS.ErrnoException): Refusal {
    if (error instanceof Refusal) return error
    const { code } = error
    if (isUnreadable(error)) {
      return new Refusal('upstream_invalid', 'The upstream did not answer in HTTP/1.1.', { cause: error })
    }
    const isReset = code === 'ECONNRESET' || code === 'EPIPE'
    if (this.#phase === 'connecting' || !isReset) {
      const message = 'The upstream cannot be reached. The log of the sidecar says which and why.'
      const isUnsent = code === 'ECONNREFUSED' || (this.#phase === 'connecting' && isReset)
      if (isUnsent) return new Unanswered('upstream_refused', message, false, error)
      return new Refusal('upstream_refused', message, { cause: error })
    }
    const message = 'The upstream ended the connection before it answered.'
    if (this.#hasHeard()) return new Refusal('upstream_reset', message, { cause: error })
    return new Unanswered('upstream_reset', message, true, error)
  }

  /** Whether a byte of an answer has come. */
  #hasHeard(): boolean {
    return this.#socket !== undefined && this.#socket.bytesRead > this.#bytesReadBefore
  }
}

/** What came is not HTTP, or not that of its place. */
function isUnreadable(error: NodeJS.ErrnoException): boolean {
  return error.code?.startsWith('HPE_') === true
}

function startTimer(delayMs: number, onTime: () => void): NodeJS.Timeout | undefined {
  return delayMs > 0 ? setTimeout(onTime, delayMs) : undefined
}

function brokenOff(): Refusal {
  return new Refusal('upstream_reset', 'The upstream broke off its answer.')
}

function invalidAnswer(): Refusal {
  return new Refusal('upstream_invalid', 'The upstream gave no answer that can be passed on.')
}

function timedOut(which: 'connect' | 'response' | 'idle'): Refusal {
  return new Refusal('upstream_timeout', `The upstream did not answer in time (timeouts.${which}).`)
}
