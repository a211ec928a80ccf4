// An upstream that answers with what it received, and a client that sends exactly the headers it is given.
import { once } from 'node:events'
import {
  createServer,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import {
  startPomerium,
  type Pomerium,
  type PomeriumOptions,
  type PomeriumRoute,
} from '../../deploy/demo/pomerium.ts'

export interface Echo {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Upstream {
  readonly url: string
  close(): Promise<void>
}

export async function startUpstream(
  serve: (request: IncomingMessage) => Promise<unknown> | AsyncIterable<string>,
): Promise<Upstream> {
  const server = createServer((request, response) => {
    const answer = serve(request)
    if (Symbol.asyncIterator in answer) void writeAll(answer, response)
    else
      answer.then(
        (body) => response.end(JSON.stringify(body)),
        () => response.destroy(),
      )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

async function writeAll(parts: AsyncIterable<string>, response: NodeJS.WritableStream): Promise<void> {
  for await (const part of parts) response.write(part)
  response.end()
}

export async function echo(request: IncomingMessage): Promise<Echo> {
  const { method = '', url: path = '', headers } = request
  return { method, path, headers, body: await text(request) }
}

export const appHost = 'app.localhost.pomerium.io'

export const users = {
  alice: {
    sub: 'google/1234',
    email: 'alice@companydomain.com',
    groups: ['g1', 'Engineering'],
    name: 'Alice',
    claims: { family_name: ['Adams'], roles: ['reader', 'writer'] },
  },
}

/** A stand-in before an upstream that answers with what it received. */
export async function startPair(
  route: Partial<PomeriumRoute> = {},
  options: PomeriumOptions = {},
): Promise<{ pomerium: Pomerium } & AsyncDisposable> {
  const upstream = await startUpstream(echo)
  const routes = { [appHost]: { to: upstream.url, passIdentityHeaders: true, ...route } }
  const pomerium = await startPomerium({ users, routes, ...options })
  return {
    pomerium,
    [Symbol.asyncDispose]: async () => {
      await pomerium.close()
      await upstream.close()
    },
  }
}

export interface Sent {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Sending {
  readonly host?: string
  readonly path?: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export async function send(pomerium: Pomerium, sending: Sending = {}): Promise<Sent> {
  const { host = appHost, path = '/', method = 'GET', headers = {}, body } = sending
  const { hostname, port } = new URL(pomerium.url)
  const request = httpRequest({ hostname, port, path, method, agent: false, headers: { host, ...headers } })
  request.end(body)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return { status: response.statusCode ?? 0, headers: response.headers, body: await text(response) }
}

/** What the upstream received of a request. */
export async function received(pomerium: Pomerium, sending: Sending = {}): Promise<Echo> {
  return JSON.parse((await send(pomerium, sending)).body) as Echo
}

export const asAlice = { cookie: '_pomerium=alice' }
