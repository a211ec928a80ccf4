// Listens for connections of HTTP/1.1: limits, and a coded answer to what is no HTTP request.
import { Server as NetServer, type AddressInfo, type Socket } from 'node:net'
import type { Limits, ListenAddress, Timeouts } from '../../shared/config/mesh.ts'
import { Refusal } from '../../shared/errors.ts'
import type { RequestHead } from '../../shared/head.ts'
import type { Connection } from '../http/connection.ts'
import type { Incoming } from '../http/incoming.ts'
import { FairLimit } from '../fair-limit.ts'
import { peerAddress } from '../http/peer-address.ts'
import { rawRefusal } from '../http/refuse.ts'
import { ClientConnection, type ClientConnectionOptions } from './connection.ts'
import { newRequestId } from '../request-id.ts'

export interface ServerOptions {
  readonly limits: Limits
  readonly timeouts: Timeouts
  readonly connectionOf: (socket: Socket) => Connection
  readonly onRequest: (incoming: Incoming) => void
  /** A CONNECT request, with what was sent ahead; without it such requests are refused. */
  readonly onConnect?: (head: RequestHead, socket: Socket, ahead: Buffer) => void
  /** A connection within the limits; `serve` reads requests on it, or on what is spoken in it. Without this that is done at once. */
  readonly onConnection?: (socket: Socket, serve: (socket: Socket) => void) => void
  /** What arrived is no request: refused already, to be recorded. */
  readonly onUnreadable: (refusal: Refusal, peer: string, requestId: string) => void
  /** An error of our own has ended a connection. */
  readonly onFault: (error: unknown) => void
}

/** Where the mesh file sets no limit. */
const mostHeadBytes = 1024 * 1024

export class Http1Server extends NetServer {
  readonly #options: ServerOptions
  readonly #served = new Set<ClientConnection>()
  readonly #open = new FairLimit()

  constructor(options: ServerOptions) {
    super({ allowHalfOpen: true, noDelay: true })
    this.#options = options
    this.on('connection', (socket: Socket) => this.#accept(socket))
  }

  /** Those on which no answer is due. */
  closeIdleConnections(): void {
    for (const connection of this.#served) if (connection.isIdle) connection.socket.destroy()
  }

  closeAllConnections(): void {
    for (const { socket } of this.#served) socket.destroy()
  }

  #accept(socket: Socket): void {
    const { limits, onConnection } = this.#options
    const peer = peerAddress(socket)
    this.#open.take(peer)
    if (this.#open.isExceededBy(peer, limits.connections)) {
      this.#open.release(peer)
      this.#serve(socket).turnAway(tooManyConnections())
      return
    }
    socket.once('close', () => this.#open.release(peer))
    if (onConnection === undefined) this.#serve(socket)
    else onConnection(socket, (spoken) => void this.#serve(spoken))
  }

  #serve(socket: Socket): ClientConnection {
    const connection = new ClientConnection(socket, this.#optionsFor(socket))
    this.#served.add(connection)
    socket.once('close', () => this.#served.delete(connection))
    return connection
  }

  #optionsFor(socket: Socket): ClientConnectionOptions {
    const { limits, timeouts, connectionOf, onRequest, onConnect, onUnreadable, onFault } = this.#options
    return {
      connection: connectionOf(socket),
      maxHeadBytes: limits.headerBytes === 0 ? mostHeadBytes : limits.headerBytes,
      headersMs: timeouts.headersMs,
      idleMs: timeouts.idleMs,
      onRequest,
      onConnect,
      onFault,
      refusalText(refusal) {
        const requestId = newRequestId()
        onUnreadable(refusal, peerAddress(socket), requestId)
        return rawRefusal(refusal, requestId)
      },
    }
  }
}

function tooManyConnections(): Refusal {
  return new Refusal('overloaded', 'Too many connections are open (limits.connections). Try again shortly.')
}

/** @throws {Error} the address cannot be bound; the message names it. */
export async function listen(
  server: NetServer,
  { host, port }: ListenAddress,
  ipv6Only = false,
): Promise<AddressInfo> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port, ipv6Only }, () => {
      server.off('error', reject)
      resolve()
    })
  })
  return server.address() as AddressInfo
}

/** Stops accepting. Unlike `http.Server.close()` it leaves idle connections alone: one may just be in use again. */
export function stopAccepting(server: NetServer): void {
  NetServer.prototype.close.call(server)
}
