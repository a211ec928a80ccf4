// An upstream's answer on its way to the client: streamed, at the client's pace, broken off where it breaks off.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { headerValues } from '../../shared/head.ts'
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
  /** The upstream ended it before its end. */
  readonly onBroken: () => void
}

/**
 * Sends the head. False for what cannot be passed on: an answer whose end two readers could see in different places
 * (RFC 9112 section 6.3), and what Node's parser reads but does not write.
 */
export function beginAnswer(answer: IncomingMessage, response: ServerResponse, rules: AnswerRules): boolean {
  if (!hasCertainEnd(answer)) return false
  if (rules.isClosing() || !response.req.complete) response.shouldKeepAlive = false
  try {
    const headers = rules.siftResponse(answer.rawHeaders)
    response.writeHead(
      answer.statusCode as number,
      answer.statusMessage ?? '',
      fitting(headers, answer, response),
    )
    return true
  } catch {
    return false
  }
}

function hasCertainEnd({ rawHeaders, httpVersion }: IncomingMessage): boolean {
  const codings = headerValues(rawHeaders, 'transfer-encoding')
  if (codings.length === 0) return headerValues(rawHeaders, 'content-length').length <= 1
  if (headerValues(rawHeaders, 'content-length').length > 0) return false
  return httpVersion === '1.1' && isChunked(codings)
}

/** Without what says something about a body that is not sent like that. */
function fitting(headers: string[], answer: IncomingMessage, response: ServerResponse): string[] {
  const isEmpty = answer.statusCode === 204
  const { method, httpVersion } = response.req
  const isInChunks = httpVersion === '1.1' && method !== 'HEAD' && !isEmpty && answer.statusCode !== 304
  const hasLength = headerValues(headers, 'content-length').length > 0
  const isUnfit = (name: string) =>
    (name === 'content-length' && isEmpty) || (name === 'trailer' && (!isInChunks || hasLength))
  return headers.filter((_, i) => !isUnfit((headers[i & ~1] as string).toLowerCase()))
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
  if (isUnderstood && isTaken) response.writeInformation(statusCode, rules.siftResponse(rawHeaders))
}

/** Streams the body. */
export function passBody(
  answer: IncomingMessage,
  response: ServerResponse,
  rules: AnswerRules,
  events: AnswerEvents,
): void {
  answer.on('data', (chunk: Buffer) => {
    if (!response.write(chunk)) answer.pause()
  })
  response.on('drain', () => answer.resume())
  answer.once('end', () => {
    if (answer.rawTrailers.length > 0) response.addTrailers(rules.siftTrailers(answer.rawTrailers))
    response.end(events.onEnd)
  })
  answer.once('error', events.onBroken)
  answer.once('close', () => {
    if (!answer.readableEnded) events.onBroken()
  })
}
