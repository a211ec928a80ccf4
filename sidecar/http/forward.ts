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
import type { Endpoint, Limits, Timeouts } from '../../shared/config/mesh.ts'
import { Refusal } from '../../shared/errors.ts'
import { headerValues } from '../../shared/head.ts'
import { beginAnswer, passBody, passInformation, type AnswerRules } from './answer.ts'
import { answerHere, hopsLeft, withHopsLeft } from './max-forwards.ts'
import { Repetition, Unanswered } from './repetition.ts'
import { bodyTooLarge, Upload } from './upload.ts'

export interface Forwarding extends AnswerRules {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly upstream: Endpoint
  readonly agent: Agent
  /** Resolves the upstream's name; undefined: the system's way. */
  readonly lookup?: LookupFunction
  /** Path and query in origin form, or `*`. */
  readonly path: string
  /** End-to-end headers, names and values in turn. */
  readonly headers: readonly string[]
  /** Whether the upstream is one of ours, or our app: then it is waited for while it starts again. */
  readonly isAwaited: boolean
  readonly limits: Limits
  readonly timeouts: Timeouts
}

/** How a request was answered; the body has been passed on whole. */
export interface Forwarded {
  readonly status: number
  /** How often it was sent again. */
  readonly repeated: number
}

/** Room for what apps really send: 64 KiB of headers and some. */
const maxResponseHeaderBytes = 128 * 1024
/** Methods for which Node sends no body unless told so; for all others it would send an empty chunked one. */
const bodiless: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE'])

/**
 * @throws {Refusal} `upstream_refused`, `upstream_reset`, `upstream_invalid`, `upstream_timeout`, `body_too_large`, and
 * what `lookup` refuses: all before the answer began. An answer that breaks off later breaks off for the client too.
 * @throws {ClientGone} the client left.
 */
export async function forward(forwarding: Forwarding): Promise<Forwarded> {
  const { request, response, headers, limits, siftTrailers, isAwaited } = forwarding
  const hops = hopsLeft(request.method as string, headers)
  if (hops === 0) {
    answerHere(response)
    return { status: response.statusCode, repeated: 0 }
  }
  const sent = hops === undefined ? forwarding : { ...forwarding, headers: withHopsLeft(headers, hops - 1) }
  const upload = new Upload(request, limits.bodyBytes, siftTrailers)
  const repetition = new Repetition(isAwaited)
  for (;;) {
    try {
      return { status: await exchange(sent, upload), repeated: repetition.count }
    } catch (error) {
      await repetition.permit(error, upload)
    }
  }
}

/** The client ended its connection before it had the whole answer. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone'
}

/** Resolves with the answer's status when its body has been passed on whole. */
function exchange(forwarding: Forwarding, upload: Upload): Promise<number> {
  const { request, response, timeouts } = forwarding
  // Who left while we decided will not be heard of again: 'close' was already emitted.
  if (response.destroyed) return Promise.reject(new ClientGone('the client left'))
  return new Promise((resolve, reject) => {
    const upstream = open(forwarding, upload)
    let phase: 'connecting' | 'sending' | 'answering' | 'settled' = 'connecting'
    const settle = (outcome: () => void) => {
      if (phase === 'settled') return
      phase = 'settled'
      response.off('close', onClientGone)
      upload.detach()
      outcome()
    }
    const fail = (error: Error) => {
      upstream.destroy()
      settle(() => reject(error))
    }
    const onClientGone = () => fail(new ClientGone('the client left'))
    const send = () => {
      if (phase !== 'connecting') return
      phase = 'sending'
      if (upload.framing === 'none') return
      if (expectsContinue(request) && !response.headersSent) response.writeContinue()
      upload.sendTo(upstream, { onTooLarge: () => fail(bodyTooLarge()), onBroken: onClientGone })
    }
    response.once('close', onClientGone)
    upstream.once('socket', (socket) => whenConnected(socket, timeouts.connectMs, send, fail))
    if (timeouts.idleMs > 0) upstream.setTimeout(timeouts.idleMs, () => fail(timedOut('idle')))
    const responseTimer = startTimer(timeouts.responseMs, () => fail(timedOut('response')))
    let isAnswered = () => false
    upstream.on('error', (error) => {
      // What comes behind a whole answer spoils the connection, not the answer.
      if (!isAnswered()) fail(failure(error, stageOf(phase, upstream)))
    })
    upstream.on('close', () => {
      clearTimeout(responseTimer)
      if (phase !== 'answering') fail(invalidAnswer())
    })
    upstream.on('information', (information) => passInformation(information, response, forwarding))
    upstream.once('response', (answer) => {
      clearTimeout(responseTimer)
      phase = 'answering'
      isAnswered = () => answer.complete
      if (!beginAnswer(answer, response, forwarding)) {
        fail(invalidAnswer())
        return
      }
      passBody(answer, response, forwarding, {
        onEnd() {
          // An answer may come before the whole request was read: then nobody reads the rest.
          if (!request.complete) upstream.destroy()
          settle(() => resolve(response.statusCode))
        },
        onBroken() {
          response.destroy()
          fail(new Refusal('upstream_reset', 'The upstream broke off its answer.'))
        },
      })
    })
    if (upload.framing === 'none') upstream.end()
  })
}

