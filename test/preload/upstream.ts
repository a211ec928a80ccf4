// The upstream of apps under the preload: answers everything, late, and keeps which handle each call carried.
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { createSecureServer, createServer as createH2cServer, type ServerHttp2Stream } from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { certifyLocalhost } from '../support/localhost-tls.ts'

export const handleName = 'x-onbehalf-handle'
/** What is carried where a call is known to be nobody's. */
export const unknown = 'unknown'

/** A test, or whatever else ends. */
export interface Scope {
  after(end: () => unknown): void
}

export interface Upstream {
  readonly origin: string
  /** An authority for grpc-js, in the clear. */
  readonly grpc: string
  readonly secureOrigin: string
  readonly secureGrpc: string
  readonly caPem: string
  /** The handles of all calls to a path, in the order of their arrival; a call without one has `undefined`. */
  readonly calls: Map<string, (string | undefined)[]>
  /** The raw names and values of the last call to a path. */
  readonly rawHeaders: Map<string, readonly string[]>
}

const grpcMessage = Buffer.from([0, 0, 0, 0, 1, 65])

export async function startUpstream(scope: Scope): Promise<Upstream> {
  const calls: Upstream['calls'] = new Map()
  const rawHeaders: Upstream['rawHeaders'] = new Map()
  const keep = (path: string, raw: readonly string[]) => {
    const handles = raw.filter((_, i) => raw[i - (i % 2)]?.toLowerCase() === handleName && i % 2 === 1)
    calls.set(path, [...(calls.get(path) ?? []), handles.length === 0 ? undefined : handles.join(', ')])
    rawHeaders.set(path, raw)
  }

  const answer: RequestListener = (request, response) => {
    const { url = '' } = request
    keep(url, request.rawHeaders)
    const { searchParams } = new URL(url, 'http://upstream')
    const target = searchParams.get('redirect')
    if (searchParams.has('never')) return
    const isUnavailable = searchParams.has('unavailable') && calls.get(url)?.length === 1
    request.resume().once('end', () => {
      void sleep(Math.random() * 4).then(() => {
        if (isUnavailable) response.writeHead(503)
        if (target !== null) response.writeHead(307, { location: target })
        response.end('ok')
      })
    })
  }
  const answerGrpc = (
    stream: ServerHttp2Stream,
    headers: Record<string, unknown>,
    _flags: number,
    raw: string[],
  ) => {
    keep(String(headers['x-path']), raw)
    stream.on('error', () => undefined)
    stream.resume().once('end', () => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
      void sleep(Math.random() * 4).then(() => stream.end(grpcMessage))
    })
  }

  const plain = createServer(answer)
  const h2c = createH2cServer().on('stream', answerGrpc)
  const { caPem, cert, key } = await certifyLocalhost()
  const secure = createHttpsServer({ cert, key }, answer)
  const h2 = createSecureServer({ cert, key }).on('stream', answerGrpc)
  const [port, grpcPort, securePort, secureGrpcPort] = await Promise.all([plain, h2c, secure, h2].map(listen))
  scope.after(() => {
    for (const server of [plain, h2c, secure, h2]) server.close()
    for (const server of [plain, secure]) server.closeAllConnections()
  })
  return {
    origin: `http://127.0.0.1:${port}`,
    grpc: `127.0.0.1:${grpcPort}`,
    secureOrigin: `https://localhost:${securePort}`,
    secureGrpc: `localhost:${secureGrpcPort}`,
    caPem,
    calls,
    rawHeaders,
  }
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}
