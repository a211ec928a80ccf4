// The listeners of one sidecar: which server stands at which address.
import type { Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Mesh } from '../shared/config/mesh.ts'
import type { Refusal } from '../shared/errors.ts'
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
export function makeServers(mesh: Mesh, served: Served): { servers: Servers; http2: Http2Servers } {
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
  /** By what it says first. */
  const begin = (socket: Socket, server: Http2Server, serveHttp1: () => void) =>
    void readOpening(socket, patienceMs).then((spoken) => {
      if (spoken === 'http2') server.accept(socket, connectionOf(socket))
      else if (spoken !== undefined) serveHttp1()
      // Node's parser does not let a paused connection flow by itself.
      if (spoken !== 'http2') socket.resume()
    })
  const connectionOf = (socket: Socket): Connection => ({
    peer: peerAddress(socket),
    localPort: socket.localPort,
    originalDestination: originalDestinations.of(socket),
    isTls: false,
    certificate: undefined,
  })
  const forInbound: Pick<ServerOptions, 'onConnection'> = {
    onConnection(socket, serveHttp1) {
      originalDestinations.read(socket)
      begin(socket, http2.inbound, serveHttp1)
    },
  }
  const forOutbound: Pick<ServerOptions, 'onConnection' | 'onConnect'> = {
    onConnection(socket, serveHttp1) {
      const destination = originalDestinations.read(socket)
      const serveHttp = () => begin(socket, http2.outbound, serveHttp1)
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
  return { servers, http2 }
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
