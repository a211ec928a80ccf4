// llhttp and our codec read the same bytes: what both take is one message, and what llhttp refuses is refused.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { seenByLlhttp, type Side } from './llhttp.ts'
import { anySent, byteClasses, chanceOf, type Chance, type Sent } from './messages.ts'
import { seenByUs } from './ours.ts'

const request: Side = 'request'
const answer: Side = { asked: 'GET' }
const inChunks = 'Transfer-Encoding: chunked\r\n'
const post = `POST / HTTP/1.1\r\n${inChunks}\r\n`
const ok = 'HTTP/1.1 200 OK\r\n'

/** Where we alone refuse: what we then say, why, and an example. */
const alone: readonly (readonly [reason: string, why: string, side: Side, example: string])[] = [
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
]
const whyAlone: ReadonlyMap<string, string> = new Map(alone.map(([reason, why]) => [reason, why]))

class Tally {
  /** Messages that both took. */
  same = 0
  bothRefused = 0
  unfinished = 0
  readonly aloneRefused = new Map<string, number>()

  count(sent: Sent, cuts: readonly number[]): void {
    const { bytes, side } = sent
    const ours = seenByUs(bytes, side, cuts)
    if (ours.outcome === 'whole') {
      const { message, end, ends } = ours
      const cut = ends ? end : end - 1
      const theirs = seenByLlhttp([bytes.subarray(0, cut), bytes.subarray(cut, end)], side, ends)
      assert.deepEqual(theirs, { outcome: 'whole', message }, describe(sent))
      this.same++
      return
    }
    const theirs = seenByLlhttp([bytes], side).outcome
    if (ours.outcome === 'unfinished') {
      assert.notEqual(theirs, 'whole', describe(sent))
      this.unfinished++
    } else if (theirs === 'refused') {
      this.bothRefused++
    } else {
      assert.ok(whyAlone.has(ours.reason), `${ours.reason} ${describe(sent)}`)
      this.aloneRefused.set(ours.reason, (this.aloneRefused.get(ours.reason) ?? 0) + 1)
    }
  }
}

function describe({ side, bytes }: Sent): string {
  return `${JSON.stringify(side)} ${JSON.stringify(bytes.toString('latin1'))}`
}

function cutsOf(bytes: Buffer, chance: Chance): number[] {
  return Array.from({ length: chance(4) }, () => chance(bytes.length + 1))
}

const chunks = '5;a=b;c="d\\"e"\r\nhello\r\n1\r\n!\r\n0\r\nX-A: b\r\n\r\n'
const good: readonly (readonly [side: Side, text: string])[] = [
  [request, 'GET /x HTTP/1.1\r\nHost: a\r\n\r\n'],
  [request, 'OPTIONS http://a:80/ HTTP/1.0\r\nConnection: close, x\r\n\r\n'],
  [request, 'CONNECT a.b:443 HTTP/1.1\r\nHost: a\r\n\r\n'],
  [request, 'POST /x HTTP/1.1\r\nContent-Length: 12\r\n\r\nhello, hello'],
  [request, `PUT /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`],
  [answer, `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`],
  [answer, 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'],
  [answer, 'HTTP/1.0 404 Not\xe9\tFound\r\nX-A:\t a \t\r\n\r\nhello'],
  [{ asked: 'HEAD' }, 'HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n'],
]

for (const [reason, why, side, example] of alone) {
  test(`refused by us alone: ${why}`, () => {
    const bytes = Buffer.from(example, 'latin1')
    assert.deepEqual(seenByUs(bytes, side), { outcome: 'refused', reason })
    assert.notEqual(seenByLlhttp([bytes], side).outcome, 'refused')
  })
}

test('every class of bytes in every place of good messages', () => {
  const tally = new Tally()
  for (const [side, text] of good) {
    tally.count({ side, bytes: Buffer.from(text, 'latin1') }, [])
    for (let at = 0; at <= text.length; at++) {
      for (const piece of byteClasses) {
        const before = text.slice(0, at) + piece
        for (const changed of [before + text.slice(at), before + text.slice(at + 1)])
          tally.count({ side, bytes: Buffer.from(changed, 'latin1') }, [])
      }
    }
  }
  assert.ok(tally.same > 1_000 && tally.bothRefused > 1_000)
})

/** FUZZ_SECONDS for so long, from FUZZ_SEED on; else as many messages as take two seconds or so. */
const seconds = Number(process.env['FUZZ_SECONDS'] ?? 0)
const firstSeed = Number(process.env['FUZZ_SEED'] ?? 0)
const messages = seconds > 0 ? Number.POSITIVE_INFINITY : 50_000

test('messages by chance', async (t) => {
  const untilMs = seconds > 0 ? Date.now() + seconds * 1_000 : Number.POSITIVE_INFINITY
  const tally = new Tally()
  let tried = 0
  for (; tried < messages && Date.now() < untilMs; tried++) {
    const chance = chanceOf(firstSeed + tried)
    const sent = anySent(chance)
    tally.count(sent, cutsOf(sent.bytes, chance))
    // What Node holds of each parsing goes between turns.
    if (tried % 1_024 === 0) await setImmediate()
  }
  const { same, bothRefused, unfinished, aloneRefused } = tally
  t.diagnostic(`of ${tried}: the same ${same}, refused by both ${bothRefused}, unfinished ${unfinished}`)
  for (const [reason, count] of aloneRefused)
    t.diagnostic(`refused by us alone ${count}: ${reason} ${whyAlone.get(reason)}`)
  assert.ok(same > tried / 10)
})
