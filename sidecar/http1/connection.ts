// One connection of a client: its requests are read and carried out one after the other, and its end loses no answer.
import type { Socket } from 'node:net'
import { Refusal } from '../../shared/errors.ts'
import type { RequestHead } from '../../shared/head.ts'
import type { Connection } from '../http/connection.ts'
import { ifSilent } from '../http/silence.ts'
import type { Carrier } from './carrier.ts'
import { TrailersTooLarge } from './chunked.ts'
import { HeadBuffer, HeadTooLarge } from './head-buffer.ts'
import { Http1Incoming } from './incoming.ts'
import { endAtOnce, endLingering } from './linger.ts'
import {
  Ambiguous,
  Malformed,
  readRequestHead,
  refuseRequestBegin,
  requestBodyLength,
  type RequestHeadText,
} from './syntax.ts'

/** More requests than any client sends ahead. To read no further instead would also be not to notice that it leaves. */
const maxWaiting = 1_000
/** So much of them is kept; more waits on the network. */
const maxWaitingBytes = 1024 * 1024
const emptyLine = '\r\n\r\n'

export interface ClientConnectionOptions {
  readonly connection: Connection
  /** Of a head, in bytes. */
  readonly maxHeadBytes: number
  /** Milliseconds within which a head is to arrive whole; 0: no limit. */
  readonly headersMs: number
  /** Milliseconds that nothing may pass; 0: no limit. */
  readonly idleMs: number
  readonly onRequest: (incoming: Http1Incoming) => void
  /** Undefined: CONNECT is refused. */
  readonly onConnect: ((head: RequestHead, socket: Socket, ahead: Buffer) => void) | undefined
  /** Recorded, and as it is to be written. */
  readonly refusalText: (refusal: Refusal) => string
}

export class ClientConnection implements Carrier {
  readonly #socket: Socket
  readonly #options: ClientConnectionOptions
  readonly #unread: HeadBuffer
  readonly keepAliveLines: string
  #current: Http1Incoming | undefined
  /** Heads that wait behind the current request, at most. */
  #waiting = 0
  /** The next of them, which has been read. */
  #ahead: RequestHeadText | undefined
  /** Told when all that came before it is answered; nothing behind it is looked at. */
  #aheadRefusal: string | undefined
  /** Nothing of what still comes is looked at. */
  #isEnding = false
  #headTimer: NodeJS.Timeout | undefined

  readonly #onData = (bytes: Buffer) => this.#take(bytes)
  readonly #onEnd = () => this.#leave()
  readonly #onDrain = () => this.#current?.onDrain()
  readonly #onTimeout = () => this.#onSilence()
  readonly #onError = () => this.#socket.destroy()
  readonly #onClose = () => {
    clearTimeout(this.#headTimer)
    this.#isEnding = true
    this.#current?.breakOff()
  }

