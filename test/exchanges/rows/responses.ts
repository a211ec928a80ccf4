// RFC 9110 and RFC 9112 section 6.3: good answers pass as they came.
import {
  answer,
  answered,
  chunk,
  chunks,
  end,
  byteByByte,
  get,
  ok,
  okChunked,
  roundTrip,
  served,
  untilClient,
} from '../shapes.ts'
import type { Bytes, ExpectedAnswer, Row } from '../row.ts'

const everyByte = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i))
const large = '0123456789abcdef'.repeat(65_536)
const date = 'Thu, 01 Jan 1970 00:00:00 GMT'
const parts =
  '--cut\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/9\r\n\r\nab\r\n' +
  '--cut\r\nContent-Type: text/plain\r\nContent-Range: bytes 4-5/9\r\n\r\nef\r\n--cut--\r\n'

function status(line: string, ...fields: readonly string[]): Row {
  const [code = '', ...reason] = line.split(' ')
  return answered(line, '9110 15', answer(line, ['Content-Length: 2', ...fields], 'ok'), {
    status: Number(code),
    reason: reason.join(' '),
    body: 'ok',
  })
}

function passed(name: string, rfc: string, bytes: Bytes, expected: Partial<ExpectedAnswer>): Row {
  return answered(name, rfc, bytes, { ...served, ...expected })
}

