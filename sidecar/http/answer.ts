// An upstream's answer on its way to the client: streamed, at the client's pace, broken off where it breaks off.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { filterHeaders, hasHeader, headerValues } from '../../shared/head.ts'
import { flushSoon } from './flush.ts'
import { lengthLast } from './length-last.ts'
import { isChunked } from './served.ts'
import type { SiftTrailers } from './upload.ts'

export interface AnswerRules {
  /** What of the answer's headers passes on. */
  readonly siftResponse: (rawHeaders: readonly string[]) => string[]
  readonly siftTrailers: SiftTrailers
  /** Whether the connection to the client is to be closed after this answer. */
  readonly isClosing: () => boolean
}

export interface AnswerEvents {
  /** All of it was handed to the client's connection. */
  readonly onEnd: () => void
  /** The client's connection failed. */
  readonly onClientGone: () => void
  /** The upstream ended it before its end. */
  readonly onBroken: () => void
}

/**
 * Sends the head. False for what cannot be passed on: an answer whose end two readers could see in different places
 * (RFC 9112 section 6.3), and what Node's parser reads but does not write.
 */
export function beginAnswer(answer: IncomingMessage, response: ServerResponse, rules: AnswerRules): boolean {
  const isFinal = (answer.statusCode as number) >= 200
  if (!isFinal || !hasCertainEnd(answer)) return false
  if (rules.isClosing() || !response.req.complete) response.shouldKeepAlive = false
  // Node would believe the TE of a client that cannot know of it (RFC 9112 section 7.1).
  if (response.req.httpVersion === '1.0') response.useChunkedEncodingByDefault = false
  try {
    const headers = withoutUnfit(rules.siftResponse(answer.rawHeaders), answer, response)
    response.writeHead(answer.statusCode as number, answer.statusMessage ?? '', lengthLast(headers))
    return true
  } catch {
    return false
  }
}

function hasCertainEnd({ rawHeaders, httpVersion }: IncomingMessage): boolean {
  const codings = headerValues(rawHeaders, 'transfer-encoding')
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return false
  if (codings.length === 0) return headerValues(rawHeaders, 'content-length').length <= 1
  if (hasHeader(rawHeaders, 'content-length')) return false
  return httpVersion === '1.1' && isChunked(codings)
}

/** Whether nothing but the end of the connection tells where the answer ends (RFC 9112 section 6.3). */
export function endsWithConnection({ rawHeaders }: IncomingMessage): boolean {
  return !hasHeader(rawHeaders, 'content-length') && !hasHeader(rawHeaders, 'transfer-encoding')
}

/** Without what says something about a body that is not sent like that. */
function withoutUnfit(headers: string[], answer: IncomingMessage, response: ServerResponse): string[] {
  const isEmpty = answer.statusCode === 204
  const { method, httpVersion } = response.req
  const isInChunks = httpVersion === '1.1' && method !== 'HEAD' && !isEmpty && answer.statusCode !== 304
  const hasLength = hasHeader(headers, 'content-length')
  return filterHeaders(headers, (name) => {
    if (name === 'content-length') return !isEmpty
    return name !== 'trailer' || (isInChunks && !hasLength)
  })
}

/** A 1xx has no content that these could be about (RFC 9110 section 8.6). */
function isNotAboutContent(name: string): boolean {
  return name !== 'content-length' && name !== 'trailer'
}

/**
 * Passes a 1xx answer on (RFC 9110 section 15.2), but for `100`, which this hop has given itself. It cannot be held
 * back, so to a client that does not read it is not sent: it is a hint, and endless ones would fill the memory.
 */
export function passInformation(
  { statusCode, rawHeaders }: { statusCode: number; rawHeaders: string[] },
  response: ServerResponse,
  rules: AnswerRules,
): void {
  const isUnderstood = statusCode !== 100 && response.req.httpVersion === '1.1'
  const isTaken = !response.headersSent && response.socket?.writableNeedDrain === false
  if (!isUnderstood || !isTaken) return
  const headers = filterHeaders(rules.siftResponse(rawHeaders), isNotAboutContent)
  response.writeInformation(statusCode, headers)
}

/** Streams the body. */
export function passBody(
  answer: IncomingMessage,
  response: ServerResponse,
  rules: AnswerRules,
  events: AnswerEvents,
): void {
  let hasBegun = false
  flushSoon(response, () => hasBegun)
  answer.on('data', (chunk: Buffer) => {
    hasBegun = true
    if (!response.write(chunk)) answer.pause()
  })
  response.on('drain', () => answer.resume())
  answer.once('end', () => {
    if (answer.rawTrailers.length > 0) response.addTrailers(rules.siftTrailers(answer.rawTrailers))
    response.end((error?: Error) => (error ? events.onClientGone() : events.onEnd()))
  })
  answer.once('error', events.onBroken)
  answer.once('close', () => {
    if (!answer.readableEnded) events.onBroken()
  })
}
