// The body of a message that is still on its way: a stream that holds its connection to the reader's pace.
import { Readable } from 'node:stream'

export class Http1Body extends Readable {
  readonly #onWanted: () => void

  /** @param onWanted called when more is wanted. */
  constructor(onWanted: () => void) {
    super()
    this.#onWanted = onWanted
  }

  override _read(): void {
    this.#onWanted()
  }
}

/** Of a message that has none. */
export function makeEmptyBody(): Readable {
  const body = new Http1Body(() => undefined)
  body.push(null)
  return body
}
