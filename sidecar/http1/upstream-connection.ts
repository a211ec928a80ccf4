// One connection to an upstream that speaks HTTP/1.1: one request on it at a time.
import type { Socket } from 'node:net'
import { contained, type Contained } from '../http/containment.ts'
import { connectedEvent } from '../upstream/dial.ts'
import { makeBodyReader, readTogether, type BodyReader } from './body-reader.ts'
import { connectionOptions } from './connection-options.ts'
import { HeadBuffer, HeadTooLarge } from './head-buffer.ts'
import {
  answerBodyLength,
  Malformed,
  readAnswerHead,
  refuseAnswerBegin,
  type AnswerHeadText,
  type BodyLength,
} from './syntax.ts'

/** Room for what apps really send: 64 KiB of headers and some. */
export const maxAnswerHeadBytes = 128 * 1024

/** Whose request is on the connection. */
export interface Exchanging {
  /** Whether any of the request was sent: what comes before answers nothing. */
  readonly hasAsked: boolean
  readonly method: string
  onConnected(): void
  /** A 1xx answer. */
  onInformation(head: AnswerHeadText): void
  /** @returns whether it takes the connection over. */
  onSwitch(head: AnswerHeadText): boolean
  /** @param content all of the body, where it has come already. */
  onHead(head: AnswerHeadText, length: BodyLength, content: Buffer | undefined): void
  /** @returns whether more is taken now. */
  onBody(part: Buffer): boolean
  onEnd(trailers: readonly string[]): void
  /** The connection ended, or what came cannot be read. */
  onFailure(error: Error): void
  /** An error of our own has ended the connection. */
  onFault(error: unknown): void
  onDrain(): void
  onSilence(): void
}

const nothing = Buffer.alloc(0)

export class UpstreamConnection implements Contained {
  readonly socket: Socket
  readonly #unread = new HeadBuffer(maxAnswerHeadBytes, refuseAnswerBegin)
  readonly #onIdleEnd: (connection: UpstreamConnection) => void
  #exchange: Exchanging | undefined
  #reader: BodyReader | undefined
  #error: Error | undefined
  #isConnected = false
  /** Whether all of the answer has come, be the request sent whole or not. */
  #isAnswered = false
  #isClean = true
  /** Whether a 1xx answer said that the connection ends: to some readers there is no answer behind it. */
  #isLastSaid = false
  /** Whether a byte of an answer has come to the request that is on it. */
  hasHeard = false