function open(forwarding: Forwarding, upload: Upload): ClientRequest {
  const { request, upstream, agent, path, headers, lookup } = forwarding
  const method = request.method as string
  const options = {
    host: upstream.host,
    port: upstream.port,
    method,
    path,
    agent,
    headers: [...fitting(headers, upload), ...framing(method, upload), ...trailersWanted(request)],
    setHost: false,
    insecureHTTPParser: false,
    maxHeaderSize: maxResponseHeaderBytes,
    ...(lookup === undefined ? undefined : { lookup }),
  }
  const opened = upstream.tls ? requestHttps(options) : requestHttp(options)
  // Node drops what is beyond this in silence; their size is bounded.
  opened.maxHeadersCount = 0
  return opened
}

function framing(method: string, upload: Upload): string[] {
  if (upload.framing === 'chunked') return ['Transfer-Encoding', 'chunked']
  return upload.framing === 'none' && !bodiless.has(method) ? ['Content-Length', '0'] : []
}

/** `Trailer` announces what only a chunked body can have. */
function fitting(headers: readonly string[], upload: Upload): readonly string[] {
  if (upload.framing === 'chunked' || headerValues(headers, 'trailer').length === 0) return headers
  return headers.filter((_, i) => (headers[i & ~1] as string).toLowerCase() !== 'trailer')
}

/** RFC 9110 section 10.1.4: trailers pass here; other codings concern the client's own connection. */
function trailersWanted(request: IncomingMessage): string[] {
  const wanted = headerValues(request.rawHeaders, 'te').some((value) =>
    /(?:^|,)[ \t]*trailers[ \t]*(?:,|$)/i.test(value),
  )
  return wanted ? ['TE', 'trailers', 'Connection', 'TE'] : []
}

/** In HTTP/1.0 there are no interim answers (RFC 9110 section 10.1.1). */
function expectsContinue(request: IncomingMessage): boolean {
  return request.httpVersion === '1.1' && headerValues(request.rawHeaders, 'expect').length > 0
}

function whenConnected(
  socket: Socket,
  connectMs: number,
  onConnected: () => void,
  fail: (error: Error) => void,
): void {
  if (!socket.connecting) {
    onConnected()
    return
  }
  const timer = startTimer(connectMs, () => fail(timedOut('connect')))
  const clear = () => clearTimeout(timer)
  socket.once('close', clear)
  socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => {
    clear()
    onConnected()
  })
}

function startTimer(delayMs: number, onTime: () => void): NodeJS.Timeout | undefined {
  return delayMs > 0 ? setTimeout(onTime, delayMs) : undefined
}

function invalidAnswer(): Refusal {
  return new Refusal('upstream_invalid', 'The upstream gave no answer that can be passed on.')
}

function timedOut(which: 'connect' | 'response' | 'idle'): Refusal {
  return new Refusal('upstream_timeout', `The upstream did not answer in time (timeouts.${which}).`)
}

/** How far a request had come that was not answered. */
function stageOf(phase: string, upstream: ClientRequest): Unanswered['stage'] | 'answered' {
  if (phase === 'connecting') return 'unsent'
  if (phase !== 'sending') return 'answered'
  return upstream.reusedSocket ? 'stale' : 'sent'
}

function failure(error: NodeJS.ErrnoException, stage: Unanswered['stage'] | 'answered'): Refusal {
  if (error instanceof Refusal) return error
  const code = error.code ?? ''
  if (code.startsWith('HPE_')) {
    return new Refusal('upstream_invalid', 'The upstream did not answer in HTTP/1.1.', { cause: error })
  }
  if (stage === 'unsent' || (code !== 'ECONNRESET' && code !== 'EPIPE')) {
    const message = 'The upstream cannot be reached. The log of the sidecar says which and why.'
    return new Unanswered('upstream_refused', message, code === 'ECONNREFUSED' ? 'unsent' : 'other', error)
  }
  const message = 'The upstream ended the connection before it answered.'
  return new Unanswered('upstream_reset', message, stage === 'answered' ? 'other' : stage, error)
}
