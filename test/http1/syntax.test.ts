// Heads and chunks, row by row: what is read in them, and what is refused.
import assert from 'node:assert/strict'
import { METHODS } from 'node:http'
import { test } from 'node:test'
import { ChunkedReader, TrailersTooLarge } from '../../sidecar/http1/chunked.ts'
import {
  Ambiguous,
  answerBodyLength,
  Malformed,
  readAnswerHead,
  readRequestHead,
  refuseAnswerBegin,
  refuseCharacters,
  refuseRequestBegin,
  requestBodyLength,
} from '../../sidecar/http1/syntax.ts'

const line = 'GET /x HTTP/1.1\r\n'
const withField = (field: string) => `${line}Host: a\r\n${field}\r\n`

test('a request head is its words and its fields, as received', () => {
  const text = 'POST /x?y HTTP/1.1\r\nHost: a\r\nx-B:\t b  c\t \r\nX-b:\r\nX-C:  \r\n'
  assert.deepEqual(readRequestHead(text), {
    method: 'POST',
    target: '/x?y',
    version: '1.1',
    headers: ['Host', 'a', 'x-B', 'b  c', 'X-b', '', 'X-C', ''],
  })
})

test('an answer head is its words and its fields, as received', () => {
  assert.deepEqual(readAnswerHead('HTTP/1.0 404 Not  f\xf6und \r\nA:b\r\n'), {
    status: 404,
    reason: 'Not  f\xf6und ',
    version: '1.0',
    headers: ['A', 'b'],
  })
})

test('a head without fields', () => {
  assert.deepEqual(readRequestHead(line).headers, [])
  assert.deepEqual(readAnswerHead('HTTP/1.1 200 OK\r\n').headers, [])
})

test('every method that Node knows, with its target', () => {
  for (const method of METHODS) {
    const target = method === 'CONNECT' ? 'a:443' : '/x'
    assert.equal(readRequestHead(`${method} ${target} HTTP/1.1\r\n`).method, method)
  }
})

const visible = String.fromCharCode(...Array.from({ length: 0x7e - 0x20 }, (_, i) => 0x21 + i))
const targets = `/ /?q //a//b * /${visible} http://a http://a/b HTTPS://a:1?q ftp://u@[::1]/`.split(' ')

for (const target of targets)
  test(`the target ${target}`, () =>
    assert.equal(readRequestHead(`GET ${target} HTTP/1.1\r\n`).target, target))

test('several blanks before the target are one', () => {
  assert.equal(readRequestHead('GET   /x HTTP/1.0\r\n').target, '/x')
})

const requestLines: readonly (readonly [what: string, text: string])[] = [
  ['nothing', ''],
  ['an empty line', '\r\n'],
  ['no version', 'GET /x\r\n'],
  ['HTTP/0.9', 'GET /x HTTP/0.9\r\n'],
  ['HTTP/1.2', 'GET /x HTTP/1.2\r\n'],
  ['HTTP/2.0', 'GET /x HTTP/2.0\r\n'],
  ['a version with a digit more', 'GET /x HTTP/1.10\r\n'],
  ['a version in lower case', 'GET /x http/1.1\r\n'],
  ['another protocol', 'OPTIONS /x RTSP/1.0\r\n'],
  ['a method in lower case', 'get /x HTTP/1.1\r\n'],
  ['a method that nobody knows', 'SMUGGLE /x HTTP/1.1\r\n'],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n'],
  ['no method', '/x HTTP/1.1\r\n'],
  ['no target', 'GET HTTP/1.1\r\n'],
  ['a blank for a target', 'GET  HTTP/1.1\r\n'],
  ['a blank before the line', ' GET /x HTTP/1.1\r\n'],
  ['a blank behind the line', 'GET /x HTTP/1.1 \r\n'],
  ['two blanks before the version', 'GET /x  HTTP/1.1\r\n'],
  ['tabulators', 'GET\t/x\tHTTP/1.1\r\n'],
  ['a blank in the target', 'GET /a b HTTP/1.1\r\n'],
  ['a tabulator in the target', 'GET /a\tb HTTP/1.1\r\n'],
  ['a null byte in the target', 'GET /a\0b HTTP/1.1\r\n'],
  ['a delete character in the target', 'GET /\x7f HTTP/1.1\r\n'],
  ['a letter beyond ASCII in the target', 'GET /\xe9 HTTP/1.1\r\n'],
  ['a target that is no path', 'GET x HTTP/1.1\r\n'],
  ['an authority as the target of GET', 'GET a:80 HTTP/1.1\r\n'],
  ['a scheme without an authority', 'GET http:/x HTTP/1.1\r\n'],
  ['a scheme with a digit', 'GET h2://a HTTP/1.1\r\n'],
  ['two @', 'GET http://a@@b/ HTTP/1.1\r\n'],
  ['a fragment behind an authority', 'GET http://a#b HTTP/1.1\r\n'],
  ['a fragment as the target of CONNECT', 'CONNECT a#b HTTP/1.1\r\n'],
  ['a line feed alone', 'GET /x HTTP/1.1\n'],
  ['a carriage return alone', 'GET /x HTTP/1.1\rHost: a\r\n'],
  ['an end in the line', 'GET /x HTT'],
  ['no end of the line', 'GET /x HTTP/1.1'],
]