  /** @param onIdleEnd called when it ends while nothing is on it. */
  constructor(socket: Socket, onIdleEnd: (connection: UpstreamConnection) => void) {
    this.socket = socket
    this.#onIdleEnd = onIdleEnd
    socket
      .once(connectedEvent(socket), this.#onConnected)
      .on('data', this.#onData)
      .on('end', this.#onEnd)
      .on('drain', this.#onDrain)
      .on('timeout', this.#onTimeout)
      .on('error', this.#onError)
      .on('close', this.#onClose)
  }

  get isConnected(): boolean {
    return this.#isConnected
  }

  /** Whether the next request can go on it. */
  get isUsable(): boolean {
    return this.#exchange === undefined && !this.socket.destroyed && this.socket.writable
  }

  begin(exchange: Exchanging): void {
    this.#exchange = exchange
    this.#isAnswered = false
    this.hasHeard = false
  }

  readOn(): void {
    if (!this.socket.destroyed) this.socket.resume()
  }

  destroy(): void {
    this.#exchange = undefined
    this.socket.destroy()
  }

  /** Hands the connection over, with what was read ahead. */
  release(): Buffer {
    this.#exchange = undefined
    this.socket.setTimeout(0)
    this.socket.pause()
    this.socket
      .off('data', this.#onData)
      .off('end', this.#onEnd)
      .off('drain', this.#onDrain)
      .off('timeout', this.#onTimeout)
      .off('error', this.#onError)
      .off('close', this.#onClose)
    return this.#unread.takeRest()
  }

  fault(error: unknown): void {
    const exchange = this.#exchange
    this.destroy()
    exchange?.onFault(error)
  }

  readonly #onConnected = contained(this, () => {
    this.#isConnected = true
    this.#exchange?.onConnected()
  })
  readonly #onDrain = contained(this, () => this.#exchange?.onDrain())
  readonly #onTimeout = contained(this, () => this.#exchange?.onSilence())
  readonly #onError = (error: Error) => void (this.#error = error)

  readonly #onData = contained(this, (bytes: Buffer): void => {
    // Nothing was asked for.
    if (this.#exchange?.hasAsked !== true) {
      this.socket.destroy()
      return
    }
    this.hasHeard = true
    try {
      this.#read(bytes)
    } catch (error) {
      if (!isOfUpstream(error)) throw error
      this.#fail(error)
      this.socket.destroy()
    }
  })

  #read(bytes: Buffer): void {
    if (this.#isAnswered) this.#isClean = false
    else if (this.#reader === undefined) {
      this.#unread.add(bytes)
      this.#readHeads()
    } else this.#readBody(this.#reader, bytes)
  }

  #readHeads(): void {
    while (this.#exchange !== undefined && this.#reader === undefined) {
      this.#unread.skipEmptyLines()
      const text = this.#unread.takeHead()
      if (text === undefined) return
      this.#take(readAnswerHead(text), this.#exchange)
    }
  }

  #take(head: AnswerHeadText, exchange: Exchanging): void {
    if (this.#isLastSaid) throw new Malformed('An answer stands behind one that ends the connection.')
    // What is said of a length that cannot be read is refused also where there is no body.
    const length = answerBodyLength(head, exchange.method)
    if (head.status === 101) {
      if (!exchange.onSwitch(head)) throw new Unasked('a change of protocol that nobody asked for')
      return
    }
    if (head.status < 200) {
      this.#isLastSaid = connectionOptions(head.headers, head.version).ends
      exchange.onInformation(head)
      return
    }
    const rest = this.#unread.takeRest()
    if (typeof length === 'number' && rest.length >= length) {
      this.#keepOrDrop(rest.length === length, () =>
        exchange.onHead(head, length, length === 0 ? nothing : rest.subarray(0, length)),
      )
      return
    }
    this.#reader = makeBodyReader(length, maxAnswerHeadBytes, 'answer')
    exchange.onHead(head, length, undefined)
    if (rest.length > 0 && this.#reader !== undefined) this.#readBody(this.#reader, rest)
  }

  #readBody(reader: BodyReader, bytes: Buffer): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    let isTaken = true
    const taken = readTogether(reader, bytes, (part) => {
      if (!exchange.onBody(part)) isTaken = false
    })
    if (reader.hasEnded) this.#keepOrDrop(taken === bytes.length, () => exchange.onEnd(reader.trailers))
    else if (!isTaken) this.socket.pause()
  }

  /** What comes behind a whole answer spoils the connection, not the answer. */
  #keepOrDrop(isClean: boolean, tell: () => void): void {
    this.#reader = undefined
    this.#isAnswered = true
    this.#isClean = isClean
    tell()
  }

  /** Whether nothing but the answer has come. */
  get isClean(): boolean {
    return this.#isClean
  }

  /** The answer is whole, and so is the request: the connection waits for the next. */
  rest(): void {
    this.#exchange = undefined
    this.socket.resume()
  }

  /** RFC 9112 section 8: only where nothing else tells where the answer ends does the end of its connection. */
  readonly #onEnd = contained(this, (): void => {
    const reader = this.#reader
    const exchange = this.#exchange
    if (exchange === undefined || reader === undefined || !reader.endsWithConnection) return
    this.#reader = undefined
    this.#isClean = false
    exchange.onEnd([])
  })

  readonly #onClose = contained(this, (): void => {
    if (this.#exchange === undefined) this.#onIdleEnd(this)
    else this.#fail(this.#error ?? hungUp())
  })

  #fail(error: Error): void {
    const exchange = this.#exchange
    this.#exchange = undefined
    this.#reader = undefined
    exchange?.onFailure(error)
  }
}

class Unasked extends Error {}

/** Whether what came is what is wrong, and not we. */
function isOfUpstream(error: unknown): error is Error {
  return error instanceof Malformed || error instanceof HeadTooLarge || error instanceof Unasked
}

function hungUp(): Error {
  return Object.assign(new Error('the connection ended'), { code: 'ECONNRESET' })
}
