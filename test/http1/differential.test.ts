// Every class of bytes in every place: llhttp and our codec read the same, or we refuse it and say why.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answersByUs, requestsByUs } from '../fuzz/connections.ts'
import { alone, compareOne, taken } from '../fuzz/differential.ts'
import { chanceOf } from '../fuzz/fuzz.ts'
import { streamOfLlhttp, type Side } from '../fuzz/llhttp.ts'
import { byteClasses, type Sent } from '../fuzz/messages.ts'

const request: Side = 'request'
const answer: Side = { asked: 'GET' }
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
  test(`refused by us alone: ${reason} ${why}`, async () => {
    const bytes = Buffer.from(example, 'latin1')
    const ours = await (side === 'request'
      ? requestsByUs([bytes], chanceOf(0))
      : answersByUs([bytes], side.asked, chanceOf(0)))
    assert.equal(ours.refused, reason)
    assert.equal(streamOfLlhttp(bytes, side, false).isRefused, false)
  })
}

test('every class of bytes in every place of good messages', () => {
  const outcomes = new Map<string, number>()
  const count = (sent: Sent) => {
    const outcome = compareOne(sent)
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
  }
  for (const [side, text] of good) {
    count({ side, bytes: Buffer.from(text, 'latin1') })
    for (let at = 0; at <= text.length; at++) {
      for (const piece of byteClasses) {
        const before = text.slice(0, at) + piece
        for (const changed of [before + text.slice(at), before + text.slice(at + 1)])
          count({ side, bytes: Buffer.from(changed, 'latin1') })
      }
    }
  }
  assert.ok((outcomes.get(taken) ?? 0) > 1_000 && (outcomes.get('refused by both') ?? 0) > 1_000)
})