  constructor(socket: Socket, options: ClientConnectionOptions) {
    this.#socket = socket
    this.#options = options
    this.#unread = new HeadBuffer(options.maxHeadBytes, refuseRequestBegin)
    this.keepAliveLines = keepAliveLines(options.idleMs)
    if (options.idleMs > 0) socket.setTimeout(options.idleMs)
    this.#expectHead()
    socket
      .on('data', this.#onData)
      .on('end', this.#onEnd)
      .on('drain', this.#onDrain)
      .on('timeout', this.#onTimeout)
      .on('error', this.#onError)
      .on('close', this.#onClose)
      // It may have been paused by who looked at its first bytes.
      .resume()
  }

  /** Whether it waits for a request of which nothing has come. */
  get isIdle(): boolean {
    const hasNext = this.#ahead !== undefined || this.#unread.length > 0
    return this.#current === undefined && !hasNext && !this.#isEnding
  }

  get socket(): Socket {
    return this.#socket
  }

  get maxHeadBytes(): number {
    return this.#options.maxHeadBytes
  }

  get connection(): Connection {
    return this.#options.connection
  }

  /** Answers at once, and ends at once. */
  turnAway(refusal: Refusal): void {
    this.#isEnding = true
    endAtOnce(this.#socket, this.#options.refusalText(refusal))
  }

  readOn(): void {
    if (!this.#socket.destroyed) this.#socket.resume()
  }

  done(isLast: boolean): void {
    const current = this.#current
    this.#current = undefined
    if (this.#isEnding || this.#socket.destroyed) return
    if (isLast || current?.isComplete !== true) {
      this.#end()
      return
    }
    this.#socket.resume()
    if (this.#aheadRefusal !== undefined) this.#end(this.#aheadRefusal)
    else if (this.#ahead !== undefined || this.#unread.length > 0) this.#nextSoon()
  }

  release(): { socket: Socket; ahead: Buffer } {
    this.#isEnding = true
    this.#current = undefined
    clearTimeout(this.#headTimer)
    const socket = this.#socket
    socket.setTimeout(0)
    socket.pause()
    socket
      .off('data', this.#onData)
      .off('end', this.#onEnd)
      .off('drain', this.#onDrain)
      .off('timeout', this.#onTimeout)
      .off('close', this.#onClose)
    return { socket, ahead: this.#unread.takeRest() }
  }

  #take(bytes: Buffer): void {
    if (this.#isEnding || this.#aheadRefusal !== undefined) return
    const current = this.#current
    if (current === undefined) {
      this.#unread.add(bytes)
      this.#next()
      return
    }
    const rest = current.isComplete ? bytes : this.#readBody(current, bytes)
    if (rest === undefined || rest.length === 0) return
    this.#wait(rest)
  }

  /** What comes behind a request that is not answered yet. RFC 9112 section 9.3.2: answers come in the order of requests. */
  #wait(bytes: Buffer): void {
    this.#unread.add(bytes)
    // Behind a request for another protocol it may be said in that one.
    if (this.#current?.upgrade === undefined) {
      this.#count(bytes)
      this.#ahead ??= this.#readHead()
    }
    if (this.#unread.length > maxWaitingBytes) this.#socket.pause()
  }

  #count(bytes: Buffer): void {
    for (let at = bytes.indexOf(emptyLine); at !== -1; at = bytes.indexOf(emptyLine, at + 4)) this.#waiting++
    if (this.#waiting <= maxWaiting) return
    this.#isEnding = true
    this.#socket.destroy()
  }

  /** A moment later: what counts requests under way has not yet heard of the end of the one before. */
  #nextSoon(): void {
    setImmediate(() => {
      if (!this.#isEnding && !this.#socket.destroyed && this.#current === undefined) this.#next()
    })
  }

  #next(): void {
    const head = this.#ahead ?? this.#readHead()
    if (head === undefined) return
    this.#ahead = undefined
    clearTimeout(this.#headTimer)
    this.#headTimer = undefined
    // What was counted may have been within a body.
    this.#waiting = this.#unread.length === 0 ? 0 : Math.max(0, this.#waiting - 1)
    this.#start(head)
  }

  #start(head: RequestHeadText): void {
    let length: number | 'chunked'
    try {
      length = requestBodyLength(head)
    } catch (error) {
      this.#refuse(asRefusal(error))
      return
    }
    if (head.method === 'CONNECT') this.#connect(head)
    else this.#begin(new Http1Incoming(head, length, this))
  }

  #readHead(): RequestHeadText | undefined {
    try {
      this.#unread.skipEmptyLines()
      const text = this.#unread.takeHead()
      if (text !== undefined) return readRequestHead(text)
      if (this.#unread.length > 0) this.#expectHead()
    } catch (error) {
      this.#refuse(asRefusal(error))
    }
    return undefined
  }

  #begin(incoming: Http1Incoming): void {
    this.#current = incoming
    if (this.#unread.length > 0 && !incoming.isComplete) {
      const rest = this.#readBody(incoming, this.#unread.takeRest())
      if (rest === undefined) return
      if (rest.length > 0) this.#unread.add(rest)
    }
    if (this.#waiting === 0 && this.#unread.length > 0) this.#wait(this.#unread.takeRest())
    this.#options.onRequest(incoming)
  }

  #connect(head: RequestHeadText): void {
    const { onConnect } = this.#options
    if (onConnect === undefined) {
      this.turnAway(new Refusal('request_malformed', 'CONNECT is not served here.'))
      return
    }
    const { socket, ahead } = this.release()
    onConnect(head, socket, ahead)
  }

  /** @returns what is behind it; undefined where it cannot be read on. */
  #readBody(current: Http1Incoming, bytes: Buffer): Buffer | undefined {
    try {
      const { rest, isTaken } = current.read(bytes)
      if (!isTaken) this.#socket.pause()
      return rest
    } catch (error) {
      this.#breakOff(current, asRefusal(error))
      return undefined
    }
  }

  /** Answers what cannot be read, where nothing is due before it; then nothing more is read. */
  #refuse(refusal: Refusal): void {
    const text = this.#options.refusalText(refusal)
    if (this.#current === undefined) this.#end(text)
    else this.#aheadRefusal = text
  }

  /** The rest of the body will never come; the upstream, which has a part of it, is to know at once. */
  #breakOff(current: Http1Incoming, refusal: Refusal): void {
    this.#isEnding = true
    const text = this.#options.refusalText(refusal)
    if (current.reply.hasBegun) this.#socket.destroy()
    else endAtOnce(this.#socket, text)
    current.breakOff()
  }

  #leave(): void {
    if (this.#isEnding) return
    if (this.#current === undefined) this.#leaveWithin()
    else this.#socket.destroy()
  }

  /** Within a head, or behind the last request. */
  #leaveWithin(): void {
    if (this.#unread.length > 0) this.#refuse(malformed())
    else this.#end()
  }

  /** @param last what is still to be said. */
  #end(last = ''): void {
    this.#isEnding = true
    endLingering(this.#socket, last)
  }

  #expectHead(): void {
    const { headersMs } = this.#options
    if (headersMs === 0 || this.#headTimer !== undefined) return
    this.#headTimer = setTimeout(() => this.#onLateHead(), headersMs)
  }

  #onLateHead(): void {
    const timer = this.#headTimer
    // Timers run before what has arrived is read: it may even be answered by then.
    setImmediate(() => {
      if (this.#headTimer !== timer) return
      this.#headTimer = undefined
      if (this.#current === undefined && !this.#isEnding && !this.#socket.destroyed)
        this.#refuse(headTooLate())
    })
  }

  #onSilence(): void {
    ifSilent(this.#socket, () => {
      const current = this.#current
      // Who waits for an upstream is told by its timeout that it was that.
      if (current === undefined || current.reply.hasBegun) this.#socket.destroy()
      else if (!current.isComplete && !this.#socket.isPaused()) this.#breakOff(current, bodyTooLate())
    })
  }
}

function keepAliveLines(idleMs: number): string {
  const hint = idleMs === 0 ? '' : `Keep-Alive: timeout=${Math.floor(idleMs / 1_000)}\r\n`
  return `Connection: keep-alive\r\n${hint}`
}

function asRefusal(error: unknown): Refusal {
  if (error instanceof Ambiguous) return new Refusal('request_ambiguous', error.message, { cause: error })
  const isTooLarge = error instanceof HeadTooLarge || error instanceof TrailersTooLarge
  if (error instanceof Malformed && !isTooLarge) return malformed(error)
  if (!isTooLarge) throw error
  return new Refusal('headers_too_large', 'The header section is too large (limits.header_bytes).', {
    cause: error,
  })
}

function malformed(cause?: unknown): Refusal {
  return new Refusal('request_malformed', 'This is not an HTTP/1.1 request.', { cause })
}

function headTooLate(): Refusal {
  return new Refusal('request_malformed', 'The header section did not arrive in time (timeouts.headers).')
}

function bodyTooLate(): Refusal {
  return new Refusal('request_malformed', 'The body did not arrive in time (timeouts.idle).')
}