for (const [what, text] of requestLines)
  test(`no request: ${what}`, () => assert.throws(() => readRequestHead(text), Malformed))

const statusLines: readonly (readonly [what: string, text: string])[] = [
  ['nothing', ''],
  ['no status', 'HTTP/1.1\r\n'],
  ['a status of two digits', 'HTTP/1.1 20 OK\r\n'],
  ['a status of four digits', 'HTTP/1.1 2000 OK\r\n'],
  ['a status of 099', 'HTTP/1.1 099 OK\r\n'],
  ['a status that is no number', 'HTTP/1.1 2x0 OK\r\n'],
  ['two blanks before the status', 'HTTP/1.1  200 OK\r\n'],
  ['a tabulator behind the status', 'HTTP/1.1 200\tOK\r\n'],
  ['HTTP/0.9', 'HTTP/0.9 200 OK\r\n'],
  ['HTTP/1.2', 'HTTP/1.2 200 OK\r\n'],
  ['HTTP/2.0', 'HTTP/2.0 200 OK\r\n'],
  ['another protocol', 'ICE/1.0 200 OK\r\n'],
  ['a version in lower case', 'http/1.1 200 OK\r\n'],
  ['a null byte in the reason', 'HTTP/1.1 200 O\0K\r\n'],
  ['a control character in the reason', 'HTTP/1.1 200 O\x01K\r\n'],
  ['a delete character in the reason', 'HTTP/1.1 200 O\x7fK\r\n'],
  ['a line feed alone', 'HTTP/1.1 200 OK\n'],
  ['a carriage return in the reason', 'HTTP/1.1 200 O\rK\r\n'],
]

for (const [what, text] of statusLines)
  test(`no answer: ${what}`, () => assert.throws(() => readAnswerHead(text), Malformed))

test('a status line without a reason, with and without its blank', () => {
  for (const text of ['HTTP/1.1 200\r\n', 'HTTP/1.1 200 \r\n', 'HTTP/1.1 200\r\nA: b\r\n'])
    assert.equal(readAnswerHead(text).reason, '', text)
})

const isAmong = (text: string) => (code: number) => text.includes(String.fromCharCode(code))
const codes = Array.from({ length: 256 }, (_, code) => code)
const isTokenCode = isAmong("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")

test('a name has the letters of a token and no other', () => {
  for (const code of codes.filter((each) => each !== 0x3a)) {
    const name = `X${String.fromCharCode(code)}Y`
    const read = () => readRequestHead(withField(`${name}: a`)).headers.slice(2)
    if (isTokenCode(code)) assert.deepEqual(read(), [name, 'a'])
    else assert.throws(read, Malformed, `${code}`)
  }
})

