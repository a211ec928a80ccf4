// Watches over what Redis sends, before ioredis reads it: that makes room for as many elements as a reply announces, and a
// few hundred octets would end the process.
import { RedisFault } from './redis-fault.ts'

/** What ends a line, and the longest one that says how much follows. */
const lineFeed = 0x0a
const maxDigits = 20
/** RESP2 alone is asked for: texts, errors, numbers, strings and arrays. */
const kinds = new Map('+-:$*'.split('').map((kind) => [kind.charCodeAt(0), kind]))

export class RespBounds {
  readonly #maxElements: number
  readonly #maxBytes: number
  #kind: string | undefined
  #digits = ''
  /** Of a string that has been announced, with its line's end. */
  #bytesDue = 0
  #elementsDue = 0

  constructor(maxElements: number, maxBytes: number) {
    this.#maxElements = maxElements
    this.#maxBytes = maxBytes
  }

  /** @throws {RedisFault} `not_redis`: it is no RESP2; `too_long`: it announces more than is taken. */
  take(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#bytesDue > 0) {
        const skipped = Math.min(this.#bytesDue, chunk.length - at)
        this.#bytesDue -= skipped
        at += skipped
      } else if (this.#kind === undefined) {
        this.#kind = kinds.get(chunk[at++] as number)
        if (this.#kind === undefined) throw new RedisFault('not_redis')
        this.#elementsDue = Math.max(0, this.#elementsDue - 1)
      } else at = this.#takeLine(chunk, at, this.#kind)
    }
  }

  #takeLine(chunk: Buffer, from: number, kind: string): number {
    const end = chunk.indexOf(lineFeed, from)
    const part = chunk.subarray(from, end === -1 ? chunk.length : end)
    if (kind === '$' || kind === '*') this.#digits += part.toString('latin1', 0, maxDigits + 1)
    if (this.#digits.length > maxDigits) throw new RedisFault('not_redis')
    if (end === -1) return chunk.length
    if (kind === '$' || kind === '*') this.#announce(kind, this.#digits)
    this.#kind = undefined
    this.#digits = ''
    return end + 1
  }

  #announce(kind: string, digits: string): void {
    // What another reader could take for another number is none.
    if (!/^-?[0-9]+\r$/.test(digits)) throw new RedisFault('not_redis')
    const length = Number(digits)
    if (kind === '$' && length >= 0) this.#bytesDue = length + 2
    if (kind === '*' && length > 0) this.#elementsDue += length
    if (this.#bytesDue > this.#maxBytes || this.#elementsDue > this.#maxElements) {
      throw new RedisFault('too_long')
    }
  }
}
