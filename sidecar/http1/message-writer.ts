// Writes a message, framed as its head says: what of it is at hand by the end of a turn of the event loop goes out in one piece.
import type { Socket } from 'node:net'
import type { Contained } from '../http/containment.ts'
import type { Trailers } from '../http/incoming.ts'
import { atTurnEnd, type AtTurnEnd } from '../turn.ts'
import { lastChunk, maxCopiedBytes, writePart } from './chunks.ts'

export interface MessageOwner extends Contained {
  /** The socket has all of it. */
  onWritten(): void
}

export class MessageWriter implements AtTurnEnd {
  readonly #socket: Socket
  readonly #owner: MessageOwner
  #isChunked = false
  #hasBegun = false
  /** What waits, in Latin-1; of the body where there is a head. */
  #head = ''
  #part: Buffer | undefined
  #last = ''
  #isWhole = false

  constructor(socket: Socket, owner: MessageOwner) {
    this.#socket = socket
    this.#owner = owner
  }

  /** Whether the socket has its head. */
  get isOut(): boolean {
    return this.#hasBegun && this.#head === ''
  }

  begin(head: string, isChunked: boolean): void {
    this.#hasBegun = true
    this.#head = head
    this.#isChunked = isChunked
    atTurnEnd(this)
  }

  /** @returns whether more is taken before the socket's `drain`. */
  write(bytes: Buffer): boolean {
    if (bytes.length === 0) return true
    const waits = this.#head !== '' && this.#part === undefined && bytes.length <= maxCopiedBytes
    if (waits) {
      this.#part = bytes
      return true
    }
    if (this.#part !== undefined) this.flush()
    return writePart(this.#socket, { head: this.#takeHead(), bytes, isChunk: this.#isChunked, last: '' })
  }

  /** @throws {Error} what is no field. */
  end(trailers: Trailers): void {
    const last = this.#isChunked ? lastChunk(trailers) : ''
    this.#isWhole = true
    this.#last = last
    if (this.#head !== '') return
    if (last !== '') this.#socket.write(last, 'latin1')
    this.#owner.onWritten()
  }

  /** What is there goes out now. */
  flush(): void {
    const bytes = this.#part
    this.#part = undefined
    if (this.#head === '' || this.#socket.destroyed) return
    const head = this.#takeHead()
    if (bytes === undefined) this.#socket.write(head + this.#last, 'latin1')
    else writePart(this.#socket, { head, bytes, isChunk: this.#isChunked, last: this.#last })
  }

  onTurnEnd(): void {
    if (this.#head === '') return
    try {
      this.flush()
      if (this.#isWhole) this.#owner.onWritten()
    } catch (error) {
      this.#owner.fault(error)
    }
  }

  #takeHead(): string {
    const head = this.#head
    this.#head = ''
    return head
  }
}
