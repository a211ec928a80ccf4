// An app of one handler in any version of HTTP, in clear text or over TLS, by what node:http and node:http2 have in common.
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { createSecureServer, createServer as createHttp2Server, type ServerHttp2Session } from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo, Server, Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import type { TestContext } from 'node:test'
import { trustedTls } from './trusted-tls.ts'

/** `TLS`: HTTP/2 for those who agree on it, else HTTP/1.1. */
export type ServerVersion = 'HTTP/1.1' | 'h2c' | 'TLS' | 'HTTP/1.1 alone over TLS' | 'HTTP/2 alone over TLS'
export const serverVersions: readonly ServerVersion[] = ['HTTP/1.1', 'h2c', 'TLS']

export interface Request extends Readable {
  readonly url?: string | undefined
  readonly method?: string | undefined
  readonly httpVersion: string
  readonly headers: IncomingHttpHeaders
}

export interface Response extends Writable {
  statusCode: number
  setHeader(name: string, value: string): unknown
  flushHeaders(): void
  addTrailers(trailers: Record<string, string>): void
}

export type Handler = (request: Request, response: Response) => void | Promise<void>
type Listener = (request: Request, response: Response) => void

export interface VersionedApp {
  /** As `services.X.app` has it; a client that speaks HTTP/2 is understood at `http:` too. */
  readonly origin: string
  handler: Handler
}

async function make(version: ServerVersion, handle: Listener): Promise<Server> {
  if (version === 'HTTP/1.1') return createServer(handle)
  if (version === 'h2c') return createHttp2Server(handle as never)
  const { cert, key } = await trustedTls()
  if (version === 'HTTP/1.1 alone over TLS') return createHttpsServer({ cert, key }, handle)
  return createSecureServer({ cert, key, allowHTTP1: version === 'TLS' }, handle as never)
}

export const origins: Readonly<Record<ServerVersion, string>> = {
  'HTTP/1.1': 'http://127.0.0.1',
  h2c: 'h2c://127.0.0.1',
  TLS: 'https://localhost',
  'HTTP/1.1 alone over TLS': 'https://localhost',
  'HTTP/2 alone over TLS': 'https://localhost',
}

export async function startVersionedApp(
  t: TestContext,
  version: ServerVersion,
  handler: Handler,
): Promise<VersionedApp> {
  const server = await make(version, (request, response) => {
    response.on('error', () => undefined)
    Promise.resolve(app.handler(request, response)).catch(() => response.destroy())
  })
  const open = new Set<Socket | ServerHttp2Session>()
  const keep = (each: Socket | ServerHttp2Session) => {
    open.add(each)
    each.once('close', () => open.delete(each))
  }
  // node:http2 leaves it on where it serves HTTP/1.1: each answer would wait for an acknowledgement.
  server.on('connection', (socket: Socket) => void socket.setNoDelay())
  server.on('connection', keep).on('session', keep).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const each of open) each.destroy()
  })
  const { port } = server.address() as AddressInfo
  const app: VersionedApp = { origin: `${origins[version]}:${port}`, handler }
  return app
}