test('a value has tabulators, blanks, visible characters and what is beyond ASCII, and nothing else', () => {
  for (const code of codes) {
    const isGood = code === 0x09 || (code >= 0x20 && code !== 0x7f)
    // In the first eight characters, in the rest, and behind one beyond ASCII.
    for (const before of ['a', 'a'.repeat(21), '\xe9a']) {
      const value = `${before}${String.fromCharCode(code)}z`
      const read = () => readRequestHead(withField(`X: ${value}`)).headers.slice(2)
      if (isGood) assert.deepEqual(read(), ['X', value])
      else assert.throws(read, Malformed, `${code}`)
    }
  }
})

const brokenFields: readonly (readonly [what: string, field: string])[] = [
  ['no colon', 'hello'],
  ['no name', ': a'],
  ['nothing at all', ''],
  ['a blank before the name', ' X: a'],
  ['a blank before the colon', 'X : a'],
  ['a tabulator before the colon', 'X\t: a'],
  ['a folded field', 'X: a\r\n b'],
  ['a field folded by a tabulator', 'X: a\r\n\tb'],
  ['a value that is folded at once', 'X:\r\n a'],
  ['a line feed alone', 'X: a\nY: b'],
  ['a carriage return alone', 'X: a\rY: b'],
  ['a carriage return more', 'X: a\r'],
]

for (const [what, field] of brokenFields) {
  test(`no field: ${what}`, () => {
    assert.throws(() => readRequestHead(withField(field)), Malformed)
    assert.throws(() => readAnswerHead(`HTTP/1.1 200 OK\r\n${field}\r\n`), Malformed)
  })
}

const requestLength = (fields: readonly string[], version = '1.1', method = 'POST') => {
  const target = method === 'CONNECT' ? 'a:1' : '/'
  const text = [`${method} ${target} HTTP/${version}`, ...fields, ''].join('\r\n')
  return requestBodyLength(readRequestHead(text))
}
const answerLength = (status: number, fields: readonly string[], method = 'GET', version = '1.1') =>
  answerBodyLength(readAnswerHead([`HTTP/${version} ${status} OK`, ...fields, ''].join('\r\n')), method)

const lengths: readonly (readonly [fields: readonly string[], length: number | 'chunked'])[] = [
  [['Content-Length: 5'], 5],
  [['CONTENT-LENGTH:\t00005 \t'], 5],
  [['Content-Length: 9007199254740991'], Number.MAX_SAFE_INTEGER],
  [['Transfer-Encoding: chunked'], 'chunked'],
  [['transfer-encoding:\t Chunked  '], 'chunked'],
  [['Content_Length: 5', 'Content-Lengt: 6', 'Transfer-Encodin: a'], 0],
]

for (const [fields, length] of lengths) {
  test(`the length of a body: ${JSON.stringify(fields)}`, () => {
    assert.equal(requestLength(fields), length)
    assert.equal(answerLength(200, fields), length || 'close')
  })
}

const malformedLengths: readonly (readonly string[])[] = [
  ...[
    '',
    '+5',
    '-1',
    '0x5',
    '5.0',
    '5e1',
    '5, 5',
    '5 5',
    '"5"',
    '\xb25',
    '9007199254740992',
    '9'.repeat(100),
  ].map((length) => [`Content-Length: ${length}`]),
  ['Content-Length: 5', 'Content-Length: 5'],
  ['Content-Length: 5', 'content-length: 6'],
  ['Content-Length: 5', 'Transfer-Encoding: chunked'],
  ['Transfer-Encoding: chunked', 'Content-Length: 0'],
  ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'],
]
const ambiguousLengths: readonly (readonly string[])[] = [
  '',
  'gzip',
  'identity',
  'xchunked',
  'chunkedx',
  'chunked;q=1',
  '"chunked"',
  'chunked,',
  ',chunked',
  'gzip, chunked',
  'chunked, gzip',
  'chunked, chunked',
  'chunked\t',
  'chunked \t ',
].map((coding) => [`Transfer-Encoding: ${coding}`])

