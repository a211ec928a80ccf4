// The listeners of one sidecar: which server stands at which address.
import { randomUUID } from 'node:crypto'
import type { Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Mesh } from '../shared/config/mesh.ts'
import { Refusal } from '../shared/errors.ts'
import { ShownCertificates } from '../shared/peer.ts'
import { createAdmin, type AdminSubject } from './admin/admin.ts'
import { createProbes, type ProbeSubject } from './admin/probes.ts'
import type { TokenCheck } from './admin/token.ts'
import { handle, type Side } from './exchange.ts'
import type { Connection } from './http/connection.ts'
import { readOpening } from './http/opening.ts'
import { peerAddress } from './http/peer-address.ts'
import { Http1Incoming } from './http1/incoming.ts'
import { listen, makeServer, type ServerOptions } from './http1/server.ts'
import { Http2Server } from './http2/server.ts'
import type { Interception } from './interception/interception.ts'
import type { OriginalDestinations } from './interception/original-destination.ts'
import { TlsServer } from './tls/server.ts'
import { shownCertificates } from './tls/shown.ts'
import type { Tunnels } from './tunnel.ts'

export type Listener = keyof Mesh['listen']
export type Servers = Readonly<Record<Listener, readonly Server[]>>

/** What serves HTTP/2 on the connections of each side. */
export interface Http2Servers {
  readonly inbound: Http2Server
  readonly outbound: Http2Server
}
export type Addresses = Readonly<Record<Listener, readonly AddressInfo[]>>

export interface Served {
  readonly tunnels: Tunnels
  readonly originalDestinations: OriginalDestinations
  readonly interception: Interception
  readonly inbound: Side
  readonly outbound: Side
  readonly admin: AdminSubject
  readonly adminToken: TokenCheck
  readonly probes: ProbeSubject
}

/** One server for each address of `listen`. */
export function makeServers(
  mesh: Mesh,
  served: Served,
): { servers: Servers; http2: Http2Servers; tls: TlsServer } {
  const { tunnels, inbound, outbound, originalDestinations, interception } = served
  const { limits, timeouts } = mesh
  const about = (direction: 'inbound' | 'outbound', side: Side) => ({
    limits,
    timeouts,
    onUnreadable: (refusal: Refusal, peer: string, requestId: string) =>
      side.recorder.unreadable(direction, refusal, peer, requestId),
  })
  const serve = (
    direction: 'inbound' | 'outbound',
    side: Side,
    how: Pick<ServerOptions, 'onConnection' | 'onConnect'>,
  ) =>
    makeServer({
      ...about(direction, side),
      onRequest: (request, response, upgraded) =>
        void handle(side, new Http1Incoming(request, response, connectionOf(request.socket), upgraded)),
      ...how,
    })
  const serveHttp2 = (direction: 'inbound' | 'outbound', side: Side) =>
    new Http2Server({ ...about(direction, side), onRequest: (incoming) => void handle(side, incoming) })
  const http2 = { inbound: serveHttp2('inbound', inbound), outbound: serveHttp2('outbound', outbound) }
  const patienceMs = Math.min(timeouts.headersMs || Infinity, timeouts.idleMs || Infinity)
  const tls = new TlsServer({
    handshakeMs: timeouts.headersMs,
    onFailure: (cause, socket) =>
      inbound.recorder.unreadable('inbound', noTls(cause), peerAddress(socket), randomUUID()),
  })
  const secured = new WeakMap<Socket, Connection>()
  const connectionOf = (socket: Socket): Connection =>
    secured.get(socket) ?? {
      peer: peerAddress(socket),
      localPort: socket.localPort,
      originalDestination: originalDestinations.of(socket),
      isTls: false,
      shown: undefined,
    }
  type Serve = (socket: Socket) => void
  const beginTls = (socket: Socket, serveHttp1: Serve) =>
    tls.accept(socket, (inside) => {
      const chain = shownCertificates(inside.getPeerCertificate(true))
      const shown = chain.length === 0 ? undefined : new ShownCertificates(chain)
      secured.set(inside, { ...connectionOf(socket), isTls: true, shown })
      if (inside.alpnProtocol === 'h2') http2.inbound.accept(inside, connectionOf(inside))
      else serveHttp1(inside)
    })
  /** By what it says first. */
  const begin = async (socket: Socket, server: Http2Server, serveHttp1: Serve) => {
    const spoken = await readOpening(socket, patienceMs)
    if (spoken === undefined) return
    if (spoken === 'http2') server.accept(socket, connectionOf(socket))
    else if (spoken === 'tls' && server === http2.inbound && tls.isReady) beginTls(socket, serveHttp1)
    else {
      serveHttp1(socket)
      // Node's parser does not let a paused connection flow by itself.
      socket.resume()
    }
  }
  const forInbound: Pick<ServerOptions, 'onConnection'> = {
    onConnection(socket, serveHttp1) {
      originalDestinations.read(socket)
      void begin(socket, http2.inbound, serveHttp1)
    },
  }
  const forOutbound: Pick<ServerOptions, 'onConnection' | 'onConnect'> = {
    onConnection(socket, serveHttp1) {
      const destination = originalDestinations.read(socket)
      const serveHttp = () => void begin(socket, http2.outbound, serveHttp1)
      if (destination === undefined) serveHttp()
      else interception.take(socket, destination, serveHttp)
    },
    onConnect: (request, socket, head) =>
      tunnels.open(request, socket, head, originalDestinations.of(socket) !== undefined),
  }
  const servers = {
    inbound: mesh.listen.inbound.map(() => serve('inbound', inbound, forInbound)),
    outbound: mesh.listen.outbound.map(() => serve('outbound', outbound, forOutbound)),
    admin: mesh.listen.admin.map(() => createAdmin(served.admin, served.adminToken)),
    probes: mesh.listen.probes.map(() => createProbes(served.probes)),
  }
  return { servers, http2, tls }
}

function noTls(cause: Error): Refusal {
  return new Refusal('request_malformed', 'TLS was not agreed on.', { cause })
}

/** @throws {Error} an address cannot be bound. */
export async function openAll(servers: Servers, mesh: Mesh): Promise<Addresses> {
  const open = (which: Listener) =>
    Promise.all(
      mesh.listen[which].map(async (address, i) => {
        const server = servers[which][i]
        return server === undefined ? [] : [await listen(server, address)]
      }),
    ).then((lists) => lists.flat())
  // The sides last: whoever can connect there is served.
  const [admin, probes] = [await open('admin'), await open('probes')]
  return { admin, probes, outbound: await open('outbound'), inbound: await open('inbound') }
}

/** As they stand in the log. */
export function describeAddresses(addresses: Addresses): Record<string, string> {
  return Object.fromEntries(
    Object.entries(addresses).map(([which, list]) => [which, list.map(describeAddress).join(' ')]),
  )
}

function describeAddress({ address, port, family }: AddressInfo): string {
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`
}
