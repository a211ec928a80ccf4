// What a connection has brought and nobody has served yet: requests, of which the next one's head is read.
import { HeadBuffer } from './head-buffer.ts'
import { readRequestHead, refuseRequestBegin, type RequestHeadText } from './syntax.ts'

/** More requests than any client sends ahead. To read no further instead would also be not to notice that it leaves. */
const maxWaiting = 1_000
/** So much of them is kept, and never less than the longest head; more waits on the network. */
export const maxWaitingBytes = 256 * 1024
const emptyLine = '\r\n\r\n'

export class UnreadRequests {
  readonly #bytes: HeadBuffer
  readonly #mostBytes: number
  /** Heads that wait behind the current request, at most. */
  #waiting = 0
  /** The next of them, which has been read. */
  #next: RequestHeadText | undefined

  /** @param maxHeadBytes of a head. */
  constructor(maxHeadBytes: number) {
    this.#bytes = new HeadBuffer(maxHeadBytes, refuseRequestBegin)
    this.#mostBytes = Math.max(maxWaitingBytes, maxHeadBytes + emptyLine.length)
  }

  get isEmpty(): boolean {
    return this.#next === undefined && this.#bytes.length === 0
  }

  /** Whether something has come of which no head is read. */
  get hasBytes(): boolean {
    return this.#bytes.length > 0
  }

  get isFull(): boolean {
    return this.#bytes.length > this.#mostBytes
  }

  /** Whether more requests wait than any client sends ahead. */
  get areTooMany(): boolean {
    return this.#waiting > maxWaiting
  }

  get areCounted(): boolean {
    return this.#waiting > 0
  }

  add(bytes: Buffer): void {
    this.#bytes.add(bytes)
  }

  /** @param bytes that were added: what ends a head there may also stand within a body. */
  count(bytes: Buffer): void {
    for (let at = bytes.indexOf(emptyLine); at !== -1; at = bytes.indexOf(emptyLine, at + 4)) this.#waiting++
  }

  /**
   * The next head, which stays the next.
   * @returns undefined where more has to come.
   * @throws {HeadTooLarge}
   * @throws {Malformed}
   */
  peekHead(): RequestHeadText | undefined {
    this.#next ??= this.#readHead()
    return this.#next
  }

  /** Its request is served from now on. */
  passHead(): void {
    this.#next = undefined
    // What was counted may have been within a body.
    this.#waiting = this.#bytes.length === 0 ? 0 : Math.max(0, this.#waiting - 1)
  }

  /** All behind the heads that were read, which is then gone from here. */
  takeRest(): Buffer {
    return this.#bytes.takeRest()
  }

  #readHead(): RequestHeadText | undefined {
    this.#bytes.skipEmptyLines()
    const text = this.#bytes.takeHead()
    return text === undefined ? undefined : readRequestHead(text)
  }
}
