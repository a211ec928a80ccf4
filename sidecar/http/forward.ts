// Carries one permitted request to its upstream and the answer back: streamed, never buffered, aborted together.
import {
  request as requestHttp,
  type Agent,
  type ClientRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http'
import { request as requestHttps } from 'node:https'
import type { LookupFunction, Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import type { Endpoint, Limits, Timeouts } from '../../shared/config/mesh.ts'
import { Refusal } from '../../shared/errors.ts'

export interface Forwarding {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly upstream: Endpoint
  readonly agent: Agent
  /** Resolves the upstream's name; undefined: the system's way. */
  readonly lookup?: LookupFunction
  /** Path and query in origin form. */
  readonly path: string
  /** End-to-end headers, names and values in turn. */
  readonly headers: readonly string[]
  /** What of the answer's headers passes on. */
  readonly siftResponse: (rawHeaders: readonly string[]) => string[]
  /** Whether the connection to the client is to be closed after this answer. */
  readonly isClosing: () => boolean
  readonly limits: Limits
  readonly timeouts: Timeouts
}

/** The answer's status; the body has been passed on whole. */
export interface Forwarded {
  readonly status: number
}

/** Room for what apps really send: 64 KiB of headers and some. */
const maxResponseHeaderBytes = 128 * 1024
/** RFC 9110 section 9.2.2. */
const idempotent: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'])
/** Methods for which Node sends no body unless told so; for all others it would send an empty chunked one. */
const bodiless: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE'])

/**
 * @throws {Refusal} `upstream_refused`, `upstream_reset`, `upstream_invalid`, `upstream_timeout`, `body_too_large`, and
 * what `lookup` refuses: all before the answer began. An answer that breaks off later breaks off for the client too.
 * @throws {ClientGone} the client left.
 */
export async function forward(forwarding: Forwarding): Promise<Forwarded> {
  const body = bodyOf(forwarding.request)
  refuseLongBody(body, forwarding.limits)
  try {
    return await exchange(forwarding, body)
  } catch (error) {
    const again =
      error instanceof StaleConnection && body === 'none' && idempotent.has(forwarding.request.method ?? '')
    if (!again) throw error
    // The upstream closed a kept-alive connection just as we took it: nothing was processed, so ask once more.
    return await exchange(forwarding, body)
  }
}

/** The client ended its connection before it had the whole answer. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone'
}

/** A reused connection ended before a byte of the answer came. */
class StaleConnection extends Refusal {}

type Body = 'none' | 'chunked' | number

function bodyOf(request: IncomingMessage): Body {
  if (request.headers['transfer-encoding'] !== undefined) return 'chunked'
  const length = request.headers['content-length']
  return length === undefined ? 'none' : Number(length)
}

function refuseLongBody(body: Body, limits: Limits): void {
  if (limits.bodyBytes > 0 && typeof body === 'number' && body > limits.bodyBytes) throw bodyTooLarge()
}

function bodyTooLarge(): Refusal {
  return new Refusal('body_too_large', 'The body is larger than the mesh file allows (limits.body_bytes).')
}

function framing(method: string, body: Body): string[] {
  if (body === 'chunked') return ['Transfer-Encoding', 'chunked']
  return body === 'none' && !bodiless.has(method) ? ['Content-Length', '0'] : []
}

function exchange(forwarding: Forwarding, body: Body): Promise<Forwarded> {
  const { request, response, timeouts } = forwarding
  // Who left while we decided will not be heard of again: 'close' was already emitted.
  if (response.destroyed) return Promise.reject(new ClientGone('the client left'))
  return new Promise((resolve, reject) => {
    const upstream = open(forwarding, body)
    let settled = false
    let answered = false
    const settle = (outcome: () => void) => {
      if (settled) return
      settled = true
      response.off('close', onClientGone)
      outcome()
    }
    const fail = (error: Error) => {
      upstream.destroy()
      settle(() => reject(error))
    }
    const onClientGone = () => fail(new ClientGone('the client left'))
    response.once('close', onClientGone)
    upstream.once('socket', (socket) => boundConnect(socket, timeouts.connectMs, fail))
    if (timeouts.idleMs > 0) upstream.setTimeout(timeouts.idleMs, () => fail(timedOut('idle')))
    const responseTimer = startTimer(timeouts.responseMs, () => fail(timedOut('response')))
    upstream.on('error', (error) => fail(failure(error, upstream.reusedSocket && !answered)))
    upstream.on('close', () => {
      clearTimeout(responseTimer)
      if (!answered) fail(invalidAnswer())
    })
    upstream.once('response', (answer) => {
      clearTimeout(responseTimer)
      answered = true
      if (!beginAnswer(forwarding, answer)) {
        fail(invalidAnswer())
        return
      }
      pump(answer, response, {
        onEnd: () => {
          // An answer may come before the whole request was read: then nobody reads the rest.
          if (!request.complete) upstream.destroy()
          settle(() => resolve({ status: response.statusCode }))
        },
        onBroken: () => {
          response.destroy()
          fail(new Refusal('upstream_reset', 'The upstream broke off its answer.'))
        },
      })
    })
    if (body === 'none') upstream.end()
    else
      pump(request, upstream, {
        maxBytes: forwarding.limits.bodyBytes,
        onTooLarge: () => fail(bodyTooLarge()),
        onBroken: onClientGone,
      })
  })
}

/** False for what cannot be passed on: llhttp reads statuses that Node does not write. */
function beginAnswer({ response, isClosing, siftResponse }: Forwarding, answer: IncomingMessage): boolean {
  response.sendDate = false
  if (isClosing() || !response.req.complete) response.shouldKeepAlive = false
  try {
    response.writeHead(answer.statusCode as number, siftResponse(answer.rawHeaders))
    return true
  } catch {
    return false
  }
}

function invalidAnswer(): Refusal {
  return new Refusal('upstream_invalid', 'The upstream gave no answer that can be passed on.')
}

function open(forwarding: Forwarding, body: Body): ClientRequest {
  const { request, upstream, agent, path, headers, lookup } = forwarding
  const method = request.method as string
  const options = {
    host: upstream.host,
    port: upstream.port,
    method,
    path,
    agent,
    headers: [...headers, ...framing(method, body)],
    setHost: false,
    insecureHTTPParser: false,
    maxHeaderSize: maxResponseHeaderBytes,
    ...(lookup === undefined ? undefined : { lookup }),
  }
  return upstream.tls ? requestHttps(options) : requestHttp(options)
}

function boundConnect(socket: Socket, connectMs: number, fail: (error: Error) => void): void {
  if (!socket.connecting) return
  const timer = startTimer(connectMs, () => fail(timedOut('connect')))
  const clear = () => clearTimeout(timer)
  socket.once('encrypted' in socket ? 'secureConnect' : 'connect', clear)
  socket.once('close', clear)
}

function startTimer(delayMs: number, onTime: () => void): NodeJS.Timeout | undefined {
  return delayMs > 0 ? setTimeout(onTime, delayMs) : undefined
}

interface Pumping {
  /** `0` and undefined: no limit. */
  readonly maxBytes?: number
  readonly onTooLarge?: () => void
  readonly onEnd?: () => void
  /** The source ended without its end: the sink must be aborted, never ended, or it would look complete. */
  readonly onBroken: () => void
}

function pump(source: Readable & { readonly complete?: boolean }, sink: Writable, pumping: Pumping): void {
  const maxBytes = pumping.maxBytes || Infinity
  let bytes = 0
  source.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > maxBytes) {
      source.pause()
      pumping.onTooLarge?.()
    } else if (!sink.write(chunk)) source.pause()
  })
  sink.on('drain', () => source.resume())
  source.once('end', () => sink.end(pumping.onEnd))
  source.once('error', pumping.onBroken)
  source.once('close', () => {
    if (!source.readableEnded) pumping.onBroken()
  })
}

function timedOut(which: 'connect' | 'response' | 'idle'): Refusal {
  return new Refusal('upstream_timeout', `The upstream did not answer in time (timeouts.${which}).`)
}

function failure(error: NodeJS.ErrnoException, isStale: boolean): Refusal {
  if (error instanceof Refusal) return error
  const code = error.code ?? ''
  if (code.startsWith('HPE_')) {
    return new Refusal('upstream_invalid', 'The upstream did not answer in HTTP/1.1.', { cause: error })
  }
  if (code === 'ECONNRESET' || code === 'EPIPE') {
    const Reset = isStale ? StaleConnection : Refusal
    return new Reset('upstream_reset', 'The upstream ended the connection before it answered.', {
      cause: error,
    })
  }
  return new Refusal(
    'upstream_refused',
    'The upstream cannot be reached. The log of the sidecar says which and why.',
    { cause: error },
  )
}
