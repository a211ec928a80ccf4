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
  /** How much is held of each that is being read; the oldest first. */
  readonly #reading = new Map<IncomingMessage, number>()
  #held = 0

  readonly #onCutOff: () => void

  /** Both in bytes. @param onCutOff told of each that is cut off. */
  constructor(limit: number, limitOfAll: number, onCutOff: () => void) {
    this.#limit = limit
    this.#limitOfAll = limitOfAll
    this.#onCutOff = onCutOff
  }

  /**
   * The whole body, as text. Where all that are being read are too large, the oldest is cut off: a newcomer that is
   * turned away would be the API server.
   * @throws {BodyFault} 413: it is too large; 400: it is no UTF-8.
   * @throws {Error} the client left, or was cut off.
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
        if (length > this.#limit) throw this.#tooLarge()
        this.#hold(request, length)
        parts.push(part)
      }
    } finally {
      this.#letGo(request)
    }
    return decode(Buffer.concat(parts))
  }

  #hold(request: IncomingMessage, length: number): void {
    this.#held += length - (this.#reading.get(request) ?? 0)
    this.#reading.set(request, length)
    for (const [oldest] of this.#reading) {
      if (this.#held <= this.#limitOfAll) return
      this.#letGo(oldest)
      oldest.destroy()
      this.#onCutOff()
    }
  }

  #letGo(request: IncomingMessage): void {
    this.#held -= this.#reading.get(request) ?? 0
    this.#reading.delete(request)
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
