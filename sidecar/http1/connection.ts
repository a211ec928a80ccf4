// One connection of a client: its requests are read and carried out one after the other, and its end loses no answer.
import type { Socket } from 'node:net'
import { Refusal } from '../../shared/errors.ts'
import type { RequestHead } from '../../shared/head.ts'
import type { Connection } from '../http/connection.ts'
import { contained, type Contained } from '../http/containment.ts'
import { ifSilent } from '../http/silence.ts'
import type { Carrier } from './carrier.ts'
import { HeadDeadline } from './head-deadline.ts'
import { Http1Incoming } from './incoming.ts'
import { endAtOnce, endLingering } from './linger.ts'
import { requestBodyLength, type RequestHeadText } from './syntax.ts'
import { UnreadRequests } from './unread-requests.ts'
import { bodyTooLate, headTooLate, malformed, refusalOf } from './unreadable.ts'

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
  /** Told of an error of our own, which has ended the connection. */
  readonly onFault: (error: unknown) => void
  /** Recorded, and as it is to be written. */
  readonly refusalText: (refusal: Refusal) => string
}

export class ClientConnection implements Carrier, Contained {
  readonly #socket: Socket
  readonly #options: ClientConnectionOptions
  readonly #unread: UnreadRequests
  readonly #headDeadline: HeadDeadline
  readonly keepAliveLines: string
  #current: Http1Incoming | undefined
  /** Told when all that came before it is answered; nothing behind it is looked at. */
  #aheadRefusal: string | undefined
  /** Nothing of what still comes is looked at. */
  #isEnding = false
  /** Whether the next request begins in a moment. */
  #isTurnDue = false

  readonly #onData = contained(this, (bytes: Buffer) => this.#take(bytes))
  readonly #onEnd = contained(this, () => this.#leave())
  readonly #onDrain = contained(this, () => this.#current?.onDrain())
  readonly #onTimeout = contained(this, () => this.#onSilence())
  readonly #onError = () => this.#socket.destroy()
  readonly #onClose = contained(this, () => {
    this.#headDeadline.stop()
    this.#isEnding = true
    this.#current?.breakOff()
  })
  readonly #onTurn = contained(this, () => {
    this.#isTurnDue = false
    if (!this.#isEnding && !this.#socket.destroyed && this.#current === undefined) this.#next()
  })

  constructor(socket: Socket, options: ClientConnectionOptions) {
    this.#socket = socket
    this.#options = options
    this.#unread = new UnreadRequests(options.maxHeadBytes)
    this.#headDeadline = new HeadDeadline(
      options.headersMs,
      contained(this, () => this.#onLateHead()),
    )
    this.keepAliveLines = keepAliveLines(options.idleMs)
    if (options.idleMs > 0) socket.setTimeout(options.idleMs)
    this.#headDeadline.start()
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
    return this.#current === undefined && this.#unread.isEmpty && !this.#isEnding
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

  fault(error: unknown): void {
    this.#isEnding = true
    this.#socket.destroy()
    this.#options.onFault(error)
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
    if (!this.#unread.isFull) this.#socket.resume()
    if (this.#aheadRefusal !== undefined) this.#end(this.#aheadRefusal)
    else if (!this.#unread.isEmpty) this.#nextSoon()
  }

  release(): { socket: Socket; ahead: Buffer } {
    this.#isEnding = true
    this.#current = undefined
    this.#headDeadline.stop()
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
      // Node may read many pieces in one turn.
      if (this.#unread.isFull) this.#socket.pause()
      if (!this.#isTurnDue) this.#next()
      return
    }
    const rest = current.isComplete ? bytes : this.#readBody(current, bytes)
    if (rest === undefined || rest.length === 0) return
    this.#wait(current, rest)
  }

  /** What comes behind a request that is not answered yet. RFC 9112 section 9.3.2: answers come in the order of requests. */
  #wait(current: Http1Incoming, bytes: Buffer): void {
    // Behind a request for another protocol it may be said in that one; behind another last one it is said to nobody.
    if (current.isLast && current.upgrade === undefined) return
    this.#unread.add(bytes)
    if (current.upgrade === undefined) {
      this.#unread.count(bytes)
      this.#peekHead()
    }
    if (this.#unread.areTooMany) {
      this.#isEnding = true
      this.#socket.destroy()
    } else if (this.#unread.isFull) this.#socket.pause()
  }

  /** A moment later: what counts requests under way has not yet heard of the end of the one before. */
  #nextSoon(): void {
    this.#isTurnDue = true
    setImmediate(this.#onTurn)
  }

  #next(): void {
    const head = this.#peekHead()
    if (head === undefined) return
    this.#headDeadline.stop()
    this.#unread.passHead()
    this.#start(head)
  }

  #start(head: RequestHeadText): void {
    let length: number | 'chunked'
    try {
      length = requestBodyLength(head)
    } catch (error) {
      this.#refuse(refusalOf(error))
      return
    }
    if (head.method === 'CONNECT') this.#connect(head)
    else this.#begin(new Http1Incoming(head, length, this))
  }

  #peekHead(): RequestHeadText | undefined {
    try {
      const head = this.#unread.peekHead()
      if (head === undefined && this.#unread.hasBytes) this.#headDeadline.start()
      return head
    } catch (error) {
      this.#refuse(refusalOf(error))
      return undefined
    }
  }

  #begin(incoming: Http1Incoming): void {
    this.#current = incoming
    if (this.#unread.hasBytes && !incoming.isComplete) {
      const rest = this.#readBody(incoming, this.#unread.takeRest())
      if (rest === undefined) return
      if (rest.length > 0) this.#unread.add(rest)
    }
    if (!this.#unread.areCounted && this.#unread.hasBytes) this.#wait(incoming, this.#unread.takeRest())
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
      this.#breakOff(current, refusalOf(error))
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
    if (this.#unread.hasBytes) this.#refuse(malformed())
    else this.#end()
  }

  /** @param last what is still to be said. */
  #end(last = ''): void {
    this.#isEnding = true
    endLingering(this.#socket, last)
  }

  #onLateHead(): void {
    if (this.#current === undefined && !this.#isEnding && !this.#socket.destroyed) this.#refuse(headTooLate())
  }

  #onSilence(): void {
    const onSilent = contained(this, () => {
      const current = this.#current
      // Who waits for an upstream is told by its timeout that it was that.
      if (current === undefined || current.reply.hasBegun) this.#socket.destroy()
      else if (!current.isComplete && !this.#socket.isPaused()) this.#breakOff(current, bodyTooLate())
    })
    ifSilent(this.#socket, onSilent)
  }
}

function keepAliveLines(idleMs: number): string {
  const hint = idleMs === 0 ? '' : `Keep-Alive: timeout=${Math.floor(idleMs / 1_000)}\r\n`
  return `Connection: keep-alive\r\n${hint}`
}
