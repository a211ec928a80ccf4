// One connection of a client: its requests are carried out one after the other, and its end loses no answer.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Refusal } from '../../shared/errors.ts'
import { endLingering } from './linger.ts'
import { refuseSocket } from './refuse.ts'

/** So many requests may wait on one connection before it is read no further. */
const maxWaiting = 32

interface Turn {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly serve: () => void
}

export class ClientConnection {
  readonly #socket: Socket
  readonly #waiting: Turn[] = []
  #current: Turn | undefined
  /** Answered when all that came before it is. */
  #unreadable: (() => void) | undefined
  #isEnding = false

  constructor(socket: Socket) {
    this.#socket = socket
    // Node ends a connection by this when the last answer is written. What was not read by then would make a reset of
    // the end, and the client could lose the answer with it (RFC 9112 section 9.6).
    socket.destroySoon = () => this.#end()
  }

  /** Whether an answer is due. */
  get isBusy(): boolean {
    return this.#current !== undefined
  }

  /** Whether what still comes is not looked at any more. */
  get isEnding(): boolean {
    return this.#isEnding || this.#unreadable !== undefined
  }

  /** What the connection waits for: the rest of a request, the begin of an answer, or something else. */
  get awaits(): 'body' | 'answer' | undefined {
    if (this.#current === undefined || this.#current.response.headersSent) return undefined
    const { request } = this.#current
    return request.complete || request.isPaused() ? 'answer' : 'body'
  }

  /** RFC 9112 section 9.3.2: answers come in the order of the requests, and only safe ones might run beside each other. */
  take(request: IncomingMessage, response: ServerResponse, serve: () => void): void {
    const turn = { request, response, serve }
    if (this.isEnding) request.resume()
    else if (this.#current === undefined) this.#begin(turn)
    else {
      this.#waiting.push(turn)
      if (this.#waiting.length >= maxWaiting) this.#socket.pause()
    }
  }

  /** Answers what cannot be read as a request, after what came before it; then nothing more is read. */
  refuseRest(refusal: Refusal, requestId: string): void {
    if (this.#current === undefined) this.refuse(refusal, requestId)
    else if (this.#current.request.complete) this.#unreadable = () => this.refuse(refusal, requestId)
    else this.#breakOff(this.#current.response, refusal, requestId)
  }

  /** Answers at once, and ends. */
  refuse(refusal: Refusal, requestId: string): void {
    this.#isEnding = true
    refuseSocket(this.#socket, refusal, requestId)
  }

  #begin(turn: Turn): void {
    this.#current = turn
    turn.response.once('close', () => this.#next())
    turn.serve()
  }

  /** A moment later: what counts requests under way has not yet heard of the end of the one before. */
  #beginSoon(turn: Turn): void {
    this.#current = turn
    setImmediate(() => {
      if (!this.#socket.destroyed) this.#begin(turn)
    })
  }

  #next(): void {
    // What nobody read of a body would hold back the next request for ever.
    this.#current?.request.resume()
    this.#current = undefined
    if (this.#isEnding || this.#socket.destroyed) return
    const turn = this.#waiting.shift()
    if (turn !== undefined) {
      if (this.#socket.isPaused() && this.#waiting.length < maxWaiting / 2) this.#socket.resume()
      this.#beginSoon(turn)
    } else this.#unreadable?.()
  }

  /** The request that is under way is the broken one: the rest of its body will never come. */
  #breakOff(response: ServerResponse, refusal: Refusal, requestId: string): void {
    this.#isEnding = true
    if (response.headersSent) this.#socket.destroy()
    else {
      refuseSocket(this.#socket, refusal, requestId)
      // Not to linger: the upstream, which has a part of the body, is to know at once.
      this.#socket.once('finish', () => this.#socket.destroy())
    }
  }

  #end(): void {
    this.#isEnding = true
    this.#waiting.length = 0
    this.#current?.request.resume()
    endLingering(this.#socket)
  }
}