export const responseRows: readonly Row[] = [
  status('200 OK'),
  status('200 All is very well: (really) "so"'),
  status('202 Accepted'),
  status('299 Odd'),
  status('301 Moved Permanently', 'Location: /y'),
  status('400 Bad Request'),
  status('401 Unauthorized', 'WWW-Authenticate: Basic'),
  status('404 Not Found'),
  status('418 I am a teapot'),
  status('429 Too Many Requests', 'Retry-After: 1'),
  status('500 Internal Server Error'),
  status('503 Service Unavailable', 'Retry-After: 1'),
  status('599 Odd'),
  status('999 Request denied'),
  answered(
    'an empty reason, and not even a blank before it',
    'Node: taken, and written as 9112 4 says',
    'HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok',
    { ...served, reason: '' },
  ),
  answered('an empty reason', '9112 4', 'HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok', {
    ...served,
    reason: '',
  }),
  answered(
    'a reason beyond ASCII',
    '9112 4: obs-text',
    answer('200 \xe9t\xe9', ['Content-Length: 2'], 'ok'),
    {
      ...served,
      reason: '\xe9t\xe9',
    },
  ),
  passed('a length', '9112 6.2', ok('hello'), { body: 'hello', framing: 'length' }),
  passed('every byte there is', '9112 6.2', ok(everyByte), { body: everyByte }),
  passed('1 MiB by its length', '9112 6.2', ok(large), { body: large }),
  passed('1 MiB in chunks', '9112 7.1', okChunked(chunks(large)), { body: large, framing: 'chunked' }),
  passed('1 MiB up to the end', '9112 6.3', [answer('200 OK', [], large), end], {
    body: large,
    framing: 'chunked',
  }),
  passed('chunks', '9112 7.1', okChunked(`${chunk('he')}${chunk('llo')}0\r\n\r\n`), {
    body: 'hello',
    framing: 'chunked',
  }),
  passed('chunks with extensions', '9112 7.1.1', okChunked('5;a="0\\"x";b\r\nhello\r\n0;c=d\r\n\r\n'), {
    body: 'hello',
  }),
  passed('chunks that hold what ends chunks', '9112 7.1', okChunked(chunks('0\r\n\r\nHTTP/1.1 200 OK\r\n')), {
    body: '0\r\n\r\nHTTP/1.1 200 OK\r\n',
  }),
  passed(
    'a coding in capitals',
    '9112 7',
    answer('200 OK', ['transfer-encoding: Chunked'], chunks('hello')),
    {
      body: 'hello',
    },
  ),
  passed('an answer up to the end of the connection', '9112 6.3', [answer('200 OK', [], 'hello'), end], {
    body: 'hello',
    framing: 'chunked',
  }),
  passed('an answer as the body of an answer', '9112 6.2', ok(ok('inner')), { body: ok('inner') }),
  passed('an answer byte by byte', '9112 2.1', [byteByByte(okChunked(chunks('hello', 'X-A: b')))], {
    body: 'hello',
    trailers: ['X-A: b'],
  }),
  passed(
    'a body that streams: its beginning comes before its end is there',
    '9112 7.1',
    [okChunked(chunk('first')), untilClient('first'), `${chunk('last')}0\r\n\r\n`],
    { body: 'firstlast' },
  ),
  passed(
    'a body by its length that streams',
    '9112 6.2',
    [answer('200 OK', ['Content-Length: 9'], 'first'), untilClient('first'), 'last'],
    { body: 'firstlast' },
  ),
  passed(
    'a head that comes before its body, and is not held back',
    'nginx, Envoy',
    [answer('200 OK', ['Content-Length: 5']), untilClient('Content-Length: 5'), 'hello'],
    { body: 'hello' },
  ),
  passed(
    'events',
    'HTML 9.2: server-sent events',
    [
      okChunked(chunk('data: 1\n\n'), 'Content-Type: text/event-stream'),
      untilClient('data: 1'),
      `${chunk('data: 2\n\n')}0\r\n\r\n`,
    ],
    { body: 'data: 1\n\ndata: 2\n\n', has: { 'content-type': 'text/event-stream' } },
  ),
  passed('an empty line before the answer', '9112 2.2: robustness', `\r\n${ok()}`, {}),
  passed('a Date stays', '9110 6.6.1', ok('ok', `Date: ${date}`), { has: { date } }),
  passed('a Date is added', '9110 6.6.1', ok(), {
    has: { date: /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/ },
  }),
  passed(
    'order, spelling and repetition of fields',
    '9110 5.3',
    ok('ok', 'X-b: 1', 'x-A: 2', 'X-B: 3', 'x-a:'),
    {
      lines: ['X-b: 1', 'x-A: 2', 'X-B: 3', 'x-a: '],
    },
  ),
  passed(
    'several cookies',
    '6265 3',
    ok('ok', `Set-Cookie: a=1; Expires=${date}`, 'Set-Cookie: b=2', 'set-cookie: a=3'),
    {
      lines: [`Set-Cookie: a=1; Expires=${date}`, 'Set-Cookie: b=2', 'set-cookie: a=3'],
    },
  ),
  passed(
    'several challenges',
    '9110 11.6.1',
    ok('ok', 'WWW-Authenticate: Basic', 'WWW-Authenticate: Digest realm="a, b"'),
    {
      lines: ['WWW-Authenticate: Basic', 'WWW-Authenticate: Digest realm="a, b"'],
    },
  ),
  passed('letters beyond ASCII in a field', '9110 5.5', ok('ok', 'X-A: \xe9\xff'), {
    has: { 'x-a': '\xe9\xff' },
  }),
  passed(
    'letters beyond ASCII in a head that comes before its body',
    'Node: flushHeaders() writes UTF-8',
    [
      answer('200 \xe9', ['X-A: \xe9\xff', 'Content-Length: 5']),
      untilClient('Content-Length: 5'),
      roundTrip,
      'hello',
    ],
    { body: 'hello', reason: '\xe9', has: { 'x-a': '\xe9\xff' } },
  ),
  passed('a tabulator in a field', '9110 5.5', ok('ok', 'X-A: a\tb'), { has: { 'x-a': 'a\tb' } }),
  passed('every letter of a token', '9110 5.6.2', ok('ok', "a!#$%&'*+.^_`|~9-Z: 1"), {
    lines: ["a!#$%&'*+.^_`|~9-Z: 1"],
  }),
  passed('names that objects have', 'Node', ok('ok', '__proto__: 1', 'constructor: 2', 'hasOwnProperty: 3'), {
    lines: ['__proto__: 1', 'constructor: 2', 'hasOwnProperty: 3'],
  }),
  passed(
    '64 KiB of fields',
    'Node: 16 KiB by default',
    ok('ok', ...Array.from({ length: 64 }, (_, i) => `X-${i}: ${'a'.repeat(1_016)}`)),
    {
      has: { 'x-63': 'a'.repeat(1_016) },
    },
  ),
  passed('one field of 64 KiB', 'Node: 16 KiB by default', ok('ok', `X-A: ${'a'.repeat(65_536)}`), {
    has: { 'x-a': 'a'.repeat(65_536) },
  }),
  passed(
    '2 000 fields',
    'Node: 2 000 by default',
    ok('ok', ...Array.from({ length: 2_000 }, (_, i) => `X-${i}: ${i}`)),
    {
      has: { 'x-1999': '1999' },
    },
  ),
  passed(
    'what is compressed stays so',
    '9110 8.4',
    ok('\x1f\x8b\x08', 'Content-Encoding: gzip', 'Vary: Accept-Encoding'),
    {
      body: '\x1f\x8b\x08',
      has: { 'content-encoding': 'gzip', vary: 'Accept-Encoding' },
    },
  ),
  passed(
    'Via, Server and Alt-Svc of an upstream',
    '9110 7.6.3',
    ok('ok', 'Via: 1.1 other', 'Server: x/1', 'Alt-Svc: clear'),
    {
      has: { server: 'x/1', via: /^1\.1 other/ },
    },
  ),
  passed(
    'what a browser reads as policy',
    'Fetch 3.3',
    ok('ok', 'Access-Control-Allow-Origin: *', 'Priority: u=1', 'Strict-Transport-Security: max-age=0'),
    {
      has: { 'access-control-allow-origin': '*', priority: 'u=1', 'strict-transport-security': 'max-age=0' },
    },
  ),
  answered(
    'a range',
    '9110 14.4',
    answer('206 Partial Content', ['Content-Range: bytes 0-1/9', 'Content-Length: 2'], 'ab'),
    {
      status: 206,
      body: 'ab',
      has: { 'content-range': 'bytes 0-1/9' },
    },
    { send: get('Range: bytes=0-1'), upstream: [{ has: { range: 'bytes=0-1' } }] },
  ),
  answered(
    'several ranges',
    '9110 14.6',
    answer(
      '206 Partial Content',
      ['Content-Type: multipart/byteranges; boundary=cut', `Content-Length: ${parts.length}`],
      parts,
    ),
    { status: 206, body: parts, has: { 'content-type': 'multipart/byteranges; boundary=cut' } },
    {
      send: get('Range: bytes=0-1,4-5', 'If-Range: "a"'),
      upstream: [{ has: { range: 'bytes=0-1,4-5', 'if-range': '"a"' } }],
    },
  ),
  answered(
    'a range that cannot be',
    '9110 15.5.17',
    answer('416 Range Not Satisfiable', ['Content-Range: bytes */9', 'Content-Length: 0']),
    {
      status: 416,
      has: { 'content-range': 'bytes */9' },
    },
    { send: get('Range: bytes=99-') },
  ),
  answered(
    'names of ours in an answer',
    'Onbehalf: DESIGN 3',
    ok(
      'ok',
      'X-Onbehalf-Error: forged',
      'x_onbehalf_handle: forged',
      'X-Onbehalf-Request-Id: forged',
      'X-Kept: 1',
    ),
    { ...served, has: { 'x-kept': '1' } },
    { sides: ['inbound', 'unlisted'] },
  ),
  answered(
    'a handle in an answer of another service',
    'Onbehalf: DESIGN 3',
    ok('ok', 'X-Onbehalf-Handle: forged'),
    served,
  ),
]
