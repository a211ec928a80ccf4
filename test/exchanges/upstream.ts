// The upstream of all rows: a TCP server that keeps every byte it got and answers what the row says.
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { readRequests, type Message } from './strict.ts'
import { Bell, perform, Wire, type Surroundings } from './wire.ts'
import type { Bytes } from './row.ts'

export interface Script {
  readonly answers: readonly Bytes[]
  readonly early: boolean
  readonly around: Surroundings
}

/** Requests to targets that begin so are the harness's own, and answered by {@link probeBody}. */
export const probeTarget = '/probe/'

export function probeBody(target: string): string {
  return `this is ${target}`
}

const probeDate = 'Thu, 01 Jan 1970 00:00:00 GMT'

interface Connection {
  readonly wire: Wire
  /** How many bytes of `wire.bytes` are whole requests. */
  read: number
  violation?: string
  /** The answer to the request that is not whole yet has begun. */
  answering: boolean
  /** Answers under way. */
  busy: number
}

export class Upstream {
  readonly port: number
  /** Rings when anything comes. */
  bell = new Bell()
  /** Whole requests of the row, in the order of their ends. */
  requests: Message[] = []
  /** The last of the harness's own requests. */
  lastProbe: Message | undefined
  #connections: Connection[] = []
  #script: Script | undefined
  #answered = 0
  readonly #close: () => Promise<void>

  constructor(port: number, close: () => Promise<void>) {
    this.port = port
    this.#close = close
  }

  close(): Promise<void> {
    return this.#close()
  }

  /** Begins a row, on connections that it does not share. */
  play(script: Script): void {
    if (this.#connections.some(({ wire }) => !wire.closed))
      throw new Error('a connection of another row is open')
    this.#script = script
    this.bell = script.around.bell
    this.#answered = 0
    this.requests = []
    this.#connections = []
  }

  /** All bytes that came on each connection. */
  transcript(): string[] {
    return this.#connections.map(({ wire }) => wire.bytes)
  }

  has(text: string): boolean {
    return this.#connections.some(({ wire }) => wire.bytes.includes(text))
  }

  /** Connections on which a request began that did not come to its end. */
  unfinished(): Wire[] {
    return this.#connections.filter(({ wire, read }) => wire.bytes.length > read).map(({ wire }) => wire)
  }

  violations(): string[] {
    return this.#connections.flatMap(({ violation }) => violation ?? [])
  }

  /** Resolves when all answers are written, and the sidecar has read what there is of them. */
  async quiet(): Promise<void> {
    await this.bell.until('the upstream has said all', () =>
      this.#connections.every(({ busy }) => busy === 0),
    )
    // The sidecar is in this process: what was written in one turn, it reads in the next.
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
  }

  /** Ends all connections, so that the next row has its own. */
  async settle(): Promise<void> {
    const wires = this.#connections.map(({ wire }) => wire)
    for (const { socket } of wires) socket.end()
    await this.bell.until('the sidecar closes what the upstream ended', () =>
      wires.every(({ closed }) => closed),
    )
  }

  accept(socket: Socket): void {
    const wire = new Wire(
      socket,
      () => this.bell,
      () => this.#changed(connection),
    )
    const connection: Connection = { wire, read: 0, answering: false, busy: 0 }
    this.#connections.push(connection)
  }

  #changed(connection: Connection): void {
    const { wire } = connection
    if (wire.ended && connection.busy === 0) wire.socket.end()
    if (wire.bytes.length === connection.read || connection.violation !== undefined) return
    const { messages, rest, violation } = readRequests(wire.bytes.slice(connection.read))
    connection.read = wire.bytes.length - rest.length
    if (violation !== undefined) connection.violation = violation
    for (const message of messages) this.#took(connection, message)
    if (this.#script?.early === true && rest.includes('\r\n\r\n')) this.#answer(connection)
  }

  #took(connection: Connection, message: Message): void {
    const [method, target = ''] = message.startLine.split(' ')
    if (method === 'GET' && target.startsWith(probeTarget)) {
      const body = probeBody(target)
      this.lastProbe = message
      connection.wire.socket.write(
        `HTTP/1.1 200 OK\r\nDate: ${probeDate}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      )
      return
    }
    this.requests.push(message)
    this.#answer(connection)
    connection.answering = false
  }

  #answer(connection: Connection): void {
    const script = this.#script
    if (connection.answering || script === undefined) return
    connection.answering = true
    const bytes = script.answers[this.#answered++]
    if (bytes === undefined) return
    connection.busy++
    // A step that fails leaves its mark: the row then waits in vain, and says for what.
    perform(connection.wire.socket, bytes, script.around)
      .catch(() => undefined)
      .finally(() => {
        connection.busy--
        if (connection.wire.ended && connection.busy === 0) connection.wire.socket.end()
        script.around.bell.ring()
      })
  }
}

export async function startUpstream(): Promise<Upstream> {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    upstream.accept(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const upstream = new Upstream((server.address() as AddressInfo).port, async () => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return upstream
}
