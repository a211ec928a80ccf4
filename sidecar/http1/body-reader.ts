// Reads one body out of what a connection brings: by its length, by its chunks, or up to the connection's end.
import { ChunkedReader } from './chunked.ts'
import type { BodyLength } from './syntax.ts'

type OnData = (part: Buffer) => void

export interface BodyReader {
  /**
   * @returns how many of the bytes belong to this body.
   * @throws {Malformed}
   */
  read(bytes: Buffer, onData: OnData): number
  readonly hasEnded: boolean
  /** Whether nothing but the end of the connection ends it (RFC 9112 section 6.3, rule 8). */
  readonly endsWithConnection?: boolean
  /** Names and values in turn. */
  readonly trailers: readonly string[]
}

const none: readonly string[] = []

class LengthReader implements BodyReader {
  readonly trailers = none
  #left: number

  constructor(length: number) {
    this.#left = length
  }

  get hasEnded(): boolean {
    return this.#left === 0
  }

  read(bytes: Buffer, onData: OnData): number {
    const part = bytes.length <= this.#left ? bytes : bytes.subarray(0, this.#left)
    this.#left -= part.length
    if (part.length > 0) onData(part)
    return part.length
  }
}

class RestReader implements BodyReader {
  readonly trailers = none
  readonly hasEnded = false
  readonly endsWithConnection = true

  read(bytes: Buffer, onData: OnData): number {
    onData(bytes)
    return bytes.length
  }
}

/** @param maxBytes of chunk extensions, and of the trailer section. */
export function makeBodyReader(length: BodyLength, maxBytes: number, of: 'request' | 'answer'): BodyReader {
  if (length === 'chunked') return new ChunkedReader(maxBytes, of)
  return length === 'close' ? new RestReader() : new LengthReader(length)
}

/**
 * Reads, and calls `onPart` once at most: many small chunks weigh on whoever holds them no more than one.
 * @returns and throws as {@link BodyReader.read}; also before it throws, what came before is told.
 */
export function readTogether(reader: BodyReader, bytes: Buffer, onPart: OnData): number {
  if (!(reader instanceof ChunkedReader)) return reader.read(bytes, onPart)
  const parts: Buffer[] = []
  try {
    return reader.read(bytes, (part) => parts.push(part))
  } finally {
    const [first] = parts
    if (first !== undefined) onPart(parts.length === 1 ? first : Buffer.concat(parts))
  }
}
