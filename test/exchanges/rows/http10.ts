// RFC 9112 section 9.3, RFC 9110 section 2.5, RFC 1945: HTTP/1.0 on either side.
import {
  answered,
  badGateway,
  bare,
  chunks,
  end,
  everySide,
  get,
  okChunked,
  passes,
  refused,
  request,
  reset,
  served,
} from '../shapes.ts'
import type { Row } from '../row.ts'

const line = 'GET /x HTTP/1.1'
const old = request('GET /x HTTP/1.0')
const oldAlive = request('GET /x HTTP/1.0', ['Connection: keep-alive'])
const closing = { ...served, closes: true }

function oldAnswer(fields: readonly string[], body: string): string {
  return `HTTP/1.0 200 OK\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n${body}`
}

export const http10Rows: readonly Row[] = [
  passes('a client of HTTP/1.0 is served and closed', '9112 9.3', old, { line }, { client: [closing] }),
  passes(
    'a client of HTTP/1.0 that keeps its connection',
    '9112 9.3',
    oldAlive,
    { line },
    {
      client: [{ ...served, has: { connection: 'keep-alive', 'content-length': '2' } }],
    },
  ),
  passes(
    'a body in HTTP/1.0',
    '9112 6.2',
    request('POST /x HTTP/1.0', ['Content-Length: 5'], 'hello'),
    { line: 'POST /x HTTP/1.1', body: 'hello' },
    { client: [closing] },
  ),
  passes(
    'HEAD in HTTP/1.0',
    '9110 9.3.2',
    request('HEAD /x HTTP/1.0'),
    { line: 'HEAD /x HTTP/1.1' },
    {
      client: [{ status: 200, body: '', closes: true, has: { 'content-length': '2' } }],
    },
  ),
  passes(
    'close beside keep-alive in HTTP/1.0',
    '9112 9.3',
    request('GET /x HTTP/1.0', ['Connection: keep-alive, close']),
    { line },
    { client: [closing] },
  ),
  passes(
    'Proxy-Connection in HTTP/1.0',
    '9112 C.2.2',
    request('GET /x HTTP/1.0', ['Proxy-Connection: keep-alive']),
    { line },
    { client: [{ ...served, closes: 'may' }] },
  ),
  answered(
    'chunks of the upstream end with the connection',
    '9112 7.1',
    okChunked(chunks('hello')),
    {
      status: 200,
      body: 'hello',
      framing: 'close',
      closes: true,
      lacks: ['transfer-encoding'],
    },
    { send: old, upstream: [{ line }] },
  ),
  answered(
    'chunks of the upstream, though the client would keep its connection',
    '9112 9.3',
    okChunked(chunks('hello')),
    {
      status: 200,
      body: 'hello',
      framing: 'close',
      closes: true,
      lacks: ['transfer-encoding'],
    },
    { send: oldAlive, upstream: [{ line }] },
  ),
  answered(
    'an answer up to the end of the connection',
    '9112 6.3',
    ['HTTP/1.1 200 OK\r\n\r\nhello', end],
    {
      status: 200,
      body: 'hello',
      framing: 'close',
      closes: true,
    },
    { send: oldAlive, upstream: [{ line }] },
  ),
  answered(
    'no 103 for HTTP/1.0',
    '9110 15.2',
    'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    closing,
    {
      send: old,
      upstream: [{ line }],
    },
  ),
  refused('HTTP/1.0 without Host', 'Onbehalf: Host chooses the route', bare('GET /x HTTP/1.0', '{auth}X: y')),
  refused(
    'chunks in HTTP/1.0',
    '9112 6.1',
    request('POST /x HTTP/1.0', ['Transfer-Encoding: chunked'], chunks('hello')),
    'request_ambiguous',
  ),
  refused(
    'an HTTP/1.0 request with chunks and a length',
    '9112 6.1',
    request('POST /x HTTP/1.0', ['Transfer-Encoding: chunked', 'Content-Length: 5'], 'hello'),
  ),
  {
    name: 'a second request behind HTTP/1.0 is not served',
    rfc: '9112 9.3',
    sides: everySide,
    send: old + request('GET /never HTTP/1.0'),
    upstream: [{ line }],
    client: [closing],
  },
  {
    name: 'two requests of HTTP/1.0 on a connection that is kept',
    rfc: '9112 9.3',
    sides: everySide,
    send: [
      oldAlive,
      { until: 'client', has: 'ok' },
      request('GET /second HTTP/1.0', ['Connection: Keep-Alive']),
    ],
    asked: [
      { method: 'GET', version: '1.0' },
      { method: 'GET', version: '1.0' },
    ],
    answers: [
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
      'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n2nd',
    ],
    upstream: [{ line }, { line: 'GET /second HTTP/1.1' }],
    client: [served, { status: 200, body: '2nd' }],
  },
  answered(
    'an upstream of HTTP/1.0 with a length',
    '9112 6.3',
    [oldAnswer(['Content-Length: 2'], 'ok'), end],
    served,
  ),
  answered(
    'an upstream of HTTP/1.0 that ends with its connection becomes chunks',
    '9112 6.3',
    [oldAnswer([], 'hello'), end],
    { status: 200, body: 'hello', framing: 'chunked' },
  ),
  answered('an empty answer of HTTP/1.0', '9112 6.3', [oldAnswer([], ''), end], { status: 200, body: '' }),
  answered(
    'an upstream of HTTP/1.0 that keeps its connection',
    '9112 9.3',
    oldAnswer(['Connection: keep-alive', 'Content-Length: 2'], 'ok'),
    served,
  ),
  answered(
    'an upstream of HTTP/1.0 that stays open behind a length',
    '9112 9.3',
    oldAnswer(['Content-Length: 2'], 'ok'),
    served,
  ),
  badGateway('an upstream of HTTP/1.0 with chunks', '9112 6.1', [
    oldAnswer(['Transfer-Encoding: chunked'], chunks('hello')),
    end,
  ]),
  answered(
    'an upstream of HTTP/1.0 that breaks off before its end',
    '9112 8',
    [oldAnswer([], 'hello'), { until: 'client', has: 'hello' }, reset],
    'broken off',
  ),
  answered(
    'the upstream is asked in HTTP/1.1',
    '9110 2.5',
    [oldAnswer(['Content-Length: 2'], 'ok'), end],
    closing,
    {
      send: old,
      upstream: [{ line }],
    },
  ),
  answered(
    'a redirect of HTTP/1.0 without a body',
    '9112 6.3',
    ['HTTP/1.0 302 Found\r\nLocation: /y\r\n\r\n', end],
    {
      status: 302,
      body: '',
      has: { location: '/y' },
    },
    { send: get() },
  ),
]
