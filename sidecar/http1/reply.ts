// What goes back on a connection of HTTP/1.1: heads and bodies as they are given, framed as the client can read them.
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { hasHeader } from '../../shared/head.ts'
import { contained } from '../http/containment.ts'
import type { Incoming, Reply, ReplyHead, Trailers } from '../http/incoming.ts'
import type { Carrier } from './carrier.ts'
import { dateNow, fieldLine, fieldLines, statusLine } from './head-text.ts'
import { resetConnection } from './reset.ts'
import { MessageWriter, type MessageOwner } from './message-writer.ts'

const ignore = (): void => undefined

/** What is answered. */
type Asked = Pick<Incoming, 'head' | 'version' | 'isComplete'>

export class Http1Reply implements Reply, MessageOwner {
  readonly #incoming: Asked
  readonly #carrier: Carrier
  readonly #socket: Socket
  #isLast: boolean
  #state: 'waiting' | 'begun' | 'over' = 'waiting'
  #status = 0
  #isChunked = false
  /** Nothing follows the head, whatever is written. */
  #isBodiless = false
  readonly #writer: MessageWriter
  #done: (error?: Error | null) => void = ignore
  #onDrain: (() => void) | undefined
  #closedListeners: (() => void)[] = []

  /** @param isLast whether the connection is to end behind it. */
  constructor(incoming: Asked, carrier: Carrier, isLast: boolean) {
    this.#incoming = incoming
    this.#carrier = carrier
    this.#socket = carrier.socket
    this.#isLast = isLast
    this.#writer = new MessageWriter(carrier.socket, this)
  }

  get isGone(): boolean {
    return this.#state === 'over' || this.#socket.destroyed
  }

  get hasBegun(): boolean {
    return this.#state !== 'waiting'
  }

  get status(): number {
    return this.#status
  }

  closeConnection(): void {
    this.#isLast = true
  }

  /** In HTTP/1.0 none waits. */
  invite(): void {
    const { version, head } = this.#incoming
    if (version === '1.1' && hasHeader(head.headers, 'expect'))
      this.#socket.write('HTTP/1.1 100 Continue\r\n\r\n')
  }

  /** It cannot be held back, so to a client that does not read it is not sent: endless ones would fill the memory. */
  inform(status: number, headers: readonly string[]): void {
    if (this.#incoming.version !== '1.1' || this.#socket.writableNeedDrain) return
    this.#socket.write(
      `${statusLine(status, STATUS_CODES[status] ?? '')}${fieldLines(headers)}\r\n`,
      'latin1',
    )
  }

  begin({ status, reason, headers }: ReplyHead): void {
    const { version, head, isComplete } = this.#incoming
    // The rest of a request that is answered early is not read.
    if (!isComplete) this.#isLast = true
    this.#isBodiless = head.method === 'HEAD' || status === 204 || status === 304
    const hasLength = hasHeader(headers, 'content-length')
    this.#isChunked = !this.#isBodiless && !hasLength && version === '1.1'
    // In HTTP/1.0 the end of the connection is the end of the answer.
    if (!this.#isBodiless && !hasLength && version === '1.0') this.#isLast = true
    const text = statusLine(status, reason) + this.#fittingLines(status, headers) + this.#ownLines(headers)
    this.#begun(status)
    this.#writer.begin(`${text}\r\n`, this.#isChunked)
  }

  /** Without what says something about a body that is not sent like that. */
  #fittingLines(status: number, headers: readonly string[]): string {
    let text = ''
    for (let i = 0; i < headers.length; i += 2) {
      const name = headers[i] as string
      if (status === 204 && isNamed(name, 'content-length')) continue
      if (!this.#isChunked && isNamed(name, 'trailer')) continue
      text += fieldLine(name, headers[i + 1] as string)
    }
    return text
  }

  #ownLines(headers: readonly string[]): string {
    let text = hasHeader(headers, 'date') ? '' : `Date: ${dateNow()}\r\n`
    text += this.#isLast ? 'Connection: close\r\n' : this.#carrier.keepAliveLines
    if (this.#isChunked) text += 'Transfer-Encoding: chunked\r\n'
    return text
  }

  write(chunk: Buffer): boolean {
    return this.#isBodiless || this.#writer.write(chunk)
  }

  onDrain(listener: () => void): void {
    this.#onDrain = listener
  }

  drained(): void {
    this.#onDrain?.()
  }

  end(trailers: Trailers, done: (error?: Error | null) => void): void {
    this.#done = done
    this.#writer.end(trailers)
  }

  send({ status, reason, headers }: ReplyHead, body: string): void {
    const { head, isComplete } = this.#incoming
    if (!isComplete) this.#isLast = true
    // It may come in place of one that could not be begun.
    this.#isChunked = false
    const isBodiless = head.method === 'HEAD' || body === ''
    const line = statusLine(status, reason === '' ? (STATUS_CODES[status] ?? '') : reason)
    const text = `${line}${fieldLines(headers)}${this.#lengthLine(status, headers)}${this.#ownLines(headers)}\r\n`
    this.#begun(status)
    this.#writer.begin(text, false)
    if (!isBodiless) this.#writer.write(Buffer.from(body))
    this.#writer.end([])
  }

  /** Whole answers of our own name their length, or have no body. */
  #lengthLine(status: number, headers: readonly string[]): string {
    return status === 204 || hasHeader(headers, 'content-length') ? '' : 'Content-Length: 0\r\n'
  }

  /** In HTTP/1.0 the end of the connection is the end of the answer: only a reset tells that it was not. */
  breakOff(): void {
    this.#writer.flush()
    if (this.#incoming.version === '1.0') resetConnection(this.#socket)
    this.#socket.destroy()
  }

  onceClosed(listener: () => void): void {
    this.#closedListeners.push(listener)
  }

  offClosed(listener: () => void): void {
    this.#closedListeners = this.#closedListeners.filter((each) => each !== listener)
  }

  /** The connection is gone. */
  left(): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#close()
  }

  #begun(status: number): void {
    if (this.#state !== 'waiting') throw new Error('the answer has begun already')
    this.#state = 'begun'
    this.#status = status
  }

  onWritten(): void {
    if (this.#state === 'over') return
    const socket = this.#socket
    if (socket.destroyed) this.#done(new Error('the connection is closed'))
    else if (socket.writableLength === 0) this.#over()
    else {
      const onTaken = (error?: Error | null) => (error ? this.#done(error) : this.#over())
      socket.write('', contained(this, onTaken))
    }
  }

  fault(error: unknown): void {
    this.#carrier.fault(error)
  }

  #over(): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#done()
    this.#close()
    this.#carrier.done(this.#isLast)
  }

  #close(): void {
    this.#onDrain = undefined
    const listeners = this.#closedListeners
    this.#closedListeners = []
    for (const listener of listeners) listener()
  }
}

function isNamed(name: string, lowerName: string): boolean {
  return name.length === lowerName.length && name.toLowerCase() === lowerName
}
