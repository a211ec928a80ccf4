// What is crossed with the agents: the servers that an app is made with, and the clients by which it calls.

export const servers = ['express', 'fastify', 'http', 'grpc-js'] as const
export type ServerName = (typeof servers)[number]

export const httpClients = [
  'fetch',
  'http.request',
  'http.request-saturated',
  'axios',
  'got',
  'undici-6',
  'undici-6-saturated',
  'undici-7',
  'undici-7-saturated',
  'undici-8',
  'undici-8-saturated',
] as const
export type HttpClientName = (typeof httpClients)[number]

/** A channel is cold where no connection is open yet when the calls are made. */
export const grpcClients = ['grpc-js-warm', 'grpc-js-cold'] as const
export type GrpcClientName = (typeof grpcClients)[number]

export type ClientName = HttpClientName | GrpcClientName

export function isGrpc(client: ClientName): client is GrpcClientName {
  return (grpcClients as readonly string[]).includes(client)
}

const kindsOfClient: ReadonlySet<ClientName> = new Set([
  'fetch',
  'undici-7-saturated',
  'grpc-js-warm',
  'grpc-js-cold',
])

export interface Cell {
  readonly server: ServerName
  readonly client: ClientName
}

export const clients: readonly ClientName[] = [...httpClients, ...grpcClients]

export const allCells: readonly Cell[] = servers.flatMap((server) =>
  clients.map((client) => ({ server, client })),
)

/** All clients from one server, and the kinds that agents tell apart from each. */
export const coveringCells: readonly Cell[] = allCells.filter(
  ({ server, client }) => server === 'express' || kindsOfClient.has(client),
)

/** The kinds alone: those over HTTP from a server over HTTP, those over gRPC from one over gRPC. */
export const fewCells: readonly Cell[] = allCells.filter(
  ({ server, client }) => server === (isGrpc(client) ? 'grpc-js' : 'express') && kindsOfClient.has(client),
)

/** How many users there are, all at once. */
export const userCount = 40
export const users = Array.from({ length: userCount }, (_, i) => `user${i}`)
