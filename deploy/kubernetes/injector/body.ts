// Reads the bodies of requests, each within a limit and all of them together within another.
import type { IncomingMessage } from 'node:http'

/** A request that is answered without having been understood. */
export class BodyFault extends Error {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message)
    this.status = status
    this.headers = headers
  }
}

export class BodyReader {
  readonly #limit: number
  readonly #limitOfAll: number
  #held = 0

  /** Both in bytes. */
  constructor(limit: number, limitOfAll: number) {
    this.#limit = limit
    this.#limitOfAll = limitOfAll
  }

  /**
   * The whole body, as text.
   * @throws {BodyFault} 413: it is too large; 503: all that are being read are; 400: it is no UTF-8.
   * @throws {Error} the client left.
   */
  async read(request: IncomingMessage): Promise<string> {
    const announced = Number(request.headers['content-length'] ?? 0)
    if (announced > this.#limit) throw this.#tooLarge()
    const parts: Buffer[] = []
    let length = 0
    try {
      // Without the iterator's return, which would destroy the connection and with it the answer.
      for await (const part of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        length += part.length
        this.#held += part.length
        if (length > this.#limit) throw this.#tooLarge()
        if (this.#held > this.#limitOfAll) throw new BodyFault(503, 'There are too many reviews at once.')
        parts.push(part)
      }
    } finally {
      this.#held -= length
    }
    return decode(Buffer.concat(parts))
  }

  #tooLarge(): BodyFault {
    return new BodyFault(413, `A review has at most ${this.#limit} bytes.`)
  }
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new BodyFault(400, 'The body is no UTF-8.')
  }
}
