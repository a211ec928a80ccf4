// Messages by the grammar and by chance, most of them a little wrong: the same ones for the same seed.
import { METHODS } from 'node:http'
import { maxAnswerHeadBytes } from '../../sidecar/http1/upstream-connection.ts'
import type { Chance } from './fuzz.ts'
import type { Side } from './llhttp.ts'
import { mutated, spliced } from './mutation.ts'

/** Of a head, of all chunk extensions, and of a trailer section: what the connections here take. */
export function maxBytesOf(side: Side): number {
  return side === 'request' ? 4096 : maxAnswerHeadBytes
}

/** Of one chunk. */
const maxExtensionBytes = 16 * 1024

export interface Sent {
  readonly side: Side
  readonly bytes: Buffer
}

/** One of each class that a reader tells from others, and the neighbours of where classes begin. */
export const byteClasses: readonly string[] = [
  ...'\r\n\0\t \x0b\x0c\x01\x1f\x7f\x80\xa0\xe9\xff:;,="\\/?#@*[(%~0159afgAFGHZ_-+.'.split(''),
  '\r\n',
  '\r\n ',
  '\r\n\t',
  '\r\n\r\n',
]

/** What is right, and what is not always. */
const words = {
  versions: ['HTTP/1.0', 'HTTP/1.2', 'HTTP/0.9', 'HTTP/2.0', 'http/1.1', 'ICE/1.0'],
  methods: ['CONNECT', 'get', 'PRI', 'FOO'],
  targets:
    '/x?y=1 * http://a.b/x https://u@[::1]:80?q a:443 /#f x ftp:// // /\xe9 HTTP://a a1://b http://a@@b http://a#b'.split(
      ' ',
    ),
  statuses: ['404', '500', '100', '103', '199', '101', '204', '304', '999', '099', '20', '2000'],
  reasons: [' ', '', ' caf\xe9', '  two', '\tOK', ' a\x01'],
  names:
    'X-A x-b Host Connection Connection Proxy-Connection Upgrade Trailer TE X~!#9 Expect Transfer_Encoding Content-Lengt'.split(
      ' ',
    ),
  values: [
    'a',
    '',
    'close',
    'keep-alive',
    'a, close',
    'upgrade',
    'x, upgrade',
    'a\tb',
    'caf\xe9',
    '::',
    '"q\\""',
    'a'.repeat(40),
  ],
  blanks: ['', '\t', '  ', ' \t '],
  lengths: ['0', '00', '05', '+5', '5, 5', '0x5', '', '9007199254740993'],
  codings: ['Chunked', 'chunked ', 'chunked\t', 'gzip', 'gzip, chunked', 'chunked, chunked', ''],
  bodies: ['', 'hello', '0\r\n\r\n', 'GET / HTTP/1.1\r\n\r\n'],
  data: ['hello', 'a', '\r\n', '0\r\n\r\n', '\0\xff', '0123456789'],
  sizes: ['', 'g', '-1', '0x1', 'A', 'ffffffffffffffff1', '20000000000000', '00000000000000005'],
  extensions: [';a', ';a=b', ';a="b;\\" "', ';a;b=c', ';', ';a=', ';a=b"c"', ';=b', '; a', ';a = b', ' '],
  lastSizes: ['000', '0;a', '0 ', '00000000000000000'],
  lineEnds: ['\n', '', '\r', '\r\r\n'],
  behind: ['GET /next HTTP/1.1\r\n\r\n', '\r\n', 'x'],
} as const

const methodsAsked = ['GET', 'GET', 'POST', 'HEAD', 'CONNECT']

/** One to three, one behind the other. */
export function anyRequests(chance: Chance): Sent {
  return streamOf('request', chance)
}

/** What an upstream says to one request: answers ahead of the answer, the answer, and what stands behind it. */
export function anyAnswers(chance: Chance): Sent {
  return streamOf({ asked: methodsAsked[chance(methodsAsked.length)] as string }, chance)
}

/** A body in chunks, behind a head in which nothing is wrong. */
export function anyChunks(chance: Chance): Sent {
  const side: Side = chance(2) === 0 ? 'request' : { asked: 'GET' }
  const head = `${side === 'request' ? 'POST / HTTP/1.1' : 'HTTP/1.1 200 OK'}\r\nTransfer-Encoding: chunked\r\n\r\n`
  const chunks = () => stretched(new Writer(chance, side).chunks(), maxBytesOf(side), chance)
  const text = chance(8) === 0 ? spliced(chunks(), chunks(), chance) : chunks()
  return { side, bytes: Buffer.from(head + mutated(text, byteClasses, chance), 'latin1') }
}

