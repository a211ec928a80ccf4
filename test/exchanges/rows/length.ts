// RFC 9112 sections 6.2 and 6.3, RFC 9110 section 8.6: requests with a length.
import {
  byteByByte,
  end,
  everySide,
  get,
  passes,
  post,
  refused,
  request,
  served,
  untilUpstream,
} from '../shapes.ts'
import type { Row } from '../row.ts'

function sized(length: string, body = 'hello'): string {
  return request('POST /x HTTP/1.1', [`Content-Length:${length}`], body)
}

const everyByte = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i))
const large = '0123456789abcdef'.repeat(65_536)
const inner = 'GET /inner HTTP/1.1\r\nHost: a\r\nX-Pomerium-Jwt-Assertion: x\r\n\r\n'
const byLength = (body: string) => ({ body, has: { 'content-length': String(body.length) } })

/** Its head is refused, and what it calls its body is never read as anything. */
function refusedBody(name: string, rfc: string, send: string, code?: string): Row {
  return refused(name, rfc, send, code)
}

export const lengthRows: readonly Row[] = [
  passes('a body by its length', '9112 6.2', post('hello'), byLength('hello')),
  passes('a length of 0', '9112 6.2', post(''), byLength('')),
  passes(
    'neither length nor chunks: no body, and the upstream is told so',
    '9110 8.6',
    request('POST /x HTTP/1.1'),
    {
      has: { 'content-length': '0' },
    },
  ),
  passes('a PUT without a body', '9110 8.6', request('PUT /x HTTP/1.1'), { has: { 'content-length': '0' } }),
  passes('a GET without a body stays without framing', '9110 8.6', get(), {
    lacks: ['content-length', 'transfer-encoding'],
  }),
  passes('every byte there is', '9112 6.2', post(everyByte), byLength(everyByte)),
  passes('1 MiB by its length', '9112 6.2', post(large), { body: large }),
  passes('a request as a body', '9112 6.2', post(inner), byLength(inner)),
  passes('a body byte by byte', '9112 6.2', [byteByByte(post('hello'))], { body: 'hello' }),
  passes(
    'a body that comes after its head, which is not held back',
    'nginx, Envoy',
    [request('POST /x HTTP/1.1', ['Content-Length: 5']), untilUpstream('Content-Length: 5\r\n'), 'hello'],
    { body: 'hello' },
  ),
  passes('a length with zeros before it', '9112 6.2: 1*DIGIT', sized(' 00005'), { body: 'hello' }),
  passes('a length between blanks', '9112 5.1', sized('\t 5 \t'), byLength('hello')),
  passes('a length at once behind the colon', '9112 5.1', sized('5'), byLength('hello')),
  passes(
    'Content-Length cannot be nominated away',
    '9110 7.6.1',
    request('POST /x HTTP/1.1', ['Connection: Content-Length', 'Content-Length: 5'], 'hello'),
    { body: 'hello' },
  ),
  ...['GET', 'DELETE', 'OPTIONS', 'PATCH', 'QUERY'].map((method) =>
    passes(
      `a body of ${method}`,
      '9110 9.3',
      request(`${method} /x HTTP/1.1`, ['Content-Length: 5'], 'hello'),
      byLength('hello'),
    ),
  ),
  passes(
    'a body of HEAD',
    '9110 9.3.2',
    request('HEAD /x HTTP/1.1', ['Content-Length: 5'], 'hello'),
    byLength('hello'),
    { client: [{ status: 200, body: '', has: { 'content-length': '2' } }] },
  ),
  {
    name: 'what is more than the length is the next request',
    rfc: '9112 6.2',
    sides: everySide,
    send: post('hello') + request('GET /second HTTP/1.1'),
    asked: [{ method: 'POST' }, { method: 'GET' }],
    answers: [
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2',
    ],
    upstream: [{ body: 'hello' }, { line: 'GET /second HTTP/1.1' }],
    client: [
      { status: 200, body: '1' },
      { status: 200, body: '2' },
    ],
  },
  {
    name: 'what is more than the length and no request is refused behind the answer',
    rfc: '9112 6.2',
    sides: everySide,
    send: [post('hello'), { until: 'client', has: 'ok' }, 'garbage\r\n\r\n'],
    asked: [{ method: 'POST' }, { method: 'GET' }],
    upstream: [{ body: 'hello' }],
    client: [served, { status: 400, code: 'request_malformed', closes: true }],
  },
  {
    name: 'a line end behind a body, as old browsers send it',
    rfc: '9112 2.2',
    sides: everySide,
    send: `${post('hello')}\r\n${request('GET /second HTTP/1.1')}`,
    asked: [{ method: 'POST' }, { method: 'GET' }],
    answers: [
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2',
    ],
    upstream: [{ body: 'hello' }, { line: 'GET /second HTTP/1.1' }],
    client: [
      { status: 200, body: '1' },
      { status: 200, body: '2' },
    ],
  },
  {
    name: 'a body that is shorter than its length',
    rfc: '9112 8',
    sides: everySide,
    send: [request('POST /x HTTP/1.1', ['Content-Length: 6'], 'hello'), untilUpstream('hello'), end],
    upstream: 'never whole',
    client: 'no success',
  },
  {
    name: 'a client that is gone in the middle of its body',
    rfc: '9112 8',
    sides: everySide,
    send: [
      request('POST /x HTTP/1.1', ['Content-Length: 6'], 'hello'),
      untilUpstream('hello'),
      { act: 'reset' },
    ],
    upstream: 'never whole',
    client: 'no success',
  },
  refusedBody(
    'two lengths',
    '9112 6.3',
    request('POST /x HTTP/1.1', ['Content-Length: 0', `Content-Length: ${inner.length}`], inner),
  ),
  refusedBody(
    'the same length twice',
    '9112 6.3: may be refused',
    request('POST /x HTTP/1.1', ['Content-Length: 5', 'Content-Length: 5'], 'hello'),
  ),
  refusedBody('a list of equal lengths', '9112 6.3: may be refused', sized(' 5, 5')),
  refusedBody('a list of lengths', '9112 6.3', sized(' 5, 6')),
  refusedBody('a signed length', '9112 6.2', sized(' +5')),
  refusedBody('a negative length', '9112 6.2', sized(' -1')),
  refusedBody('a hexadecimal length', '9112 6.2', sized(' 0x5')),
  refusedBody('a fractional length', '9112 6.2', sized(' 5.0')),
  refusedBody('an empty length', '9112 6.2', sized('')),
  refusedBody('a length in quotes', '9112 6.2', sized(' "5"')),
  refusedBody('two numbers in a length', '9112 6.2', sized(' 5 5')),
  refusedBody('a length that overflows 64 bits', '9110 8.6', sized(' 18446744073709551621')),
  refusedBody('a length of 100 digits', '9110 8.6', sized(` ${'9'.repeat(100)}`)),
  refusedBody('a length with a vertical tabulator', '9112 5.1', sized(' \x0b5')),
  refusedBody(
    'a blank before the colon of a length',
    '9112 5.1',
    request('POST /x HTTP/1.1', ['Content-Length : 5'], 'hello'),
  ),
  refusedBody('a folded length', '9112 5.2', sized('\r\n 5')),
  refusedBody(
    'a length beside chunks',
    '9112 6.1',
    request('POST /x HTTP/1.1', ['Content-Length: 6', 'Transfer-Encoding: chunked'], `0\r\n\r\n${inner}`),
  ),
  refusedBody(
    'chunks beside a length',
    '9112 6.1',
    request('POST /x HTTP/1.1', ['Transfer-Encoding: chunked', 'Content-Length: 4'], `3\r\nabc\r\n0\r\n\r\n`),
  ),
]
