// Bodies in chunks with their trailers: beside llhttp in one piece, and the same in any other pieces.
import assert from 'node:assert/strict'
import { ChunkedReader } from '../../sidecar/http1/chunked.ts'
import { Malformed } from '../../sidecar/http1/syntax.ts'
import { compareOne, taken } from './differential.ts'
import { fuzz } from './fuzz.ts'
import type { Side } from './llhttp.ts'
import { anyChunks, maxBytesOf } from './messages.ts'
import { cutUp } from './mutation.ts'

interface Read {
  readonly body: string
  readonly trailers: readonly string[]
  /** How many bytes were read, where the body is whole. */
  readonly end: number | undefined
  readonly refused: string | undefined
}

function readBy(pieces: readonly Buffer[], side: Side): Read {
  const reader = new ChunkedReader(maxBytesOf(side), side === 'request' ? 'request' : 'answer')
  let body = ''
  let end = 0
  const seen = (refused?: string): Read => {
    const { hasEnded, trailers } = reader
    return { body, trailers, end: hasEnded ? end : undefined, refused }
  }
  try {
    for (const piece of pieces) end += reader.read(piece, (part) => (body += part.toString('latin1')))
    return seen()
  } catch (error) {
    if (!(error instanceof Malformed)) throw error
    return seen(error.reason)
  }
}

fuzz('chunks', { cases: 20_000, atLeast: { outcome: taken, oneIn: 8 } }, (chance) => {
  const sent = anyChunks(chance)
  const body = sent.bytes.subarray(sent.bytes.indexOf('\r\n\r\n') + 4)
  assert.deepEqual(
    readBy(cutUp(body, chance), sent.side),
    readBy([body], sent.side),
    JSON.stringify(body.toString('latin1')),
  )
  return compareOne(sent)
})
