// The upstream of apps under the preload: answers everything, late, and keeps which handle each call carried.
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { createSecureServer, createServer as createH2cServer, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo, Server } from 'node:net'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createAuthority, issueAccount } from '../../sidecar/ca.ts'

export const handleName = 'x-onbehalf-handle'

export interface Upstream {
  readonly origin: string
  /** An authority for grpc-js, in the clear. */
  readonly grpc: string
  /** HTTP/1.1 and HTTP/2 within TLS, gRPC included. */
  readonly secureOrigin: string
  readonly caPem: string
  /** The handles of all calls to a path, in the order of their arrival; a call without one has `undefined`. */
  readonly calls: Map<string, (string | undefined)[]>
  /** The raw names and values of the last call to a path. */
  readonly rawHeaders: Map<string, readonly string[]>
}

const grpcMessage = Buffer.from([0, 0, 0, 0, 1, 65])

export async function startUpstream(t: TestContext): Promise<Upstream> {
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
    const target = new URL(url, 'http://upstream').searchParams.get('redirect')
    request.resume().once('end', () => {
      void sleep(Math.random() * 4).then(() => {
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
  const { caPem, cert, key } = await certify()
  const secure = createSecureServer({ cert, key, allowHTTP1: true }, (request, response) => {
    if (request.httpVersion === '1.1') answer(request as never, response as never)
  })
  secure.on('stream', answerGrpc)
  const [port, grpcPort, securePort] = await Promise.all([plain, h2c, secure].map(listen))
  t.after(() => {
    plain.close()
    plain.closeAllConnections()
    for (const server of [h2c, secure]) server.close()
  })
  return {
    origin: `http://127.0.0.1:${port}`,
    grpc: `127.0.0.1:${grpcPort}`,
    secureOrigin: `https://localhost:${securePort}`,
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

async function certify() {
  const nowMs = Date.now()
  const ca = await createAuthority({ issuer: 'upstream.example.com', days: 1, nowMs })
  const { certificatePem, keyPem } = await issueAccount({
    caPem: ca.certificatePem,
    caKeyPem: ca.keyPem,
    issuer: undefined,
    account: 'upstream',
    dnsNames: ['localhost'],
    days: 1,
    nowMs,
  })
  return { caPem: ca.certificatePem, cert: certificatePem + ca.certificatePem, key: keyPem }
}
