// An upstream's answer on its way to the client: streamed, at the client's pace, broken off where it breaks off.
import { filterHeaders } from '../../shared/head.ts'
import { contained, type Contained } from './containment.ts'
import type { Incoming, Reply, Trailers } from './incoming.ts'
import type { Answer } from './outgoing.ts'

/** What of a trailer section passes on. */
export type SiftTrailers = (rawTrailers: readonly string[]) => Trailers

export interface AnswerRules {
  /** What of the answer's headers passes on. */
  readonly siftResponse: (rawHeaders: readonly string[]) => string[]
  readonly siftTrailers: SiftTrailers
  /** Whether the connection to the client is to be closed after this answer. */
  readonly isClosing: () => boolean
}

export interface AnswerEvents {
  /** What an error of our own ends. */
  readonly within: Contained
  /** All of it was handed to the client's connection. */
  readonly onEnd: () => void
  /** The client's connection failed. */
  readonly onClientGone: () => void
  /** The upstream ended it before its end. */
  readonly onBroken: () => void
}

/** Sends the head. False for what cannot be passed on. */
export function beginAnswer(answer: Answer, incoming: Incoming, rules: AnswerRules): boolean {
  if (answer.status < 200 || !answer.hasCertainEnd) return false
  const { reply } = incoming
  if (rules.isClosing()) reply.closeConnection()
  try {
    const { status, reason, headers, isEmpty } = answer
    reply.begin({ status, reason, headers: rules.siftResponse(headers) }, isEmpty)
    return true
  } catch {
    return false
  }
}

/** A 1xx has no content that these could be about (RFC 9110 section 8.6). */
function isNotAboutContent(name: string): boolean {
  return name !== 'content-length' && name !== 'trailer'
}

/** Passes a 1xx answer on (RFC 9110 section 15.2), but for `100`, which this hop has given itself. */
export function passInformation(
  status: number,
  headers: readonly string[],
  reply: Reply,
  rules: AnswerRules,
): void {
  if (status === 100 || reply.hasBegun) return
  reply.inform(status, filterHeaders(rules.siftResponse(headers), isNotAboutContent))
}

/** Passes the body on. */
export function passBody(answer: Answer, reply: Reply, rules: AnswerRules, events: AnswerEvents): void {
  const { content } = answer
  if (content === undefined) {
    streamBody(answer, reply, rules, events)
    return
  }
  if (content.length > 0) reply.write(content)
  reply.end([], (error) => (error ? events.onClientGone() : events.onEnd()))
}

function streamBody(answer: Answer, reply: Reply, rules: AnswerRules, events: AnswerEvents): void {
  const { body } = answer
  const onData = contained(events.within, (chunk: Buffer) => {
    if (!reply.write(chunk)) body.pause()
  })
  const onEnd = contained(events.within, () => {
    if (!answer.isWhole) return events.onBroken()
    reply.end(rules.siftTrailers(answer.trailers), (error) =>
      error ? events.onClientGone() : events.onEnd(),
    )
  })
  body.on('data', onData).once('end', onEnd)
  reply.onDrain(() => body.resume())
  body.once('error', events.onBroken)
  body.once('close', () => {
    if (!answer.isWhole) events.onBroken()
  })
}
