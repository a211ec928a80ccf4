// A body in chunks (RFC 9112 section 7.1), read strictly as its bytes come.
import { isConnectionName } from './connection-options.ts'
import { isCodingName, isLengthName, Malformed, readFields } from './syntax.ts'

/** What is said in `Connection` of what comes behind the message. */
const persistence = /close|keep-alive|upgrade/i

/** The trailer section is beyond its limit (RFC 9112 section 7.1.2: a recipient may limit it). */
export class TrailersTooLarge extends Malformed {}

/** Of one chunk, as Node has it. */
const maxExtensionBytes = 16 * 1024
/** Of 64 bits, zeros before them included. */
const maxSizeDigits = 16

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const quoted = '"(?:[\\t \\x21\\x23-\\x5b\\x5d-\\x7e\\x80-\\xff]|\\\\[\\t\\x20-\\x7e\\x80-\\xff])*"'
/** RFC 9112 section 7.1.1, but for the blanks that only old senders write. */
const extensions = new RegExp(`^(?:;${token}(?:=(?:${token}|${quoted}))?)+\\r\\n$`)

const carriageReturn = 0x0d
const lineFeed = 0x0a
const semicolon = 0x3b

/** What comes next. */
type Place =
  | 'size'
  | 'size feed'
  | 'extensions'
  | 'data'
  | 'data return'
  | 'data feed'
  | 'trailers'
  | 'nothing'

export class ChunkedReader {
  readonly #maxBytes: number
  readonly #isAnswer: boolean
  #place: Place = 'size'
  /** Of the chunk; where its data is read, what is still to come of it. */
  #size = 0
  #digits = 0
  /** What has come of a line of extensions, or of trailers. */
  #line = ''
  #extensionBytes = 0
  #trailerBytes = 0
  readonly #trailers: string[] = []

  /**
   * @param maxBytes of all chunk extensions together (those of one chunk: 16 KiB at most), and of the trailer section.
   * @param of what the body is: in the trailers of an answer `Transfer-Encoding` means nothing, in those of a request it
   * is refused.
   */
  constructor(maxBytes: number, of: 'request' | 'answer' = 'request') {
    this.#maxBytes = maxBytes
    this.#isAnswer = of === 'answer'
  }

  get hasEnded(): boolean {
    return this.#place === 'nothing'
  }

  /** Names and values in turn, as received. */
  get trailers(): readonly string[] {
    return this.#trailers
  }

  /**
   * Reads what it can; calls `onData` with views of `bytes`.
   * @returns how many bytes belong to this body: all, unless it has ended.
   * @throws {Malformed} after which nothing more can be read.
   * @throws {TrailersTooLarge}
   */
  read(bytes: Buffer, onData: (part: Buffer) => void): number {
    let at = 0
    while (at < bytes.length && !this.hasEnded) at = this.#readPart(bytes, at, onData)
    return at
  }

  /** @returns where the next part begins. */
  #readPart(bytes: Buffer, at: number, onData: (part: Buffer) => void): number {
    switch (this.#place) {
      case 'size':
        return this.#readSize(bytes, at)
      case 'size feed':
        expect(bytes, at, lineFeed)
        this.#beginData()
        return at + 1
      case 'extensions':
        return this.#readExtensions(bytes, at)
      case 'data':
        return this.#readData(bytes, at, onData)
      case 'data return':
        expect(bytes, at, carriageReturn)
        this.#place = 'data feed'
        return at + 1
      case 'data feed':
        expect(bytes, at, lineFeed)
        this.#beginSize()
        return at + 1
      case 'trailers':
        return this.#readTrailers(bytes, at)
      case 'nothing':
        return at
    }
  }

  #beginSize(): void {
    this.#place = 'size'
    this.#size = 0
    this.#digits = 0
  }

  #readSize(bytes: Buffer, from: number): number {
    let at = from
    for (; at < bytes.length; at++) {
      const digit = hexDigit(bytes[at] as number)
      if (digit === -1) break
      this.#size = this.#size * 16 + digit
      this.#digits++
    }
    if (this.#digits > maxSizeDigits || this.#size > Number.MAX_SAFE_INTEGER)
      throw new Malformed('A chunk size is too large.')
    return at === bytes.length ? at : this.#endSize(bytes, at)
  }

  #endSize(bytes: Buffer, at: number): number {
    const next = this.#digits === 0 ? undefined : bytes[at]
    if (next === carriageReturn) {
      this.#place = 'size feed'
      return at + 1
    }
    if (next !== semicolon) throw new Malformed('A chunk size is malformed.')
    this.#place = 'extensions'
    return at
  }

  /** They mean nothing here (RFC 9112 section 7.1.1). */
  #readExtensions(bytes: Buffer, at: number): number {
    const end = this.#readLine(bytes, at)
    this.#extensionBytes += end - at
    if (this.#extensionBytes > this.#maxBytes || this.#line.length > maxExtensionBytes)
      throw new Malformed('The chunk extensions are too large.')
    if (bytes[end - 1] !== lineFeed) return end
    if (!extensions.test(this.#line)) throw new Malformed('A chunk extension is malformed.')
    this.#line = ''
    this.#beginData()
    return end
  }

  #beginData(): void {
    this.#place = this.#size === 0 ? 'trailers' : 'data'
  }

  #readData(bytes: Buffer, at: number, onData: (part: Buffer) => void): number {
    const end = Math.min(at + this.#size, bytes.length)
    this.#size -= end - at
    if (this.#size === 0) this.#place = 'data return'
    onData(bytes.subarray(at, end))
    return end
  }

  #readTrailers(bytes: Buffer, at: number): number {
    const end = this.#readLine(bytes, at)
    this.#trailerBytes += end - at
    if (this.#trailerBytes > this.#maxBytes) throw new TrailersTooLarge('The trailer section is too large.')
    if (bytes[end - 1] !== lineFeed) return end
    if (this.#line === '\r\n') this.#place = 'nothing'
    else this.#addTrailer(this.#line)
    this.#line = ''
    return end
  }

  /** Up to the end of the line, or of what has come of it. */
  #readLine(bytes: Buffer, at: number): number {
    const feed = bytes.indexOf(lineFeed, at)
    const end = feed === -1 ? bytes.length : feed + 1
    this.#line += bytes.toString('latin1', at, end)
    return end
  }

  /** RFC 9110 section 6.5.1: what frames or controls must not be sent there, and some readers heed it. */
  #addTrailer(line: string): void {
    const [name = '', value = ''] = readFields(line)
    const isCoding = isCodingName(name) && (!this.#isAnswer || value === '')
    if (isCoding || isLengthName(name)) throw new Malformed('A trailer says how the body is framed.')
    if (!this.#isAnswer && isConnectionName(name) && persistence.test(value)) {
      throw new Malformed('A trailer says how the connection goes on.')
    }
    this.#trailers.push(name, value)
  }
}

function expect(bytes: Buffer, at: number, code: number): void {
  if (bytes[at] !== code) throw new Malformed('A chunk does not end as its size says.')
}

/** @returns -1 for what is none. */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}
