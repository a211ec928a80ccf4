// Random bits as text, drawn in bulk: one call to the system serves hundreds of requests.
import { randomFillSync } from 'node:crypto'

const poolBytes = 4_096

export class RandomBits {
  readonly #pool: Buffer
  readonly #bytes: number
  readonly #encoding: 'base64url' | 'hex'
  #used: number

  /** @param bytes how many each draw has. */
  constructor(bytes: number, encoding: 'base64url' | 'hex') {
    this.#pool = Buffer.alloc(poolBytes - (poolBytes % bytes))
    this.#bytes = bytes
    this.#encoding = encoding
    this.#used = this.#pool.length
  }

  next(): string {
    if (this.#used === this.#pool.length) {
      randomFillSync(this.#pool)
      this.#used = 0
    }
    this.#used += this.#bytes
    return this.#pool.toString(this.#encoding, this.#used - this.#bytes, this.#used)
  }
}