for (const fields of malformedLengths) {
  test(`no length of a body: ${JSON.stringify(fields)}`, () => {
    assert.throws(() => requestLength(fields), Malformed)
    for (const method of ['GET', 'HEAD']) assert.throws(() => answerLength(200, fields, method), Malformed)
  })
}
for (const fields of ambiguousLengths) {
  test(`ambiguous: ${JSON.stringify(fields)}`, () => {
    assert.throws(() => requestLength(fields), Ambiguous)
    for (const method of ['GET', 'HEAD']) assert.throws(() => answerLength(200, fields, method), Ambiguous)
  })
}

test('any coding in HTTP/1.0 is ambiguous', () => {
  assert.throws(() => requestLength(['Transfer-Encoding: chunked'], '1.0'), Ambiguous)
  assert.throws(() => answerLength(200, ['Transfer-Encoding: chunked'], 'GET', '1.0'), Ambiguous)
})

test('CONNECT has no content', () => {
  assert.equal(requestLength([], '1.1', 'CONNECT'), 0)
  assert.equal(requestLength(['Content-Length: 0'], '1.1', 'CONNECT'), 0)
  for (const field of ['Content-Length: 5', 'Transfer-Encoding: chunked'])
    assert.throws(() => requestLength([field], '1.1', 'CONNECT'), Malformed)
})

test('answers that have no body, whatever they say', () => {
  for (const field of ['Content-Length: 5', 'Transfer-Encoding: chunked', 'X: y']) {
    for (const status of [100, 101, 103, 199, 204, 304]) assert.equal(answerLength(status, [field]), 0)
    assert.equal(answerLength(200, [field], 'HEAD'), 0)
    assert.equal(answerLength(404, [field], 'HEAD'), 0)
    assert.equal(answerLength(200, [field], 'CONNECT'), 0)
  }
  assert.equal(answerLength(404, ['Content-Length: 5'], 'CONNECT'), 5)
})

test('an answer without a length ends with its connection', () => {
  assert.equal(answerLength(200, []), 'close')
  assert.equal(answerLength(200, [], 'GET', '1.0'), 'close')
})

const hopelessRequests = [
  '\0\x01',
  '\x16\x03\x01',
  ' ',
  'get',
  'GET\t',
  'G@',
  'A'.repeat(17),
  'GET /x\n',
  'GET /\r/',
  `${line}\n`,
  `${line}A: \x7f`,
  `${line}A: b\r\r`,
]
const status = 'HTTP/1.1 200 OK\r\n'
const hopelessAnswers = ['\0', '<html>', 'HTTP/2', 'ICY 200', 'http', `${status}\n`, `${status}A: \0`]

const refuseBrokenRequest = (text: string) => {
  refuseRequestBegin(text)
  refuseCharacters(text)
}
const refuseBrokenAnswer = (text: string) => {
  refuseAnswerBegin(text)
  refuseCharacters(text)
}

test('what can become no head is refused before it has ended', () => {
  for (const text of hopelessRequests)
    assert.throws(() => refuseBrokenRequest(text), Malformed, JSON.stringify(text))
  for (const text of hopelessAnswers)
    assert.throws(() => refuseBrokenAnswer(text), Malformed, JSON.stringify(text))
})

test('no beginning of a head is refused', () => {
  const rest = 'Host: a\t\xff\r\nX:\r\n\r'
  const heads = METHODS.map((method) => `${method} /x HTTP/1.1\r\n${rest}`)
  for (const text of heads) for (let at = 0; at <= text.length; at++) refuseBrokenRequest(text.slice(0, at))
  const answer = `${status}${rest}`
  for (let at = 0; at <= answer.length; at++) refuseBrokenAnswer(answer.slice(0, at))
})

