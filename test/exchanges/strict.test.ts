// The table rests on a reader of its own: what it must refuse, and where it must see an end.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readAnswers, readRequests } from './strict.ts'

const get = { method: 'GET', version: '1.1' } as const
const head = 'POST / HTTP/1.1\r\nHost: a\r\n'
const ok = 'HTTP/1.1 200 OK\r\n'

const brokenRequests: readonly [name: string, text: string][] = [
  ['a length beside chunks', `${head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ['chunks beside a length', `${head}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`],
  ['two lengths', `${head}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`],
  ['the same length twice', `${head}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`],
  ['a list of lengths', `${head}Content-Length: 5, 5\r\n\r\nhello`],
  ['a signed length', `${head}Content-Length: +5\r\n\r\nhello`],
  ['an empty length', `${head}Content-Length: \r\n\r\n`],
  ['chunked twice', `${head}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ['another coding', `${head}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
  ['a line feed alone', 'GET / HTTP/1.1\nHost: a\n\n'],
  ['a line feed alone in a field', 'GET / HTTP/1.1\r\nHost: a\r\nX: a\nY: b\r\n\r\n'],
  ['a carriage return alone', 'GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n'],
  ['a carriage return alone, before the line ends', 'GET / HTTP/1.1\r\nHost: a\r\nX: a\rb'],
  ['a null byte', 'GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n'],
  ['a folded field', 'GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n'],
  ['a blank before the colon', 'GET / HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n'],
  ['no Host', 'GET / HTTP/1.1\r\n\r\n'],
  ['two Hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n'],
  ['HTTP/1.0', 'GET / HTTP/1.0\r\nHost: a\r\n\r\n'],
  ['a blank too many', 'GET  / HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['an absolute target', 'GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a star for GET', 'GET * HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['an empty line before', '\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a size by 0x', `${head}Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n`],
  ['a size that overflows', `${head}Transfer-Encoding: chunked\r\n\r\n${'f'.repeat(17)}\r\n`],
  ['an empty size', `${head}Transfer-Encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n`],
  ['a chunk that is longer than it says', `${head}Transfer-Encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n`],
  ['a trailer that is none', `${head}Transfer-Encoding: chunked\r\n\r\n0\r\nhello\r\n\r\n`],
]

for (const [name, text] of brokenRequests) {
  test(`${name} is no request, and nothing is read behind it`, () => {
    const behind = `${text}GET /behind HTTP/1.1\r\nHost: a\r\n\r\n`
    for (const each of [text, behind]) {
      const { messages, violation } = readRequests(each)
      assert.deepEqual([messages.length, typeof violation], [0, 'string'])
    }
  })
}

const brokenAnswers: readonly [
  name: string,
  text: string,
  asked?: { method: string; version: '1.0' | '1.1' },
][] = [
  ['an answer to no request', `${ok}Content-Length: 0\r\n\r\n${ok}Content-Length: 0\r\n\r\n`],
  ['a length beside chunks', `${ok}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ['two lengths', `${ok}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`],
  ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n'],
  ['a status of four digits', 'HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n'],
  ['no blank behind the status', 'HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n'],
  ['204 with a length', 'HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n'],
  ['204 with chunks', 'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  [
    '103 with a length',
    `HTTP/1.1 103 Early Hints\r\nContent-Length: 0\r\n\r\n${ok}Content-Length: 0\r\n\r\n`,
  ],
  ['101', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n'],
  ['a body of HEAD', `${ok}Content-Length: 7\r\n\r\nhello\r\n`, { method: 'HEAD', version: '1.1' }],
  ['a body of 304', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\nhello\r\n'],
  [
    'chunks to HTTP/1.0',
    `${ok}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    { method: 'GET', version: '1.0' },
  ],
  [
    '103 to HTTP/1.0',
    `HTTP/1.1 103 Early Hints\r\n\r\n${ok}Content-Length: 0\r\n\r\n`,
    { method: 'GET', version: '1.0' },
  ],
  [
    'something behind close',
    `${ok}Content-Length: 0\r\nConnection: close\r\n\r\n${ok}Content-Length: 0\r\n\r\n`,
  ],
]

for (const [name, text, asked = get] of brokenAnswers) {
  test(`${name} is a violation in answers`, () => {
    const { violation } = readAnswers(text, [asked], true)
    assert.equal(typeof violation, 'string')
  })
}

const whole: readonly [name: string, text: string, body: string][] = [
  ['a length', `${head}Content-Length: 5\r\n\r\nhello`, 'hello'],
  [
    'chunks',
    `${head}Transfer-Encoding: chunked\r\n\r\n2;a="b;c"\r\nhe\r\n3\r\nllo\r\n0\r\nX: y\r\n\r\n`,
    'hello',
  ],
  ['neither', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', ''],
]

for (const [name, text, body] of whole) {
  test(`a request with ${name} is whole at its last byte and not before, and what follows is left`, () => {
    for (let length = 0; length < text.length; length++) {
      const { messages, rest, violation } = readRequests(text.slice(0, length))
      assert.deepEqual([messages.length, rest, violation], [0, text.slice(0, length), undefined])
    }
    const { messages, rest } = readRequests(`${text}GET /`)
    assert.deepEqual([messages.map((message) => message.body), rest], [[body], 'GET /'])
  })
}

test('an answer without framing is whole when the connection ends, and no earlier', () => {
  const text = `${ok}\r\nhello`
  assert.deepEqual(readAnswers(text, [get], false).messages, [])
  const [answer] = readAnswers(text, [get], true).messages
  assert.deepEqual([answer?.framing, answer?.body], ['close', 'hello'])
})

test('an answer that ends too early is left over', () => {
  const text = `${ok}Content-Length: 6\r\n\r\nhello`
  assert.deepEqual(readAnswers(text, [get], true), { messages: [], rest: text })
})
