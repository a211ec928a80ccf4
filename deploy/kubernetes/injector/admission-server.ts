// The HTTPS server that an API server asks: one path, bounded in size, time and number. Of too many the oldest goes.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import { boundConnections } from '../../../sidecar/admin/connections.ts'
import { stopAccepting } from '../../../sidecar/http1/server.ts'
import { BodyFault, BodyReader } from './body.ts'
import type { ServingCertificate } from './serving-certificate.ts'

export interface Answer {
  readonly status: number
  readonly body: string
}

export interface AdmissionLimits {
  /** Of one review. An API server takes no larger request from its own clients. */
  readonly bodyBytes: number
  /** Of all reviews that are being read. */
  readonly allBodyBytes: number
  readonly underWay: number
  readonly connections: number
  /** For a whole request to arrive. */
  readonly requestMs: number
  /** After which those under way are cut off, when it ends. */
  readonly farewellMs: number
  /** So long idle connections stay open in the end: one may just be in use again. */
  readonly idleMs: number
}

export const admissionLimits: AdmissionLimits = {
  bodyBytes: 3 * 1024 * 1024,
  allBodyBytes: 32 * 1024 * 1024,
  underWay: 500,
  connections: 1_000,
  requestMs: 10_000,
  farewellMs: 10_000,
  idleMs: 250,
}

export interface AdmissionOptions {
  readonly certificate: ServingCertificate
  /** Given the body of each request. */
  readonly answer: (body: string) => Answer
  /** TLS was not agreed on. */
  readonly onTlsFailure: (error: Error) => void
  /** A request that holds no review, and the status that it was answered. */
  readonly onUnfit: (status: number) => void
  /** The oldest review is not answered: there are too many at once. */
  readonly onCutOff: () => void
  readonly limits?: Partial<AdmissionLimits>
}

export interface AdmissionServer {
  readonly server: Server
  /** Each answer from now on is the last one of its connection. */
  announceEnd(): void
  /** Resolves when what was under way is answered. */
  close(): Promise<void>
}

const minVersion = 'TLSv1.2'
/** Longer than the 90 s for which an API server keeps a connection: it never meets one that is just being closed. */
const keepAliveMs = 120_000

/** There is no TLS to agree on until there is a certificate. */
export function createAdmissionServer(options: AdmissionOptions): AdmissionServer {
  const limits = { ...admissionLimits, ...options.limits }
  const { certificate, answer, onUnfit, onCutOff } = options
  const bodies = new BodyReader(limits.bodyBytes, limits.allBodyBytes, onCutOff)
  const underWay = new Set<ServerResponse>()
  const state = { isEnding: false, onIdle: () => {} }
  const server = createServer(
    {
      minVersion,
      requestTimeout: limits.requestMs,
      headersTimeout: limits.requestMs,
      handshakeTimeout: limits.requestMs,
      connectionsCheckingInterval: Math.min(1_000, limits.requestMs),
      keepAliveTimeout: keepAliveMs,
      maxHeaderSize: 16 * 1024,
      insecureHTTPParser: false,
    },
    (request, response) => {
      response.shouldKeepAlive &&= !state.isEnding
      underWay.add(response)
      response.once('close', () => {
        underWay.delete(response)
        if (underWay.size === 0) state.onIdle()
      })
      const [oldest] = underWay
      if (underWay.size > limits.underWay) {
        oldest?.destroy()
        onCutOff()
      }
      void serve(request, response, { bodies, answer, onUnfit })
    },
  )
  boundConnections(server, limits.connections)
  const use = () => server.setSecureContext({ ...certificate.current(), minVersion })
  certificate.onChange(use)
  if (certificate.current() !== undefined) use()
  server.on('tlsClientError', options.onTlsFailure)
  const announceEnd = () => {
    state.isEnding = true
    for (const response of underWay) response.shouldKeepAlive = false
  }
  return {
    server,
    announceEnd,
    async close() {
      announceEnd()
      stopAccepting(server)
      await within(limits.farewellMs, (done) => {
        state.onIdle = done
        if (underWay.size === 0) done()
      })
      await within(limits.idleMs, (done) => server.once('close', done))
      server.closeAllConnections()
    },
  }
}

interface Serving {
  readonly bodies: BodyReader
  readonly answer: AdmissionOptions['answer']
  readonly onUnfit: AdmissionOptions['onUnfit']
}

async function serve(request: IncomingMessage, response: ServerResponse, serving: Serving): Promise<void> {
  try {
    checkHead(request)
    const { status, body } = serving.answer(await serving.bodies.read(request))
    send(response, status, body, status === 200 ? 'application/json' : undefined)
  } catch (error) {
    if (error instanceof BodyFault) refuse(request, response, error, serving.onUnfit)
    else response.destroy()
  }
}

/** @throws {BodyFault} it is no review. */
function checkHead({ url = '', method, headers }: IncomingMessage): void {
  // An API server adds `?timeout=10s`.
  if (url.replace(/\?.*$/, '') !== '/inject') throw new BodyFault(404, 'There is: POST /inject.')
  if (method !== 'POST') throw new BodyFault(405, 'Use POST.', { allow: 'POST' })
  const type = headers['content-type'] ?? ''
  if (!/^application\/json *(;|$)/i.test(type))
    throw new BodyFault(415, 'A review comes as application/json.')
}

/** What is left of the body is read and dropped, within the time for a request: a reset would lose the answer. */
function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  { status, message, headers }: BodyFault,
  onUnfit: AdmissionOptions['onUnfit'],
): void {
  onUnfit(status)
  request.resume()
  send(response, status, `${message}\n`, undefined, headers)
}

function send(
  response: ServerResponse,
  status: number,
  body: string,
  type = 'text/plain; charset=utf-8',
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    ...headers,
  })
  response.end(body)
}

/** Resolves when `start` calls back, or the time is over. */
async function within(ms: number, start: (done: () => void) => void): Promise<void> {
  const done = Promise.withResolvers<void>()
  const timer = setTimeout(done.resolve, ms)
  start(done.resolve)
  await done.promise
  clearTimeout(timer)
}
