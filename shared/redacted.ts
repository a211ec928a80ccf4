// A secret that does not print: not in messages, not as JSON, not in an inspected object.

const mask = '[redacted]'

/** Holds a secret text. Whoever needs it says so by calling `expose`. */
export class Redacted {
  readonly #secret: string

  constructor(secret: string) {
    this.#secret = secret
  }

  expose(): string {
    return this.#secret
  }

  toString(): string {
    return mask
  }

  toJSON(): string {
    return mask
  }

  /** What `util.inspect`, and so `console.log`, shows. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return mask
  }
}
