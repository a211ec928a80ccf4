// What our connections make of bytes that come in pieces: the very ones that serve, on a socket that only says them.
import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { ClientConnection } from '../../sidecar/http1/connection.ts'
import { HeadTooLarge } from '../../sidecar/http1/head-buffer.ts'
import type { Http1Incoming } from '../../sidecar/http1/incoming.ts'
import {
  Malformed,
  type AnswerHeadText,
  type BodyLength,
  type RequestHeadText,
} from '../../sidecar/http1/syntax.ts'
import { UpstreamConnection, type Exchanging } from '../../sidecar/http1/upstream-connection.ts'
import type { Chance } from './fuzz.ts'
import type { Message } from './llhttp.ts'
import { maxBytesOf } from './messages.ts'

export interface Read {
  readonly messages: readonly Message[]
  /** Why nothing more could be read. */
  readonly refused: string | undefined
  /** Whether nothing more is wanted of this connection. */
  readonly isOver: boolean
}

class SayingSocket extends EventEmitter {
  destroyed = false
  hasEnded = false
  isPaused = false
  readonly writable = true
  readonly writableLength = 0
  readonly writableNeedDrain = false
  readonly #pieces: readonly Buffer[]
  #at = 0

  constructor(pieces: readonly Buffer[]) {
    super()
    this.#pieces = pieces
  }

  /** @returns whether there was something to say, and somebody who listens. */
  say(): boolean {
    if (this.destroyed || this.isPaused) return false
    const piece = this.#pieces[this.#at++]
    if (piece !== undefined) this.emit('data', piece)
    return piece !== undefined
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
  }

  setTimeout(): void {}

  write(_text: unknown): boolean {
    return true
  }

  end(_last?: string, done?: () => void): void {
    this.hasEnded = true
    done?.()
  }

  destroy(): void {
    if (this.destroyed) return
    this.destroyed = true
    queueMicrotask(() => this.emit('close'))
  }
}

/** So many turns without anything new: nothing more comes of it. */
const quietTurns = 3

/** What is behind CONNECT, or behind an offer of another protocol, is nobody's message. */
export async function requestsByUs(pieces: readonly Buffer[], chance: Chance): Promise<Read> {
  const messages: Message[] = []
  const read: { refused: string | undefined; isOver: boolean } = { refused: undefined, isOver: false }
  const said = new SayingSocket(pieces)
  const connection = new ClientConnection(said as unknown as Socket, {
    connection: nowhere,
    maxHeadBytes: maxBytesOf('request'),
    headersMs: 0,
    idleMs: 0,
    onRequest: (incoming) => take(incoming, chance, (message) => messages.push(message)),
    onConnect: (head) => {
      messages.push(messageOf(head as RequestHeadText, ''))
      read.isOver = true
    },
    onFault: rethrown,
    refusalText({ cause, message }) {
      read.refused = reasonOf(cause) ?? message
      return ''
    },
  })
  for (let quiet = 0; quiet < quietTurns; quiet++) {
    const before = messages.length
    while (said.say()) quiet = 0
    await setImmediate()
    if (messages.length > before) quiet = 0
  }
  read.isOver ||= said.hasEnded || said.destroyed
  connection.socket.destroy()
  return { messages, ...read }
}

const nowhere = {
  peer: '',
  localPort: undefined,
  originalDestination: undefined,
  isTls: false,
  shown: undefined,
}

/** At its own pace, as those who read bodies do. */
function take(incoming: Http1Incoming, chance: Chance, onWhole: (message: Message) => void): void {
  const { head, body, reply } = incoming
  let text = ''
  const isSlow = chance(3) === 0
  body.on('data', (part: Buffer) => {
    text += part.toString('latin1')
    if (!isSlow) return
    body.pause()
    queueMicrotask(() => body.resume())
  })
  body.once('end', () => {
    if (!incoming.isComplete) return
    onWhole(messageOf(head as RequestHeadText, text, incoming.trailers))
    reply.send({ status: 204, reason: '', headers: [] }, '')
  })
}

function messageOf(head: RequestHeadText, body: string, trailers: readonly string[] = []): Message {
  const { method, target, version, headers } = head
  return { start: `${method} ${target} ${version}`, headers, body, trailers }
}

/** All answers to one request; `ends` when the pieces do. */
export function answersByUs(pieces: readonly Buffer[], asked: string, chance: Chance): Read {
  const said = new SayingSocket(pieces)
  const connection = new UpstreamConnection(said as unknown as Socket, () => undefined)
  const exchange = new Asked(asked, connection, chance)
  connection.begin(exchange)
  while (said.say() || (said.isPaused && !said.destroyed)) if (said.isPaused) connection.readOn()
  said.emit('end')
  const { messages, refused, isOver } = exchange
  connection.destroy()
  return { messages, refused, isOver: isOver || messages.some(({ start }) => !/^1\.[01] 1/.test(start)) }
}

class Asked implements Exchanging {
  readonly hasAsked = true
  readonly method: string
  readonly messages: Message[] = []
  refused: string | undefined
  isOver = false
  readonly #connection: UpstreamConnection
  readonly #chance: Chance
  #next: { readonly start: string; readonly headers: readonly string[]; body: string } | undefined

  constructor(method: string, connection: UpstreamConnection, chance: Chance) {
    this.method = method
    this.#connection = connection
    this.#chance = chance
  }

  onInformation(head: AnswerHeadText): void {
    this.messages.push({ ...begun(head), trailers: [] })
  }

  onSwitch(head: AnswerHeadText): boolean {
    this.onInformation(head)
    this.#connection.release()
    this.isOver = true
    return true
  }

  onHead(head: AnswerHeadText, _length: BodyLength, content: Buffer | undefined): void {
    this.#next = begun(head)
    if (content === undefined) return
    this.onBody(content)
    this.onEnd([])
  }

  onBody(part: Buffer): boolean {
    if (this.#next !== undefined) this.#next.body += part.toString('latin1')
    return this.#chance(3) > 0
  }

  onEnd(trailers: readonly string[]): void {
    if (this.#next !== undefined) this.messages.push({ ...this.#next, trailers })
    this.#next = undefined
  }

  onFailure(error: Error): void {
    this.refused = reasonOf(error) ?? error.message
  }

  onFault(error: unknown): void {
    rethrown(error)
  }

  onConnected(): void {}
  onDrain(): void {}
  onSilence(): void {}
}

function begun({ status, reason, version, headers }: AnswerHeadText) {
  return { start: `${version} ${status} ${reason}`, headers, body: '' }
}

function reasonOf(cause: unknown): string | undefined {
  if (cause instanceof HeadTooLarge) return 'The head is too large.'
  return cause instanceof Malformed ? cause.reason : undefined
}

/** Out of whatever contained it. */
function rethrown(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}
