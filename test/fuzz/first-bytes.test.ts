// What a connection speaks, by its first bytes: what llhttp reads as a request passes for nothing else, in any pieces.
import assert from 'node:assert/strict'
import { protocolOf } from '../../shared/first-bytes.ts'
import { spokenIn } from '../../sidecar/http/opening.ts'
import { fuzz, type Chance } from './fuzz.ts'
import { streamOfLlhttp } from './llhttp.ts'
import { anyRequests, byteClasses } from './messages.ts'
import { cutUp, mutated } from './mutation.ts'

const maxBytes = 4096
const others = [
  '\x16\x03\x01\x02\0',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'SSH-2.0-x\r\n',
  '\r\n\r\n\0\r\nQUIT\n',
  '',
]

function anyBytes(chance: Chance): Buffer {
  if (chance(2) === 0) return anyRequests(chance).bytes
  return Buffer.from(mutated(others[chance(others.length)] as string, byteClasses, chance), 'latin1')
}

/** What is said first of all that has come, piece by piece. */
function firstOf<T>(pieces: readonly Buffer[], judge: (bytes: Buffer) => T | undefined): T | undefined {
  let bytes = Buffer.alloc(0)
  for (const piece of pieces) {
    bytes = Buffer.concat([bytes, piece])
    const judged = judge(bytes)
    if (judged !== undefined) return judged
  }
  return undefined
}

fuzz('first-bytes', { cases: 5_000, atLeast: { outcome: 'http', oneIn: 4 } }, (chance) => {
  const bytes = anyBytes(chance).subarray(0, maxBytes - 1)
  const words = JSON.stringify(bytes.toString('latin1'))
  const judge = (part: Buffer) => protocolOf(part, maxBytes)
  const pieces = cutUp(bytes, chance)
  const protocol = judge(bytes)
  assert.equal(firstOf(pieces, judge), protocol, words)
  assert.equal(firstOf(pieces, spokenIn), spokenIn(bytes), words)
  const [request] = streamOfLlhttp(bytes, 'request', false).messages
  if (request !== undefined && mayBeAnybodys(request.start) && !isOther.test(bytes.toString('latin1')))
    assert.equal(protocol, 'http', words)
  return protocol ?? 'not known yet'
})

/** The protocols of Icecast and of streaming servers, which llhttp takes along. */
const isOther = /^[^\n]*[^\s][^\n]* (?:ICE|RTSP)\/\d\.\d\r?\n/m

/** CONNECT is to a proxy of the app's own; without a version only a path or a URL of HTTP makes it HTTP. */
function mayBeAnybodys(start: string): boolean {
  return !start.startsWith('CONNECT ') && (!start.endsWith(' 0.9') || /^[A-Z-]+ (?:\/|https?:)/i.test(start))
}