test('a reason says nothing of what was sent', () => {
  for (const text of [withField('secret'), 'SECRET /secret HTTP/1.1\r\n', 'GET secret HTTP/1.1\r\n']) {
    assert.throws(
      () => readRequestHead(text),
      (error: Malformed) => !/secret/i.test(error.reason + error.message),
    )
  }
})

/** Tried again and again at every place, one of these alone would take minutes. */
test('megabytes that fit but for their end are read once', () => {
  const size = 2 ** 21
  for (const piece of ['a', '\xe9', '\t', ' ', 'a\xe9', ' \t', 'a b\t', 'X: y\r\n', ':']) {
    const much = piece.repeat(size / piece.length)
    for (const text of [
      `${line}X: ${much}\0`,
      `${line}${much}\0`,
      `GET ${much}`,
      `${much}\0`,
      `GET http://${much}\0`,
    ])
      assert.throws(() => readRequestHead(text), Malformed)
    assert.throws(() => readAnswerHead(`HTTP/1.1 200 ${much}\0`), Malformed)
  }
})

interface Read {
  readonly body: string
  readonly end: number
  readonly hasEnded: boolean
  readonly trailers: readonly string[]
}

/** One by one. */
const bytesOf = (text: string) => text.split('')

function readParts(parts: readonly string[], of: 'request' | 'answer' = 'request', maxBytes = 100): Read {
  const reader = new ChunkedReader(maxBytes, of)
  let body = ''
  let end = 0
  for (const part of parts)
    end += reader.read(Buffer.from(part, 'latin1'), (data) => (body += data.toString('latin1')))
  return { body, end, hasEnded: reader.hasEnded, trailers: reader.trailers }
}

const whole =
  '5\r\nhello\r\n1;a=b;c="\\"\t\xe9";d\r\n!\r\n00A\r\n0123\r\n6789\r\n000;z\r\nX-a: \t1 \r\nx-A:\r\n\r\n'
const expected: Read = {
  body: 'hello!0123\r\n6789',
  end: whole.length,
  hasEnded: true,
  trailers: ['X-a', '1', 'x-A', ''],
}

test('chunks, extensions and trailers, cut apart at any place', () => {
  assert.deepEqual(readParts([whole]), expected)
  assert.deepEqual(readParts(bytesOf(whole)), expected)
  for (let at = 0; at <= whole.length; at++)
    assert.deepEqual(readParts([whole.slice(0, at), whole.slice(at)]), expected, `${at}`)
})

test('what stands behind the end of the body is another message’s', () => {
  const next = 'GET / HTTP/1.1\r\n\r\n'
  assert.deepEqual(readParts([whole + next]), expected)
  assert.deepEqual(readParts([whole, next]), expected)
})

test('a body that has not ended is not ended', () => {
  for (let at = 0; at < whole.length; at++) {
    const read = readParts([whole.slice(0, at)])
    assert.equal(read.hasEnded, false)
    assert.equal(read.end, at)
  }
})

test('sizes of many chunks are counted one by one', () => {
  assert.equal(readParts(['1\r\n!\r\n'.repeat(20), '0\r\n\r\n']).body, '!'.repeat(20))
})

test('data is handed on as it comes, without a copy', () => {
  const reader = new ChunkedReader(100)
  const bytes = Buffer.from('a\r\nhello')
  const parts: Buffer[] = []
  reader.read(bytes, (part) => parts.push(part))
  assert.deepEqual(parts.map(String), ['hello'])
  assert.equal(parts[0]?.buffer, bytes.buffer)
})

