// Makes the HTTP/1.1 servers: strict parsing, limits, and a coded answer to what is no HTTP request.
import { randomUUID } from 'node:crypto'
import { createServer, type Server as HttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Server as NetServer, type AddressInfo, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Limits, ListenAddress, Timeouts } from '../../shared/config/mesh.ts'
import { Refusal } from '../../shared/errors.ts'
import { refuse, refuseSocket } from './refuse.ts'

export interface ServerOptions {
  readonly limits: Limits
  readonly timeouts: Timeouts
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void
  /** A CONNECT request; without it such requests are refused. */
  readonly onConnect?: (request: IncomingMessage, socket: Socket, head: Buffer) => void
  /** What arrived is no request: refused already, to be recorded. */
  readonly onUnreadable: (refusal: Refusal, peer: string, requestId: string) => void
}

/** What Node takes for "no limit". */
const unlimited = 0

export function makeServer(options: ServerOptions): HttpServer {
  const { limits, timeouts } = options
  const underWay = new ResponsesBySocket()
  const server = createServer({
    // NODE_OPTIONS could switch the lenient parser on; an identity boundary must not be moved by it.
    insecureHTTPParser: false,
    requireHostHeader: false,
    maxHeaderSize: limits.headerBytes === 0 ? 1024 * 1024 : limits.headerBytes,
    // A slow upload is bounded by the idle timeout, not by a total one.
    requestTimeout: unlimited,
    headersTimeout: timeouts.headersMs,
    connectionsCheckingInterval: 1_000,
    keepAliveTimeout: timeouts.idleMs,
    keepAliveTimeoutBuffer: 0,
    noDelay: true,
  })
  // Node drops what is beyond this in silence; we count and refuse instead.
  server.maxHeadersCount = unlimited
  if (limits.connections > 0) server.maxConnections = limits.connections
  if (timeouts.idleMs > 0) server.setTimeout(timeouts.idleMs)
  server.on('request', (request, response) => {
    underWay.add(request.socket, response)
    options.onRequest(request, response)
  })
  server.on('checkExpectation', (_request, response) => {
    const refusal = new Refusal(
      'request_malformed',
      'The request expects what cannot be met: only 100-continue can.',
    )
    refuse(response, refusal, randomUUID())
  })
  server.on('clientError', (error, socket) => {
    const refusal = unreadable(error)
    const requestId = randomUUID()
    const peer = 'remoteAddress' in socket ? String(socket.remoteAddress) : ''
    if (refusal !== undefined) options.onUnreadable(refusal, peer, requestId)
    if (refusal === undefined || underWay.answersOther(socket)) socket.destroy()
    else refuseSocket(socket, refusal, requestId)
  })
  server.on('connect', (request, socket, head) => {
    // Node takes its own listener off before it hands the socket over.
    socket.on('error', () => socket.destroy())
    if (options.onConnect !== undefined) options.onConnect(request, socket as Socket, head)
    else refuseSocket(socket, new Refusal('request_malformed', 'CONNECT is not served here.'), randomUUID())
  })
  return server
}

/** Which answers are due on a connection: what is written between them would be read as a part of one. */
class ResponsesBySocket {
  readonly #responses = new WeakMap<Duplex, Set<ServerResponse>>()

  add(socket: Duplex, response: ServerResponse): void {
    const responses = this.#responses.get(socket) ?? new Set()
    this.#responses.set(socket, responses.add(response))
    response.once('close', () => responses.delete(response))
  }

  /** Whether an answer is due, or has begun, to another request than the one that is still being read. */
  answersOther(socket: Duplex): boolean {
    const responses = [...(this.#responses.get(socket) ?? [])]
    return responses.some((response) => response.req.complete || response.headersSent)
  }
}

/** Undefined for a connection that merely ended. */
function unreadable(error: NodeJS.ErrnoException): Refusal | undefined {
  switch (error.code) {
    case 'ECONNRESET':
    case 'EPIPE':
      return undefined
    case 'HPE_HEADER_OVERFLOW':
      return new Refusal('headers_too_large', 'The header section is too large (limits.header_bytes).', {
        cause: error,
      })
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new Refusal('request_malformed', 'The header section did not arrive in time (timeouts.headers).')
    default:
      return new Refusal('request_malformed', 'This is not an HTTP/1.1 request.', { cause: error })
  }
}

/** @throws {Error} the address cannot be bound; the message names it. */
export async function listen(server: NetServer, address: ListenAddress): Promise<AddressInfo> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: address.host, port: address.port }, () => {
      server.off('error', reject)
      resolve()
    })
  })
  return server.address() as AddressInfo
}

/** Stops accepting. Unlike `http.Server.close()` it leaves idle connections alone: one may just be in use again. */
export function stopAccepting(server: HttpServer): void {
  NetServer.prototype.close.call(server)
}

/** IPv4-mapped IPv6 addresses in IPv4 form, as policies and networks are written. */
export function peerAddress(socket: { remoteAddress?: string | undefined }): string {
  const address = socket.remoteAddress ?? ''
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}
