// Connections to upstreams that speak HTTP/1.1: kept, and used again by the requests to the same destination.
import { Agent, type ClientRequestArgs } from 'node:http'
import type { Socket } from 'node:net'
import { isElsewhere, type Destination, type Dialler } from '../upstream/dial.ts'

/** A connection on which nothing runs is closed after this. */
const idleMs = 60_000
/** More are not kept for one destination. */
const maxIdle = 256

/** What {@link Http1Pool} needs to know of a request. */
export interface PoolOptions extends ClientRequestArgs {
  readonly destination: Destination
  /** Of the destination, as `keyOf` has it. */
  readonly poolKey: string
}

export class Http1Pool extends Agent {
  readonly #dialler: Dialler
  readonly #elsewhere = new WeakSet<Socket>()

  constructor(dialler: Dialler) {
    super({ keepAlive: true, maxFreeSockets: maxIdle, timeout: idleMs })
    this.#dialler = dialler
  }

  override getName(options?: ClientRequestArgs): string {
    return (options as PoolOptions).poolKey
  }

  override createConnection(options: ClientRequestArgs): Socket {
    const { destination } = options as PoolOptions
    const socket = this.dial(destination)
    return socket.once('connect', () => {
      if (isElsewhere(socket, destination)) this.#elsewhere.add(socket)
    })
  }

  override keepSocketAlive(socket: Socket): boolean {
    // @types/node has nothing of what it says.
    return !this.#elsewhere.has(socket) && (super.keepSocketAlive(socket) as unknown as boolean)
  }

  /** A connection of nobody else's. */
  dial(destination: Destination): Socket {
    return this.#dialler.dial(destination, ['http/1.1'])
  }
}
