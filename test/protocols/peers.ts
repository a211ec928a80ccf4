// Clients and servers of one behaviour in each version of HTTP, so that any two can meet through a sidecar.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request as requestHttp1, type IncomingMessage, type ServerResponse } from 'node:http'
import {
  connect,
  createSecureServer,
  createServer as createHttp2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { Readable, type Writable } from 'node:stream'
import type { TestContext } from 'node:test'
import { trustedTls } from './trusted-tls.ts'

/** `h2` is HTTP/2 over TLS, by ALPN. */
export type Version = 'HTTP/1.1' | 'h2c' | 'h2'
export const versions: readonly Version[] = ['HTTP/1.1', 'h2c', 'h2']

const chunk = Buffer.alloc(64 * 1024, 'abcdefgh')

/** A body of so many bytes, never all in memory. */
export function bodyOf(bytes: number): Readable {
  let left = bytes
  return new Readable({
    read() {
      const part = chunk.subarray(0, Math.min(left, chunk.length))
      left -= part.length
      this.push(part.length === 0 ? null : part)
    },
  })
}

export async function digestOf(body: Readable): Promise<string> {
  const hash = createHash('sha256')
  for await (const part of body) hash.update(part as Buffer)
  return hash.digest('hex')
}

/** What a server does with a request, whatever it speaks. */
interface Served {
  readonly path: string
  readonly user: string
  readonly body: Readable
  trailers(): Record<string, unknown>
  begin(status: number, headers: Record<string, string>): Writable
  endWith(trailers: Record<string, string>): void
  reset(): void
}

export interface Events {
  /** How requests that are held ended for the server. */
  readonly heldEnds: string[]
  onHeld: () => void
}

async function serve(request: Served, events: Events): Promise<void> {
  const [, name, size = '0'] = request.path.split('/')
  if (name === 'up') {
    const digest = await digestOf(request.body)
    request.begin(200, { 'x-user': request.user }).end(digest)
  } else if (name === 'down') bodyOf(Number(size)).pipe(request.begin(200, { 'x-user': request.user }))
  else if (name === 'trailers') {
    await digestOf(request.body)
    request.begin(200, { trailer: 'x-back' }).write('body')
    request.endWith({ 'x-back': String(request.trailers()['x-forth']) })
  } else if (name === 'reset') request.reset()
  else if (name === 'break') {
    request.begin(200, {}).write('half')
    setImmediate(() => request.reset())
  } else if (name === 'hold') {
    if (size === 'answer') request.begin(200, {}).write('first')
    request.body.once('close', () => events.heldEnds.push(request.path))
    request.body.on('error', () => undefined)
    request.body.once('data', () => events.onHeld())
    request.body.resume()
  } else request.begin(200, { 'x-user': request.user }).end('ok')
}

function servedHttp1(request: IncomingMessage, response: ServerResponse): Served {
  return {
    path: request.url ?? '',
    user: String(
      request.headers['x-pomerium-original-user-id'] ?? request.headers['x-pomerium-authenticated-user-id'],
    ),
    body: request,
    trailers: () => request.trailers,
    begin: (status, headers) => response.writeHead(status, headers),
    endWith(trailers) {
      response.addTrailers(trailers)
      response.end()
    },
    reset: () => request.socket.resetAndDestroy(),
  }
}

function servedHttp2(stream: ServerHttp2Stream, headers: Record<string, unknown>): Served {
  let received: Record<string, unknown> = {}
  let sent: Record<string, string> = {}
  stream.on('error', () => undefined)
  stream.on('trailers', (trailers) => (received = trailers))
  stream.on('wantTrailers', () => stream.sendTrailers(sent))
  return {
    path: String(headers[':path']),
    user: String(headers['x-pomerium-original-user-id'] ?? headers['x-pomerium-authenticated-user-id']),
    body: stream,
    trailers: () => received,
    begin(status, fields) {
      stream.respond({ ':status': status, ...fields }, { waitForTrailers: true })
      return stream
    },
    endWith(trailers) {
      sent = trailers
      stream.end()
    },
    reset: () => stream.destroy(new Error('reset')),
  }
}

export interface RunningServer extends Events {
  readonly port: number
}

export async function startServer(t: TestContext, version: Version): Promise<RunningServer> {
  const events: Events = { heldEnds: [], onHeld: () => undefined }
  const sessions = new Set<ServerHttp2Session>()
  const server =
    version === 'HTTP/1.1'
      ? createServer(
          (request, response) =>
            void serve(servedHttp1(request, response), events).catch(() => response.destroy()),
        )
      : (version === 'h2c' ? createHttp2Server() : createSecureServer(await trustedTls()))
          .on('session', (session: ServerHttp2Session) => sessions.add(session))
          .on(
            'stream',
            (stream: ServerHttp2Stream, headers: Record<string, unknown>) =>
              void serve(servedHttp2(stream, headers), events).catch(() => stream.destroy()),
          )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    if ('closeAllConnections' in server) server.closeAllConnections()
    for (const session of sessions) session.destroy()
  })
  return Object.assign(events, { port: (server.address() as AddressInfo).port })
}

