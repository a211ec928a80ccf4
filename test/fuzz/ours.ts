// What our codec makes of bytes: the oracle's counterpart, with the parts put together as a connection does.
import { ChunkedReader } from '../../sidecar/http1/chunked.ts'
import {
  answerBodyLength,
  Malformed,
  readAnswerHead,
  readRequestHead,
  refuseAnswerBegin,
  refuseCharacters,
  refuseRequestBegin,
  requestBodyLength,
  type BodyLength,
} from '../../sidecar/http1/syntax.ts'
import type { Message, Side } from './llhttp.ts'
import { maxBytesOf } from './messages.ts'

export type Seen =
  | { readonly outcome: 'refused'; readonly reason: string }
  | { readonly outcome: 'unfinished' }
  /** `ends`: only with its connection. */
  | { readonly outcome: 'whole'; readonly message: Message; readonly end: number; readonly ends: boolean }

const headEnd = '\r\n\r\n'
const tooLarge: Seen = { outcome: 'refused', reason: 'The head is too large.' }

export function seenByUs(bytes: Buffer, side: Side): Seen {
  const start = skipEmptyLines(bytes)
  const end = bytes.indexOf(headEnd, start)
  try {
    if ((end === -1 ? bytes.length - 3 : end) - start > maxBytesOf(side)) return tooLarge
    if (end === -1) {
      const refuseBegin = side === 'request' ? refuseRequestBegin : refuseAnswerBegin
      const text = bytes.toString('latin1', start)
      refuseBegin(text)
      refuseCharacters(text)
      return { outcome: 'unfinished' }
    }
    return readMessage(bytes, [start, end + headEnd.length], side)
  } catch (error) {
    if (!(error instanceof Malformed)) throw error
    return { outcome: 'refused', reason: error.reason }
  }
}

/** RFC 9112 section 2.2. */
function skipEmptyLines(bytes: Buffer): number {
  const [empty = ''] = /^(?:\r?\n)*/.exec(bytes.toString('latin1')) ?? []
  return empty.length
}

function readMessage(bytes: Buffer, [headStart, bodyStart]: readonly [number, number], side: Side): Seen {
  const { start, headers, length } = readHead(bytes.toString('latin1', headStart, bodyStart - 2), side)
  const rest = bytes.subarray(bodyStart)
  if (length === 'chunked') {
    const read = readChunks(rest, side)
    if (read === undefined) return { outcome: 'unfinished' }
    const { body, trailers } = read
    return {
      outcome: 'whole',
      message: { start, headers, body, trailers },
      end: bodyStart + read.end,
      ends: false,
    }
  }
  if (length !== 'close' && rest.length < length) return { outcome: 'unfinished' }
  const size = length === 'close' ? rest.length : length
  const body = rest.toString('latin1', 0, size)
  const message = { start, headers, body, trailers: [] }
  return { outcome: 'whole', message, end: bodyStart + size, ends: length === 'close' }
}

function readHead(text: string, side: Side): { start: string; headers: string[]; length: BodyLength } {
  if (side === 'request') {
    const head = readRequestHead(text)
    const { method, target, version, headers } = head
    return { start: `${method} ${target} ${version}`, headers, length: requestBodyLength(head) }
  }
  const head = readAnswerHead(text)
  const { status, reason, version, headers } = head
  return { start: `${version} ${status} ${reason}`, headers, length: answerBodyLength(head, side.asked) }
}

function readChunks(bytes: Buffer, side: Side) {
  const reader = new ChunkedReader(maxBytesOf(side), side === 'request' ? 'request' : 'answer')
  let body = ''
  const end = reader.read(bytes, (data) => (body += data.toString('latin1')))
  return reader.hasEnded ? { body, end, trailers: reader.trailers } : undefined
}
