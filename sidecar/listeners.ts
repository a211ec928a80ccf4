// The listeners of one sidecar: which server stands at which address.
import type { Server as HttpServer } from 'node:http'
import { isIP, type AddressInfo } from 'node:net'
import { isIpv6Only } from '../shared/config/address.ts'
import type { ListenAddress, Mesh } from '../shared/config/mesh.ts'
import { Refusal } from '../shared/errors.ts'
import { createAdmin, type AdminSubject } from './admin/admin.ts'
import { createProbes, type ProbeSubject } from './admin/probes.ts'
import type { TokenCheck } from './admin/token.ts'
import { handle, type Side } from './exchange.ts'
import { Http1Server, listen, type ServerOptions } from './http1/server.ts'
import { Http2Server } from './http2/server.ts'
import type { Interception } from './interception/interception.ts'
import type { OriginalDestinations } from './interception/original-destination.ts'
import { Reception } from './reception.ts'
import { describeError, type Log } from './telemetry/log.ts'
import type { TlsServer } from './tls/server.ts'
import type { Tunnels } from './tunnel.ts'
import { newRequestId } from './request-id.ts'

export type Listener = keyof Mesh['listen']
type Server = HttpServer | Http1Server
/** Those of the two sides are ours; the other two belong to no data path. */
export type Servers = Readonly<Record<Listener, readonly Server[]>> &
  Readonly<Record<'inbound' | 'outbound', readonly Http1Server[]>>

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
    onFault: (error: unknown) => side.recorder.fault('connection', error),
  })
  const reception = new Reception({
    timeouts,
    originalDestinations,
    onTlsFailure: (cause, peer) => inbound.recorder.unreadable('inbound', noTls(cause), peer, newRequestId()),
  })
  const serve = (
    direction: 'inbound' | 'outbound',
    side: Side,
    how: Pick<ServerOptions, 'onConnection' | 'onConnect'>,
  ) =>
    new Http1Server({
      ...about(direction, side),
      connectionOf: (socket) => reception.connectionOf(socket),
      onRequest: (incoming) => void handle(side, incoming),
      ...how,
    })
  const serveHttp2 = (direction: 'inbound' | 'outbound', side: Side) =>
    new Http2Server({ ...about(direction, side), onRequest: (incoming) => void handle(side, incoming) })
  const http2 = { inbound: serveHttp2('inbound', inbound), outbound: serveHttp2('outbound', outbound) }
  const forInbound: Pick<ServerOptions, 'onConnection'> = {
    onConnection(socket, http1) {
      originalDestinations.read(socket)
      void reception.receive(socket, { http1, http2: http2.inbound, hasTls: true })
    },
  }
  const forOutbound: Pick<ServerOptions, 'onConnection' | 'onConnect'> = {
    onConnection(socket, http1) {
      const destination = originalDestinations.read(socket)
      const serveHttp = () => void reception.receive(socket, { http1, http2: http2.outbound, hasTls: false })
      if (destination === undefined) serveHttp()
      else interception.take(socket, destination, serveHttp)
    },
    onConnect: (head, socket, ahead) =>
      tunnels.open(head, socket, ahead, originalDestinations.of(socket) !== undefined),
  }
  const servers = {
    inbound: mesh.listen.inbound.map(() => serve('inbound', inbound, forInbound)),
    outbound: mesh.listen.outbound.map(() => serve('outbound', outbound, forOutbound)),
    admin: mesh.listen.admin.map(() => createAdmin(served.admin, served.adminToken)),
    probes: mesh.listen.probes.map(() => createProbes(served.probes)),
  }
  return { servers, http2, tls: reception.tls }
}

function noTls(cause: Error): Refusal {
  return new Refusal('request_malformed', 'TLS was not agreed on.', { cause })
}

/**
 * An IPv6 address beside others is left out where this machine has no IPv6.
 * @throws {Error} an address cannot be bound.
 */
export async function openAll(servers: Servers, mesh: Mesh, log: Log): Promise<Addresses> {
  const open = (which: Listener) => openList(which, servers[which], mesh.listen[which], log)
  // The sides last: whoever can connect there is served.
  const [admin, probes] = [await open('admin'), await open('probes')]
  return { admin, probes, outbound: await open('outbound'), inbound: await open('inbound') }
}

async function openList(
  which: Listener,
  servers: readonly Server[],
  list: readonly ListenAddress[],
  log: Log,
): Promise<AddressInfo[]> {
  const opened = await Promise.allSettled(
    servers.map((server, i) => {
      const address = list[i] as ListenAddress
      return listen(server, address, isIpv6Only(address, list))
    }),
  )
  const failed = opened.flatMap((each, i) =>
    each.status === 'rejected' ? [{ address: list[i] as ListenAddress, error: each.reason as Error }] : [],
  )
  const fatal = failed.find(
    ({ address, error }) => failed.length === list.length || !lacksIpv6(address, error),
  )
  if (fatal !== undefined) throw fatal.error
  for (const { address, error } of failed) {
    log.write('warn', 'this machine has no such IPv6 address, so nobody is served there', {
      listener: which,
      address: `[${address.host}]:${address.port}`,
      cause: describeError(error),
    })
  }
  return opened.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
}

function lacksIpv6({ host }: ListenAddress, { code }: NodeJS.ErrnoException): boolean {
  return isIP(host) === 6 && (code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL')
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
