// Messages by the grammar and by chance, most of them a little wrong: the same ones for the same seed.
import { METHODS } from 'node:http'
import type { Side } from './llhttp.ts'

/** A number below `below`. */
export type Chance = (below: number) => number

/** Mulberry32. */
export function chanceOf(seed: number): Chance {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

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
  names: 'X-A x-b Host Connection Upgrade Trailer TE X~!#9 Expect Transfer_Encoding Content-Lengt'.split(' '),
  values: ['a', '', 'close', 'upgrade', 'x, upgrade', 'a\tb', 'caf\xe9', '::', '"q\\""', 'a'.repeat(40)],
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

export function anySent(chance: Chance): Sent {
  const writer = new Writer(chance)
  const side: Side =
    chance(2) === 0 ? 'request' : { asked: writer.any(['GET', 'GET', 'POST', 'HEAD', 'CONNECT']) }
  const text = writer.startLine(side) + writer.rest() + (chance(3) === 0 ? writer.any(words.behind) : '')
  return { side, bytes: Buffer.from(mutated(text, chance), 'latin1') }
}

class Writer {
  readonly #chance: Chance

  constructor(chance: Chance) {
    this.#chance = chance
  }

  any(list: readonly string[]): string {
    return list[this.#chance(list.length)] as string
  }

  startLine(side: Side): string {
    const version = this.#often('HTTP/1.1', words.versions)
    if (side !== 'request')
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
        return [this.#fieldOf('Transfer-Encoding', this.#often('chunked', words.codings)), this.#chunks()]
    }
  }

  #field(): string {
    return this.#fieldOf(this.any(words.names), this.any(words.values))
  }

  #fieldOf(name: string, value: string): string {
    const spelled = this.#often(name, [name.toLowerCase(), name.toUpperCase()])
    return `${spelled}:${this.#blank()}${value}${this.#often('', words.blanks)}\r\n`
  }

  #chunks(): string {
    const trailer = () => (this.#chance(12) > 0 ? this.#field() : this.#framed()[0])
    const last = `${this.#often('0', words.lastSizes)}\r\n`
    return `${this.#some(3, () => this.#chunk())}${last}${this.#some(2, trailer)}\r\n`
  }

  #chunk(): string {
    const data = this.any(words.data)
    const size = this.#often('', ['0', '00']) + this.#often(data.length.toString(16), words.sizes)
    return `${size}${this.#often('', words.extensions)}\r\n${data}${this.#often('\r\n', words.lineEnds)}`
  }
}

function mutated(text: string, chance: Chance): string {
  const times = Math.max(chance(4) - 1, 0)
  let changed = text
  for (let i = 0; i < times; i++) changed = mutatedOnce(changed, chance)
  return changed
}

function mutatedOnce(text: string, chance: Chance): string {
  const at = chance(text.length + 1)
  const piece = byteClasses[chance(byteClasses.length)] as string
  switch (chance(5)) {
    case 0:
      return `${text.slice(0, at)}${piece}${text.slice(at)}`
    case 1:
      return `${text.slice(0, at)}${piece}${text.slice(at + 1)}`
    case 2:
      return `${text.slice(0, at)}${text.slice(at + 1 + chance(3))}`
    case 3:
      return text.slice(0, at)
    default: {
      const end = at + chance(12)
      return `${text.slice(0, end)}${text.slice(at)}`
    }
  }
}