function streamOf(side: Side, chance: Chance): Sent {
  const writer = new Writer(chance, side)
  const message = () => stretched(writer.startLine() + writer.rest(), maxBytesOf(side), chance)
  let text = message()
  for (let more = chance(4) - 1; more > 0; more--) text += message()
  if (chance(8) === 0) text = spliced(text, message(), chance)
  if (chance(6) === 0) text += writer.any(words.behind)
  return { side, bytes: Buffer.from(mutated(text, byteClasses, chance), 'latin1') }
}

/** Now and then as long as is just allowed, or not any more: the head, or the trailers. */
function stretched(text: string, maxBytes: number, chance: Chance): string {
  if (chance(64) > 0) return text
  const isTrailer = chance(2) === 0
  const end = isTrailer ? text.lastIndexOf('\r\n\r\n') : text.indexOf('\r\n\r\n')
  if (end === -1) return text
  const start = isTrailer ? Math.max(0, text.lastIndexOf('\r\n0\r\n')) + 5 : 0
  const room = maxBytes - (end - start) + chance(9) - 8
  const pad = `\r\nX-Pad: ${'a'.repeat(Math.max(0, room))}`
  return text.slice(0, end) + pad + text.slice(end)
}

class Writer {
  readonly #chance: Chance
  readonly #side: Side

  constructor(chance: Chance, side: Side) {
    this.#chance = chance
    this.#side = side
  }

  any(list: readonly string[]): string {
    return list[this.#chance(list.length)] as string
  }

  startLine(): string {
    const version = this.#often('HTTP/1.1', words.versions)
    if (this.#side !== 'request')
      return `${version} ${this.#often('200', words.statuses)}${this.#often(' OK', words.reasons)}\r\n`
    const method = this.#often(this.any(METHODS), words.methods)
    const target = this.#often(method === 'CONNECT' ? 'a.b:443' : '/', words.targets)
    return `${method}${this.#blank()}${target}${this.#blank()}${version}\r\n`
  }

  /** Fields and body. */
  rest(): string {
    const [framing, body] = this.#framed()
    const more = this.#chance(12) === 0 ? this.#framed()[0] : ''
    const many = this.#some(this.#chance(16) === 0 ? 60 : 2, () => this.#field())
    return `${this.#some(2, () => this.#field())}${framing}${more}${many}\r\n${body}`
  }

  #often(usual: string, list: readonly string[]): string {
    return this.#chance(12) > 0 ? usual : this.any(list)
  }

  #some(most: number, make: () => string): string {
    return Array.from({ length: this.#chance(most + 1) }, make).join('')
  }

  #blank(): string {
    return this.#often(' ', words.blanks)
  }

  #framed(): [field: string, body: string] {
    const body = this.any(words.bodies)
    switch (this.#chance(3)) {
      case 0:
        return ['', '']
      case 1:
        return [this.#fieldOf('Content-Length', this.#often(String(body.length), words.lengths)), body]
      default:
        return [this.#fieldOf('Transfer-Encoding', this.#often('chunked', words.codings)), this.chunks()]
    }
  }

  #field(): string {
    return this.#fieldOf(this.any(words.names), this.any(words.values))
  }

  #fieldOf(name: string, value: string): string {
    const spelled = this.#often(name, [name.toLowerCase(), name.toUpperCase()])
    return `${spelled}:${this.#blank()}${value}${this.#often('', words.blanks)}\r\n`
  }

  chunks(): string {
    const trailer = () => (this.#chance(12) > 0 ? this.#field() : this.#framed()[0])
    const last = `${this.#often('0', words.lastSizes)}\r\n`
    return `${this.#some(3, () => this.#chunk())}${last}${this.#some(2, trailer)}\r\n`
  }

  /** Now and then as many as are just allowed of one chunk, or of all. */
  #extensions(): readonly string[] {
    if (this.#chance(64) > 0) return words.extensions
    const most = this.any(['one', 'all']) === 'one' ? maxExtensionBytes : maxBytesOf(this.#side)
    return [`;a=${'b'.repeat(most - 10 + this.#chance(16))}`]
  }

  #chunk(): string {
    const data = this.any(words.data)
    const size = this.#often('', ['0', '00']) + this.#often(data.length.toString(16), words.sizes)
    return `${size}${this.#often('', this.#extensions())}\r\n${data}${this.#often('\r\n', words.lineEnds)}`
  }
}
