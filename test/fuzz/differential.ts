// llhttp and our codec read the same bytes: what both take is one message, and what llhttp refuses is refused.
import assert from 'node:assert/strict'
import { seenByLlhttp, type Side, type Stream } from './llhttp.ts'
import { maxBytesOf, type Sent } from './messages.ts'
import { seenByUs } from './ours.ts'
import type { Read } from './connections.ts'

const request: Side = 'request'
const answer: Side = { asked: 'GET' }
const inChunks = 'Transfer-Encoding: chunked\r\n'
const long = 'a'.repeat(maxBytesOf(request))
const post = `POST / HTTP/1.1\r\n${inChunks}\r\n`
const ok = 'HTTP/1.1 200 OK\r\n'

/** Where we alone refuse: what we then say, why, and an example. */
export const alone: readonly (readonly [reason: string, why: string, side: Side, example: string])[] = [
  [
    'The request line is malformed.',
    'llhttp takes HTTP/0.9 and 2.0, RTSP and ICE, several blanks before the version, carriage returns before the line',
    request,
    'GET /x  HTTP/2.0\r\n\r\n',
  ],
  [
    'The status line is malformed.',
    'llhttp takes HTTP/0.9 and 2.0, ICE and RTSP, control characters in the reason, a status below 100',
    answer,
    'HTTP/1.1 099 O\x01K\r\n\r\n',
  ],
  [
    'A character is in no place for it.',
    'llhttp takes line feeds alone behind HTTP/0.9',
    request,
    'GET /x\n',
  ],
  [
    'The method is not known.',
    'llhttp waits for the rest of the preface of HTTP/2',
    request,
    'PRI * HTTP/1.1\r\n\r\n',
  ],
  [
    'The length of the body is said more than once.',
    'llhttp takes several codings of an answer',
    answer,
    `${ok}${inChunks}${inChunks}\r\n0\r\n\r\n`,
  ],
  [
    'Content-Length is malformed.',
    'llhttp counts to 2^64, we to 2^53',
    answer,
    `${ok}Content-Length: 9007199254740993\r\n\r\n`,
  ],
  [
    'The only transfer coding taken is one `chunked`, in HTTP/1.1.',
    'llhttp takes other codings, and any in HTTP/1.0 (RFC 9112 section 6.1)',
    request,
    'POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
  ],
  [
    'CONNECT has no content.',
    'llhttp takes the length, and does not heed it (RFC 9110 section 9.3.6)',
    request,
    'CONNECT a:1 HTTP/1.1\r\nContent-Length: 5\r\n\r\n',
  ],
  [
    'A chunk size is too large.',
    'llhttp counts to 2^64, and takes zeros without end before a size',
    request,
    `${post}00000000000000005\r\nhello`,
  ],
  [
    'A chunk extension is malformed.',
    'llhttp takes extensions without a name or a value (RFC 9112 section 7.1.1)',
    request,
    `${post}5;=\r\nhello`,
  ],
  [
    'A trailer says how the body is framed.',
    'llhttp refuses an empty coding when it has seen how the next line begins',
    answer,
    `${ok}${inChunks}\r\n0\r\nTransfer-Encoding:\r\n`,
  ],
  [
    'An answer stands behind one that ends the connection.',
    'llhttp makes nothing of an upgrade by Proxy-Connection ahead of an answer',
    answer,
    `HTTP/1.1 103 OK\r\nProxy-Connection: upgrade\r\n\r\n${ok}\r\n`,
  ],
  [
    'A trailer says how the connection goes on.',
    'llhttp heeds it there',
    request,
    `${post}0\r\nConnection: close\r\n\r\n`,
  ],
  [
    'The head is too large.',
    'llhttp leaves limits to whoever uses it',
    request,
    `GET / HTTP/1.1\r\nX: ${long}`,
  ],
  [
    'The chunk extensions are too large.',
    'llhttp leaves limits to whoever uses it',
    request,
    `${post}5;a=${long}`,
  ],
  [
    'The trailer section is too large.',
    'llhttp leaves limits to whoever uses it',
    request,
    `${post}0\r\nX: ${long}`,
  ],
]
const whyAlone: ReadonlyMap<string, string> = new Map(alone.map(([reason, why]) => [reason, why]))

/** One message, in one piece. @returns what came of it. */
export function compareOne(sent: Sent): string {
  const { bytes, side } = sent
  const ours = seenByUs(bytes, side)
  if (ours.outcome === 'whole') {
    const { message, end, ends } = ours
    const cut = ends ? end : end - 1
    const theirs = seenByLlhttp([bytes.subarray(0, cut), bytes.subarray(cut, end)], side, ends)
    assert.deepEqual(theirs, { outcome: 'whole', message }, describe(sent))
    return taken
  }
  const theirs = seenByLlhttp([bytes], side).outcome
  if (ours.outcome === 'refused') return refused(ours.reason, theirs === 'refused', sent)
  assert.notEqual(theirs, 'whole', describe(sent))
  return 'not whole'
}

/** All messages of a connection. @returns what came of them. */
export function compareStreams(ours: Read, theirs: Stream, sent: Sent): string {
  const first = compareOne(sent)
  const count = ours.messages.length
  if (first === taken) assert.ok(count > 0, describe(sent))
  assert.deepEqual(ours.messages, theirs.messages.slice(0, count), describe(sent))
  if (ours.refused !== undefined)
    return refused(ours.refused, theirs.isRefused && theirs.messages.length === count, sent)
  // Behind a message that ends its connection nothing is looked at.
  if (!ours.isOver) assert.equal(theirs.messages.length, count, describe(sent))
  return count > 0 ? taken : 'not whole'
}

export const taken = 'the same'

function refused(reason: string, isRefusedByBoth: boolean, sent: Sent): string {
  if (isRefusedByBoth) return 'refused by both'
  const why = whyAlone.get(reason)
  assert.ok(why !== undefined, `${reason} ${describe(sent)}`)
  return `refused by us alone: ${reason} ${why}`
}

function describe({ side, bytes }: Sent): string {
  return `${JSON.stringify(side)} ${JSON.stringify(bytes.toString('latin1'))}`
}
