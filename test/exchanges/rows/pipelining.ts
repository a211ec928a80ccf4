// RFC 9112 section 9.3.2: several requests at once on one connection, answered one after the other.
import {
  answer,
  bare,
  chunked,
  chunks,
  end,
  everySide,
  inbound,
  ok,
  okChunked,
  post,
  request,
  roundTrip,
} from '../shapes.ts'
import type { ExpectedAnswer, Row } from '../row.ts'

function numbered(i: number): string {
  return request(`GET /${i} HTTP/1.1`)
}

function line(i: number): { line: string } {
  return { line: `GET /${i} HTTP/1.1` }
}

const asked = (...methods: readonly string[]) => methods.map((method) => ({ method }))
const twenty = Array.from({ length: 20 }, (_, i) => i)
const forty = Array.from({ length: 40 }, (_, i) => i)
const hundred = Array.from({ length: 100 }, (_, i) => i)
const bodyOf = (i: number) => `${i} `.repeat(8_000)
const first: ExpectedAnswer = { status: 200, body: 'first' }
const second: ExpectedAnswer = { status: 200, body: 'second' }
const noAssertion = bare('GET /bad HTTP/1.1', 'Host: {host}')

export const pipeliningRows: readonly Row[] = [
  {
    name: 'two at once',
    rfc: '9112 9.3.2',
    sides: everySide,
    send: numbered(1) + numbered(2),
    asked: asked('GET', 'GET'),
    answers: [ok('first'), ok('second')],
    upstream: [line(1), line(2)],
    client: [first, second],
  },
  {
    name: 'twenty at once',
    rfc: '9112 9.3.2',
    sides: everySide,
    send: twenty.map(numbered).join(''),
    asked: twenty.map(() => ({ method: 'GET' })),
    answers: twenty.map((i) => ok(`the answer ${i}`)),
    upstream: twenty.map(line),
    client: twenty.map((i) => ({ status: 200, body: `the answer ${i}` })),
  },
  {
    name: 'a hundred at once',
    rfc: '9112 9.3.2',
    sides: everySide,
    send: hundred.map(numbered).join(''),
    asked: hundred.map(() => ({ method: 'GET' })),
    answers: hundred.map((i) => ok(`the answer ${i}`)),
    upstream: hundred.map(line),
    client: hundred.map((i) => ({ status: 200, body: `the answer ${i}` })),
  },
  {
    name: 'forty bodies of 20 KB at once',
    rfc: '9112 9.3.2',
    sides: everySide,
    send: forty.map((i) => post(bodyOf(i))).join(''),
    asked: forty.map(() => ({ method: 'POST' })),
    answers: forty.map((i) => ok(`the answer ${i}`)),
    upstream: forty.map((i) => ({ body: bodyOf(i) })),
    client: forty.map((i) => ({ status: 200, body: `the answer ${i}` })),
  },
  {
    name: 'the second waits for the first',
    rfc: '9112 9.3.2',
    sides: everySide,
    send: numbered(1) + numbered(2),
    asked: asked('GET', 'GET'),
    // A second request that is sent at once would come while the round trip runs, and take the answer of its number.
    answers: [[roundTrip, roundTrip, ok('first')], ok('second')],
    upstream: [line(1), line(2)],
    client: [first, second],
  },
  {
    name: 'a body, chunks and none',
    rfc: '9112 9.3.2',
    sides: everySide,
    send: post('hello') + chunked(chunks('there', 'X-A: b')) + numbered(3),
    asked: asked('POST', 'POST', 'GET'),
    answers: [ok('first'), okChunked(chunks('second')), ok('third')],
    upstream: [{ body: 'hello' }, { line: 'POST /x HTTP/1.1', body: 'there', trailers: ['X-A: b'] }, line(3)],
    client: [first, second, { status: 200, body: 'third' }],
  },
  {
    name: 'HEAD, 304 and 204 before an answer with a body',
    rfc: '9112 6.3',
    sides: everySide,
    send: request('HEAD /0 HTTP/1.1') + numbered(1) + numbered(2) + numbered(3),
    asked: asked('HEAD', 'GET', 'GET', 'GET'),
    answers: [
      answer('200 OK', ['Content-Length: 1000']),
      answer('304 Not Modified', ['Content-Length: 1000', 'ETag: "a"']),
      answer('204 No Content', []),
      ok('first'),
    ],
    upstream: [{}, line(1), line(2), line(3)],
    client: [{ status: 200 }, { status: 304 }, { status: 204 }, first],
  },
  {
    name: 'an upstream that ends each connection',
    rfc: '9112 9.3.2',
    sides: everySide,
    send: numbered(1) + numbered(2),
    asked: asked('GET', 'GET'),
    answers: [
      [ok('first', 'Connection: close'), end],
      [answer('200 OK', [], 'second'), end],
    ],
    upstream: [line(1), line(2)],
    client: [first, second],
  },
  {
    name: 'a refused request between two good ones',
    rfc: '9112 9.3.2',
    sides: inbound,
    send: numbered(1) + noAssertion + numbered(2),
    asked: asked('GET', 'GET', 'GET'),
    answers: [ok('first'), ok('second')],
    upstream: [line(1), line(2)],
    client: [first, { status: 401, code: 'assertion_missing' }, second],
  },
  {
    name: 'nothing is served behind close',
    rfc: '9112 9.6',
    sides: everySide,
    send: numbered(1) + request('GET /2 HTTP/1.1', ['Connection: close']) + numbered(3),
    asked: asked('GET', 'GET'),
    answers: [ok('first'), ok('second')],
    upstream: [line(1), line(2)],
    client: [first, { ...second, closes: true }],
  },
  {
    name: 'what is no request behind a good one',
    rfc: '9112 9.3.2',
    sides: everySide,
    send: [numbered(1), { until: 'client', has: 'first' }, 'hello\r\n\r\n'],
    asked: asked('GET', 'GET'),
    answers: [ok('first')],
    upstream: [line(1)],
    client: [first, { status: 400, code: 'request_malformed', closes: true }],
  },
  {
    name: 'the body of a refused request is never read as a request',
    rfc: '9112 9.6',
    sides: inbound,
    send: [
      bare('POST /bad HTTP/1.1', 'Host: {host}', 'Content-Length: 100000'),
      { until: 'client', has: '401' },
      numbered(1),
    ],
    upstream: [],
    client: [{ status: 401, code: 'assertion_missing', closes: true }],
  },
  {
    name: 'two refused requests',
    rfc: '9112 9.3.2',
    sides: inbound,
    send: noAssertion + noAssertion,
    asked: asked('GET', 'GET'),
    upstream: [],
    client: [
      { status: 401, code: 'assertion_missing' },
      { status: 401, code: 'assertion_missing' },
    ],
  },
  {
    name: 'the last request is not whole',
    rfc: '9112 8',
    sides: everySide,
    send: [numbered(1), { until: 'client', has: 'first' }, 'GET /2 HTTP/1.1\r\nHo', end],
    answers: [ok('first')],
    asked: asked('GET', 'GET'),
    upstream: [line(1)],
    client: [first, { status: 400, code: 'request_malformed', closes: true }],
  },
]
