// RFC 9112 sections 6.1 and 7: requests in chunks.
import {
  bare,
  byteByByte,
  chunk,
  chunked,
  chunks,
  end,
  everySide,
  passes,
  refused,
  request,
  untilUpstream,
} from '../shapes.ts'
import type { Row } from '../row.ts'

const inner = 'GET /inner HTTP/1.1\r\nHost: a\r\n\r\n'
const everyByte = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i))
const large = '0123456789abcdef'.repeat(65_536)
const hello = { body: 'hello', framing: 'chunked' } as const

function carried(name: string, rfc: string, body: string, expected: string): Row {
  return passes(name, rfc, chunked(body), { body: expected, framing: 'chunked' })
}

function coded(name: string, rfc: string, ...lines: readonly string[]): Row {
  const code = /^request_(?:malformed|ambiguous)$/
  return refused(name, rfc, request('POST /x HTTP/1.1', lines, chunks('hello')), code)
}

/** The upstream may have seen a beginning, and never an end. */
function broken(name: string, rfc: string, body: string): Row {
  return refused(name, rfc, chunked(body), 'request_malformed', { upstream: 'never whole' })
}

/** Broken where the upstream has certainly seen the beginning. */
function brokenLate(name: string, rfc: string, body: string): Row {
  return refused(name, rfc, [chunked(chunk('first')), untilUpstream('first'), body], undefined, {
    upstream: 'never whole',
    client: 'no success',
  })
}