export interface Asked {
  readonly port: number
  readonly host: string
  readonly method?: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Readable
  readonly trailers?: Record<string, string>
}

export interface Answered {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: Readable
  trailers(): Record<string, unknown>
}

export interface Asking {
  readonly answered: Promise<Answered>
  /** Leaves without a word. */
  leave(): void
}

export function ask(t: TestContext, version: Version, asked: Asked): Asking {
  return version === 'HTTP/1.1' ? askHttp1(asked) : askHttp2(t, version, asked)
}

function askHttp1({ port, host, method = 'GET', path, headers, body, trailers }: Asked): Asking {
  const fields = {
    Host: host,
    ...headers,
    ...(trailers && { Trailer: Object.keys(trailers).join(), TE: 'trailers' }),
  }
  const request = requestHttp1({ host: '127.0.0.1', port, method, path, headers: fields, agent: false })
  const { promise, resolve, reject } = Promise.withResolvers<Answered>()
  request.on('error', reject)
  request.once('response', (response) =>
    resolve({
      status: response.statusCode ?? 0,
      headers: response.headers,
      body: response,
      trailers: () => response.trailers,
    }),
  )
  send(request, body, trailers && (() => request.addTrailers(trailers)))
  promise.catch(() => undefined)
  return { answered: promise, leave: () => request.destroy() }
}

function askHttp2(
  t: TestContext,
  version: 'h2c' | 'h2',
  { port, host, method = 'GET', path, headers, body, trailers }: Asked,
): Asking {
  // Whose the certificate of a sidecar is, is another test's business: it names an account, and no host.
  const session =
    version === 'h2c'
      ? connect(`http://127.0.0.1:${port}`)
      : connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
  session.on('error', () => undefined)
  t.after(() => session.destroy())
  const pseudo = { ':method': method, ':authority': host, ':path': path }
  const fields = { ...pseudo, ...headers, ...(trailers && { te: 'trailers' }) }
  const stream = session.request(fields, {
    endStream: body === undefined,
    waitForTrailers: trailers !== undefined,
  })
  const { promise, resolve, reject } = Promise.withResolvers<Answered>()
  let received: Record<string, unknown> = {}
  stream.on('error', reject)
  stream.on('close', () => reject(new Error('closed without an answer')))
  stream.on('trailers', (fieldsBehind) => (received = fieldsBehind))
  stream.once('wantTrailers', () => stream.sendTrailers(trailers ?? {}))
  stream.once('response', (head) =>
    resolve({ status: Number(head[':status']), headers: head, body: stream, trailers: () => received }),
  )
  if (body !== undefined) send(stream, body, undefined)
  promise.catch(() => undefined)
  return { answered: promise, leave: () => stream.destroy() }
}

function send(request: Writable, body: Readable | undefined, beforeEnd: (() => void) | undefined): void {
  if (body === undefined) {
    request.end()
    return
  }
  body.pipe(request, { end: false })
  body.once('end', () => {
    beforeEnd?.()
    request.end()
  })
}
