// Makes the HTTP/1.1 servers: strict parsing, limits, and a coded answer to what is no HTTP request.
import { randomUUID } from 'node:crypto'
import { createServer, ServerResponse, type Server as HttpServer, type IncomingMessage } from 'node:http'
import { Server as NetServer, type AddressInfo, type Socket } from 'node:net'
import type { Limits, ListenAddress, Timeouts } from '../../shared/config/mesh.ts'
import { Refusal } from '../../shared/errors.ts'
import { peerAddress } from '../http/peer-address.ts'
import { rawRefusal } from '../http/refuse.ts'
import { ifSilent } from '../http/silence.ts'
import { ClientConnection } from './connection.ts'
import type { Upgraded } from './incoming.ts'
import { endLingering } from './linger.ts'
import { offeredProtocols } from './served.ts'

export interface ServerOptions {
  readonly limits: Limits
  readonly timeouts: Timeouts
  readonly onRequest: (request: IncomingMessage, response: ServerResponse, upgraded?: Upgraded) => void
  /** A CONNECT request; without it such requests are refused. */
  readonly onConnect?: (request: IncomingMessage, socket: Socket, head: Buffer) => void
  /** A connection within the limits; `serve` reads requests on it, or on what is spoken in it. Without this that is done at once. */
  readonly onConnection?: (socket: Socket, serve: (socket: Socket) => void) => void
  /** What arrived is no request: refused already, to be recorded. */
  readonly onUnreadable: (refusal: Refusal, peer: string, requestId: string) => void
}

/** What Node takes for "no limit". */
const unlimited = 0

export function makeServer(options: ServerOptions): HttpServer {
  const { limits, timeouts } = options
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
    noDelay: true,
    shouldUpgradeCallback: (request) => offeredProtocols(request).length > 0,
  })
  // Node drops what is beyond this in silence; we count and refuse instead.
  server.maxHeadersCount = unlimited
  if (timeouts.idleMs > 0) server.setTimeout(timeouts.idleMs)
  const connections = new WeakMap<Socket, ClientConnection>()
  const of = (socket: Socket) => connections.get(socket) as ClientConnection
  /** Recorded, and as it is written. */
  const refusalOn = (socket: Socket, refusal: Refusal): string => {
    const requestId = randomUUID()
    options.onUnreadable(refusal, peerAddress(socket), requestId)
    return rawRefusal(refusal, requestId)
  }
  let open = 0
  // What is to be looked at first must not have been read by Node's own listener.
  const [serve] = server.listeners('connection')
  server.removeAllListeners('connection')
  const serveOn = (socket: Socket) => {
    connections.set(socket, new ClientConnection(socket))
    serve?.call(server, socket)
  }
  server.on('connection', (socket) => {
    if (limits.connections > 0 && open >= limits.connections) {
      serveOn(socket)
      of(socket).turnAway(refusalOn(socket, tooManyConnections()))
      return
    }
    open++
    socket.once('close', () => open--)
    if (options.onConnection === undefined) serveOn(socket)
    else options.onConnection(socket, serveOn)
  })
  const onRequest = (request: IncomingMessage, response: ServerResponse) =>
    of(request.socket).take(request, response, () => options.onRequest(request, response))
  // Whether the client is told to send its body is known when its request is decided; by itself Node would say so before.
  for (const event of ['request', 'checkContinue', 'checkExpectation'] as const) server.on(event, onRequest)
  server.on('timeout', (socket) =>
    ifSilent(socket, () => {
      const connection = of(socket)
      const { awaits } = connection
      // Who waits for an upstream is told by its timeout that it was that.
      if (awaits === 'answer') return
      if (awaits === 'body') connection.refuseRest(refusalOn(socket, bodyTooLate()))
      else socket.destroy()
    }),
  )
  server.on('clientError', (error, stream) => {
    const socket = stream as Socket
    const refusal = unreadable(error)
    const connection = of(socket)
    const hasLeft = codeOf(error) === 'HPE_INVALID_EOF_STATE' && connection.isBusy
    if (refusal === undefined || hasLeft) socket.destroy()
    else if (!connection.isEnding) connection.refuseRest(refusalOn(socket, refusal))
  })
  server.on('upgrade', (request, stream, head) => {
    const socket = stream as Socket
    socket.on('error', () => socket.destroy())
    const connection = of(socket)
    // An answer that is still due would get between.
    if (connection.isBusy || connection.isEnding) socket.destroy()
    else options.onRequest(request, responseOn(request, socket), { socket, head })
  })
  server.on('connect', (request, stream, head) => {
    const socket = stream as Socket
    // Node takes its own listener off before it hands the socket over.
    socket.on('error', () => socket.destroy())
    const connection = of(socket)
    // An answer that is still due, and what follows it, would get into the tunnel.
    if (connection.isBusy || connection.isEnding) socket.destroy()
    else if (options.onConnect !== undefined) options.onConnect(request, socket, head)
    else connection.turnAway(refusalOn(socket, noTunnels()))
  })
  return server
}

/** node:http makes no response for a connection that it hands over. */
function responseOn(request: IncomingMessage, socket: Socket): ServerResponse {
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket)
  socket.on('drain', () => response.emit('drain'))
  response.once('finish', () => endLingering(socket))
  // What comes before the change is granted is kept for who will read it then.
  socket.pause()
  return response
}

function noTunnels(): Refusal {
  return new Refusal('request_malformed', 'CONNECT is not served here.')
}

function bodyTooLate(): Refusal {
  return new Refusal('request_malformed', 'The body did not arrive in time (timeouts.idle).')
}

function tooManyConnections(): Refusal {
  return new Refusal('overloaded', 'Too many connections are open (limits.connections). Try again shortly.')
}

function codeOf(error: NodeJS.ErrnoException): string {
  return error.code ?? ''
}

/** Undefined for a connection that merely failed. */
function unreadable(error: Error): Refusal | undefined {
  const code = codeOf(error)
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new Refusal('headers_too_large', 'The header section is too large (limits.header_bytes).', {
        cause: error,
      })
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new Refusal('request_malformed', 'The header section did not arrive in time (timeouts.headers).')
    default:
      if (!code.startsWith('HPE_')) return undefined
      return new Refusal('request_malformed', 'This is not an HTTP/1.1 request.', { cause: error })
  }
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
export function stopAccepting(server: HttpServer): void {
  NetServer.prototype.close.call(server)
}