const brokenChunks: readonly (readonly [what: string, text: string])[] = [
  ['0x', '0x5\r\nhello\r\n0\r\n\r\n'],
  ['a sign', '+5\r\nhello\r\n0\r\n\r\n'],
  ['a negative size', '-5\r\nhello\r\n0\r\n\r\n'],
  ['no size', '\r\n'],
  ['an extension without a size', ';a\r\n'],
  ['a blank before the size', ' 5\r\n'],
  ['a blank behind the size', '5 \r\n'],
  ['a tabulator behind the size', '5\t\r\n'],
  ['a letter that is no digit', '5g\r\n'],
  ['a size beyond 2^53', '20000000000000\r\n'],
  ['17 digits', `${'0'.repeat(16)}5\r\n`],
  ['17 digits in the last size', `${'0'.repeat(17)}\r\n`],
  ['a line feed alone behind the size', '5\nhello'],
  ['a carriage return alone behind the size', '5\rhello'],
  ['a line feed alone behind the data', '5\r\nhello\n'],
  ['no line end behind the data', '5\r\nhello0\r\n'],
  ['a carriage return alone behind the data', '5\r\nhello\r0'],
  ['more data than the size says', '4\r\nhello\r\n'],
  ['an extension without a name', '5;\r\n'],
  ['an extension without a value', '5;a=\r\n'],
  ['a blank before an extension', '5;a ;b\r\n'],
  ['a blank in an extension', '5; a\r\n'],
  ['a blank behind a name', '5;a =b\r\n'],
  ['a blank before a value', '5;a= b\r\n'],
  ['an open quote', '5;a="b\r\n'],
  ['something behind a quote', '5;a="b"c\r\n'],
  ['a quote behind something', '5;a=b"c"\r\n'],
  ['a line feed alone behind an extension', '5;a\n'],
  ['a carriage return in an extension', '5;a\rb\r\n'],
  ['a null byte in an extension', '5;a\0\r\n'],
  ['a control character in a quote', '5;a="\x01"\r\n'],
  ['a line feed in a quote', '5;a="\n"\r\n'],
  ['a line feed alone behind the last size', '0\n\r\n'],
  ['a trailer without a colon', '0\r\nX\r\n'],
  ['a folded trailer', '0\r\nX: a\r\n b\r\n\r\n'],
  ['a blank before the colon of a trailer', '0\r\nX : a\r\n'],
  ['a line feed alone behind a trailer', '0\r\nX: a\n\r\n'],
  ['a line feed alone at the end', '0\r\n\n'],
  ['a carriage return alone in the trailers', '0\r\nX: a\r\n\rY: b\r\n\r\n'],
  ['a null byte in a trailer', '0\r\nX: \0\r\n'],
  ['Content-Length in the trailers', '0\r\nContent-Length: 5\r\n\r\n'],
  ['an empty Transfer-Encoding in the trailers', '0\r\nTransfer-Encoding:\r\n\r\n'],
]

for (const [what, text] of brokenChunks) {
  test(`no chunks: ${what}`, () => {
    for (const kind of ['request', 'answer'] as const) {
      assert.throws(() => readParts([text], kind), Malformed)
      assert.throws(() => readParts(bytesOf(text), kind), Malformed)
    }
  })
}

test('Transfer-Encoding in the trailers is refused in requests alone', () => {
  const text = '0\r\nTransfer-Encoding: chunked\r\n\r\n'
  assert.throws(() => readParts([text]), Malformed)
  assert.deepEqual(readParts([text], 'answer').trailers, ['Transfer-Encoding', 'chunked'])
})

test('extensions and trailers without end end where the limit is', () => {
  const extended = '1;abcdefg\r\n!\r\n'
  assert.throws(() => readParts([extended.repeat(11)]), Malformed)
  readParts([extended.repeat(10)])
  assert.throws(() => readParts([`1;${'a'.repeat(100)}`]), Malformed)
  const extension = `1;${'a'.repeat(16_000)}\r\n!\r\n`
  readParts([extension.repeat(10)], 'request', 1_000_000)
  assert.throws(() => readParts([`1;${'a'.repeat(16_384)}`], 'request', 1_000_000), Malformed)
  assert.throws(() => readParts([`0\r\n${'X: y\r\n'.repeat(17)}`]), TrailersTooLarge)
  assert.throws(() => readParts([`0\r\nX: ${'y'.repeat(100)}`]), TrailersTooLarge)
  assert.equal(readParts([`0\r\n${'X: y\r\n'.repeat(16)}\r\n`]).trailers.length, 32)
})
