// One connection of a client: its requests are carried out one after the other, and its end loses no answer.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { endAtOnce, endLingering } from './linger.ts'

/** More requests than any client sends ahead. To read no further instead would also be not to notice that it leaves. */
const maxWaiting = 1_000

interface Turn {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly serve: () => void
}

export class ClientConnection {
  readonly #socket: Socket
  readonly #waiting: Turn[] = []
  #current: Turn | undefined
  /** Told when all that came before it is answered. */
  #refusal: string | undefined
  #isEnding = false

  constructor(socket: Socket) {
    this.#socket = socket
    // Node ends a connection by this when the last answer is written. What was not read by then would make a reset of
    // the end, and the client could lose the answer with it.
    socket.destroySoon = () => this.#end()
  }

  /** Whether an answer is due. */
  get isBusy(): boolean {
    return this.#current !== undefined
  }

  /** Whether what still comes is not looked at any more. */
  get isEnding(): boolean {
    return this.#isEnding || this.#refusal !== undefined
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
      if (this.#waiting.length > maxWaiting) this.#giveUp()
    }
  }

  /** Answers what cannot be read on, after what came before it; then nothing more is read. */
  refuseRest(refusal: string): void {
    const last = this.#waiting.at(-1) ?? this.#current
    if (last === undefined) this.#refuse(refusal)
    else if (last.request.complete) this.#refusal = refusal
    else if (last === this.#current) this.#breakOff(last.response, refusal)
    else {
      this.#waiting.pop()
      this.#refusal = refusal
    }
  }

  /** Answers at once, and ends at once. */
  turnAway(refusal: string): void {
    this.#isEnding = true
    endAtOnce(this.#socket, refusal)
  }

  #refuse(refusal: string): void {
    this.#isEnding = true
    endLingering(this.#socket, refusal)
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
    if (turn !== undefined) this.#beginSoon(turn)
    else if (this.#refusal !== undefined) this.#refuse(this.#refusal)
  }

  #giveUp(): void {
    this.#isEnding = true
    this.#waiting.length = 0
    this.#socket.destroy()
  }

  /** The rest of the body will never come; the upstream, which has a part of it, is to know at once. */
  #breakOff(response: ServerResponse, refusal: string): void {
    this.#isEnding = true
    if (response.headersSent) this.#socket.destroy()
    else endAtOnce(this.#socket, refusal)
  }

  #end(): void {
    this.#isEnding = true
    this.#waiting.length = 0
    endLingering(this.#socket)
  }
}