export const chunkedRows: readonly Row[] = [
  carried('one chunk', '9112 7.1', chunks('hello'), 'hello'),
  carried('several chunks', '9112 7.1', `${chunk('he')}${chunk('l')}${chunk('lo')}0\r\n\r\n`, 'hello'),
  carried('no chunk but the last', '9112 7.1', '0\r\n\r\n', ''),
  carried('a size in capitals', '9112 7.1', 'A\r\n0123456789\r\n0\r\n\r\n', '0123456789'),
  carried('a size with zeros before it', '9112 7.1', '00005\r\nhello\r\n0\r\n\r\n', 'hello'),
  carried('several zeros as the last size', '9112 7.1', '5\r\nhello\r\n000\r\n\r\n', 'hello'),
  carried(
    'a chunk that holds what ends chunks',
    '9112 7.1',
    chunks(`a\r\n0\r\n\r\n${inner}`),
    `a\r\n0\r\n\r\n${inner}`,
  ),
  carried('every byte there is', '9112 7.1', chunks(everyByte), everyByte),
  carried('1 MiB in a chunk', '9112 7.1', chunks(large), large),
  carried('an extension', '9112 7.1.1', '5;a\r\nhello\r\n0\r\n\r\n', 'hello'),
  carried('an extension with a value', '9112 7.1.1', '5;a=b;c=d\r\nhello\r\n0;e=f\r\n\r\n', 'hello'),
  carried('a quoted extension', '9112 7.1.1', `5;a="x;y 0 \\" z"\r\nhello\r\n0\r\n\r\n`, 'hello'),
  carried(
    'a request line in an extension',
    '9112 7.1.1',
    `5;a="GET /inner HTTP/1.1"\r\nhello\r\n0\r\n\r\n`,
    'hello',
  ),
  passes('chunks byte by byte', '9112 7.1', [byteByByte(chunked(chunks('hello', 'X-A: b')))], {
    ...hello,
    trailers: ['X-A: b'],
  }),
  passes(
    'chunks that come after their head',
    '9112 7.1',
    [chunked(chunk('he')), untilUpstream('he'), `${chunk('llo')}0\r\n\r\n`],
    hello,
  ),
  passes(
    'a coding in capitals',
    '9112 7: case-insensitive',
    request('POST /x HTTP/1.1', ['Transfer-Encoding: CHUNKED'], chunks('hello')),
    hello,
  ),
  passes(
    'a coding between blanks',
    '9112 5.1',
    request('POST /x HTTP/1.1', ['Transfer-Encoding:   chunked  '], chunks('hello')),
    hello,
  ),
  passes(
    'a coding behind a tabulator',
    '9112 5.1',
    request('POST /x HTTP/1.1', ['Transfer-Encoding:\tchunked'], chunks('hello')),
    hello,
  ),
  passes(
    'Transfer-Encoding that Connection nominates',
    '9110 7.6.1',
    chunked(chunks('hello'), 'Connection: Transfer-Encoding'),
    hello,
  ),
  ...['GET', 'DELETE', 'OPTIONS', 'PUT'].map((method) =>
    passes(
      `chunks of ${method}`,
      '9112 6.1',
      request(`${method} /x HTTP/1.1`, ['Transfer-Encoding: chunked'], chunks('hello')),
      hello,
    ),
  ),
  {
    name: 'a request behind the last chunk',
    rfc: '9112 7.1',
    sides: everySide,
    send: chunked(chunks('hello')) + request('GET /second HTTP/1.1'),
    asked: [{ method: 'POST' }, { method: 'GET' }],
    answers: [
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2',
    ],
    upstream: [hello, { line: 'GET /second HTTP/1.1' }],
    client: [
      { status: 200, body: '1' },
      { status: 200, body: '2' },
    ],
  },
  coded('chunked twice', '9112 6.1', 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'),
  coded('a list of chunked', '9112 6.1', 'Transfer-Encoding: chunked, chunked'),
  coded('chunked before another coding', '9112 6.3', 'Transfer-Encoding: chunked, identity'),
  coded(
    'gzip before chunked',
    '9112 6.1: a coding that is not understood',
    'Transfer-Encoding: gzip, chunked',
  ),
  coded('gzip in a line of its own', '9112 6.1', 'Transfer-Encoding: gzip', 'Transfer-Encoding: chunked'),
  coded('gzip alone', '9112 6.3', 'Transfer-Encoding: gzip'),
  coded('identity', '9112 7: no longer a coding', 'Transfer-Encoding: identity'),
  coded('an empty coding', '9112 6.1', 'Transfer-Encoding:'),
  coded('a letter before the coding', '9112 7', 'Transfer-Encoding: xchunked'),
  coded('a letter behind the coding', '9112 7', 'Transfer-Encoding: chunkedx'),
  coded('a parameter of the coding', '9112 7', 'Transfer-Encoding: chunked;q=1'),
  coded('the coding in quotes', '9112 7', 'Transfer-Encoding: "chunked"'),
  coded('a comma behind the coding', '9110 5.6.1: refused here', 'Transfer-Encoding: chunked,'),
  coded('a comma before the coding', '9110 5.6.1: refused here', 'Transfer-Encoding: ,chunked'),
  coded('a vertical tabulator before the coding', '9112 5.1', 'Transfer-Encoding: \x0bchunked'),
  coded('a tabulator behind the coding', 'Node; 9112 5.1 would take it', 'Transfer-Encoding: chunked\t'),
  coded('a blank before the colon', '9112 5.1', 'Transfer-Encoding : chunked'),
  coded('a folded coding', '9112 5.2', 'Transfer-Encoding:\r\n chunked'),
  coded('a coding behind a line feed', '9112 2.2', 'X: y\nTransfer-Encoding: chunked'),
  coded(
    'an underscore in the name: no coding, and nothing is read behind the head',
    '9112 6.3',
    'Transfer_Encoding: chunked',
    'Transfer-Encoding: x',
  ),
  broken('a size by 0x', '9112 7.1', '0x5\r\nhello\r\n0\r\n\r\n'),
  broken('a negative size', '9112 7.1', '-5\r\nhello\r\n0\r\n\r\n'),
  broken('a signed size', '9112 7.1', '+5\r\nhello\r\n0\r\n\r\n'),
  broken('no size', '9112 7.1', '\r\nhello\r\n0\r\n\r\n'),
  broken('an extension without a size', '9112 7.1', ';a\r\nhello\r\n0\r\n\r\n'),
  broken('a size of 17 digits', '9112 7.1: overflow', '10000000000000005\r\nhello\r\n0\r\n\r\n'),
  broken('a blank before a size', '9112 7.1', ' 5\r\nhello\r\n0\r\n\r\n'),
  broken('a blank behind a size', '9112 7.1', '5 \r\nhello\r\n0\r\n\r\n'),
  broken('a letter that is no digit', '9112 7.1', '5g\r\nhello\r\n0\r\n\r\n'),
  broken('line feeds alone', '9112 2.2', '5\nhello\n0\n\n'),
  broken('a line feed alone behind an extension', '9112 7.1.1', '5;a\nhello\r\n0\r\n\r\n'),
  broken('a carriage return alone in an extension', '9112 7.1.1', '5;a\rb\r\nhello\r\n0\r\n\r\n'),
  broken('a null byte in an extension', '9112 7.1.1', '5;a\0b\r\nhello\r\n0\r\n\r\n'),
  broken(
    'an extension of 20 KiB',
    '9112 7.1.1: ought to be limited',
    `5;${'a'.repeat(20_480)}\r\nhello\r\n0\r\n\r\n`,
  ),
  broken('a chunk that is longer than it says', '9112 7.1', '4\r\nhello\r\n0\r\n\r\n'),
  broken('a chunk that is shorter than it says', '9112 7.1', '6\r\nhello\r\n0\r\n\r\n'),
  broken('no line end behind a chunk', '9112 7.1', `5\r\nhello0\r\n\r\n${inner}`),
  broken('a line feed alone behind a chunk', '9112 7.1', `5\r\nhello\n0\r\n\r\n`),
  brokenLate('a broken size behind a good chunk', '9112 7.1', 'x\r\n'),
  brokenLate('a size that overflows behind a good chunk', '9112 7.1', `${'f'.repeat(17)}\r\n`),
  ...(
    [
      ['in a chunk', '5\r\nhel'],
      ['behind a chunk', chunk('hello')],
      ['in a size', '5'],
      ['behind the last chunk, before the end', '0\r\n'],
      ['in a trailer', '0\r\nX-A: b\r\n'],
    ] as const
  ).map(([where, body]): Row => ({
    name: `a body that ends too early ${where}`,
    rfc: '9112 8',
    sides: everySide,
    send: [chunked(chunk('first')), untilUpstream('first'), body, end],
    upstream: 'never whole',
    client: 'no success',
  })),
  {
    name: 'a body that begins with what is no chunk, in a connection of its own',
    rfc: '9112 6.3',
    sides: everySide,
    send: chunked(bare('GET /inner HTTP/1.1', 'Host: a')),
    upstream: 'never whole',
    client: [{ status: 400, code: 'request_malformed', closes: true }],
  },
]
