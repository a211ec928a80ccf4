// Gathers the bytes of a head until it is whole.
import { refuseCharacters } from './syntax.ts'

const empty = Buffer.alloc(0)
const emptyLine = Buffer.from('\r\n\r\n')
const cr = 0x0d
const lf = 0x0a

/** A head is larger than it may be. */
export class HeadTooLarge extends Error {}

/** More than it takes to see that something begins as no head does. */
const beginBytes = 32

export class HeadBuffer {
  readonly #maxBytes: number
  readonly #refuseBegin: (text: string) => void
  /** Either what came in one piece, or {@link #store} as far as it is filled. */
  #bytes: Buffer = empty
  /** Twice as large as it has to be: a head that comes byte by byte is copied a few times and not at each. */
  #store: Buffer | undefined
  /** Up to here there is no end of a head. */
  #searched = 0

  /** @param refuseBegin throws where nothing that begins with this text can become a head. */
  constructor(maxBytes: number, refuseBegin: (text: string) => void) {
    this.#maxBytes = maxBytes
    this.#refuseBegin = refuseBegin
  }

  get length(): number {
    return this.#bytes.length
  }

  add(bytes: Buffer): void {
    if (this.#bytes.length === 0) {
      this.#bytes = bytes
      this.#store = undefined
      return
    }
    const { length } = this.#bytes
    const needed = length + bytes.length
    const begin = this.#store === undefined ? 0 : this.#bytes.byteOffset - this.#store.byteOffset
    if (this.#store === undefined || begin + needed > this.#store.length) this.#grow(needed)
    const store = this.#store as Buffer
    const from = this.#bytes.byteOffset - store.byteOffset
    bytes.copy(store, from + length)
    this.#bytes = store.subarray(from, from + needed)
  }

  #grow(needed: number): void {
    const store = Buffer.allocUnsafeSlow(2 * needed)
    this.#bytes.copy(store)
    this.#bytes = store.subarray(0, this.#bytes.length)
    this.#store = store
  }

  /** All that is there, which is then gone from here. */
  takeRest(): Buffer {
    const rest = this.#bytes
    this.#bytes = empty
    this.#store = undefined
    this.#searched = 0
    return rest
  }

  /** RFC 9112 section 2.2: empty lines before the first line are passed over. */
  skipEmptyLines(): void {
    const bytes = this.#bytes
    if (bytes.length === 0 || (bytes[0] as number) > cr) return
    let start = 0
    while (bytes[start] === lf || (bytes[start] === cr && bytes[start + 1] === lf)) start++
    if (start > 0) this.#bytes = bytes.subarray(start)
  }

  /**
   * @returns its lines, each with its end, in Latin-1; undefined where more has to come.
   * @throws {HeadTooLarge}
   * @throws {Malformed} what cannot become one.
   */
  takeHead(): string | undefined {
    const bytes = this.#bytes
    const at = bytes.indexOf(emptyLine, this.#searched)
    // The end may have come but for its last byte.
    if ((at === -1 ? bytes.length - 3 : at) > this.#maxBytes) throw new HeadTooLarge()
    if (at === -1) {
      const isHalfEmptyLine = bytes.length === 1 && bytes[0] === cr
      if (bytes.length > 0 && !isHalfEmptyLine) this.#refuseBroken()
      this.#searched = Math.max(0, bytes.length - 3)
      return undefined
    }
    if (at + 4 === bytes.length) this.takeRest()
    else {
      this.#searched = 0
      this.#bytes = bytes.subarray(at + 4)
    }
    return bytes.toString('latin1', 0, at + 2)
  }

  /** Of a head that is not whole yet: nobody has to wait for the rest of what can become none. */
  #refuseBroken(): void {
    const bytes = this.#bytes
    this.#refuseBegin(bytes.toString('latin1', 0, beginBytes))
    const isBehindReturn = this.#searched > 0 && bytes[this.#searched] === lf
    refuseCharacters(bytes.toString('latin1', isBehindReturn ? this.#searched + 1 : this.#searched))
  }
}
