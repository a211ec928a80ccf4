// RFC 9110 section 6.5 and RFC 9112 section 7.1.2: fields behind a body in chunks, both ways.
import {
  answered,
  badGateway,
  chunk,
  chunked,
  chunks,
  everySide,
  get,
  ok,
  okChunked,
  passes,
  refused,
  request,
  untilUpstream,
} from '../shapes.ts'
import type { Row } from '../row.ts'

/** RFC 9110 section 6.5.1: what frames, routes, authenticates, controls or describes the content. */
const forbidden = [
  'Host: elsewhere.example.com',
  'Connection: X-Checksum',
  'Trailer: X-Other',
  'TE: gzip',
  'Content-Type: text/html',
  'Content-Encoding: gzip',
  'Content-Range: bytes 0-1/2',
  'Authorization: Basic eA==',
  'Proxy-Authorization: Basic eA==',
  'Cookie: a=b',
  'Cache-Control: no-cache',
  'Max-Forwards: 0',
  'Expect: 100-continue',
  'Range: bytes=0-1',
  'If-Match: "a"',
  'If-None-Match: *',
  'If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT',
]
const forbiddenInAnswers = [
  'Transfer-Encoding: chunked',
  'Connection: X-Checksum',
  'Trailer: X-Other',
  'Content-Type: text/html',
  'Content-Encoding: gzip',
  'Content-Range: bytes 0-1/2',
  'Set-Cookie: a=b',
  'WWW-Authenticate: Basic',
  'Proxy-Authenticate: Basic',
  'Cache-Control: public',
  'Age: 1',
  'Expires: 0',
  'Date: Thu, 01 Jan 1970 00:00:00 GMT',
  'Location: /y',
  'Retry-After: 1',
  'Vary: *',
]
const names = [
  'X-Pomerium-Jwt-Assertion',
  'X-Pomerium-Jwt-Assertion-For',
  'x_pomerium_jwt_assertion',
  'X.Pomerium.Authenticated.User.Id',
  'X-Pomerium-Original-User-Email',
  'X-Pomerium-Claim-Groups',
  'X-Onbehalf-Handle',
  'x_onbehalf_via',
]

function nameOf(line: string): string {
  return line.slice(0, line.indexOf(':'))
}

function toUpstream(name: string, rfc: string, sent: readonly string[], got: readonly string[]): Row {
  return passes(name, rfc, chunked(chunks('hello', ...sent)), { body: 'hello', trailers: got })
}

function toClient(name: string, rfc: string, sent: readonly string[], got: readonly string[]): Row {
  const expected = { status: 200, body: 'hello', trailers: got }
  const send = get('TE: trailers', 'Connection: TE')
  return answered(name, rfc, okChunked(chunks('hello', ...sent)), expected, { send })
}

export const trailerRows: readonly Row[] = [
  toUpstream('a trailer of a request', '9112 7.1.2', ['X-Checksum: abc'], ['X-Checksum: abc']),
  toUpstream(
    'several trailers, their order, spelling and blanks',
    '9112 7.1.2',
    ['X-b:2', 'x-A: \t1 ', 'X-b: 3', 'X-Empty:'],
    ['X-b: 2', 'x-A: 1', 'X-b: 3', 'X-Empty: '],
  ),
  toUpstream('a trailer with letters beyond ASCII', '9110 5.5', ['X-A: \xe9'], ['X-A: \xe9']),
  passes(
    'a trailer that was announced stays announced',
    '9110 6.6.2',
    chunked(chunks('hello', 'X-Checksum: abc'), 'Trailer: X-Checksum'),
    { body: 'hello', trailers: ['X-Checksum: abc'], has: { trailer: 'X-Checksum' } },
  ),
  passes(
    'a trailer behind a body that streams',
    '9112 7.1.2',
    [chunked(chunk('hello')), untilUpstream('hello'), '0\r\nX-Checksum: abc\r\n\r\n'],
    { body: 'hello', trailers: ['X-Checksum: abc'] },
  ),
  ...forbidden.map((line) =>
    toUpstream(
      `${nameOf(line)} in the trailers of a request is dropped`,
      '9110 6.5.1',
      ['X-Checksum: abc', line, 'X-Last: z'],
      ['X-Checksum: abc', 'X-Last: z'],
    ),
  ),
  ...names.map((name) =>
    toUpstream(
      `the identity name ${name} in the trailers of a request is dropped`,
      'Onbehalf: the firewall',
      ['X-Checksum: abc', `${name}: forged`],
      ['X-Checksum: abc'],
    ),
  ),
  toUpstream('nothing but what is dropped', '9110 6.5.1', ['Content-Type: a/b'], []),
  ...['Content-Length: 7', 'Transfer-Encoding: chunked'].map((line) =>
    refused(
      `${nameOf(line)} in the trailers of a request is refused`,
      'Node; 9110 6.5.1: MUST NOT be sent',
      chunked(chunks('hello', line)),
      undefined,
      { upstream: 'never whole' },
    ),
  ),
  refused('a trailer without a colon', '9112 7.1.2', chunked(chunks('hello', 'x')), undefined, {
    upstream: 'never whole',
  }),
  refused('a folded trailer', '9112 5.2', chunked(chunks('hello', 'X-A: b\r\n c')), undefined, {
    upstream: 'never whole',
  }),
  refused(
    'a blank before the colon of a trailer',
    '9112 5.1',
    chunked(chunks('hello', 'X-A : b')),
    undefined,
    {
      upstream: 'never whole',
    },
  ),
  refused(
    'a line feed alone in the trailers',
    '9112 2.2',
    chunked(chunks('hello', 'X-A: b\nX-C: d')),
    undefined,
    {
      upstream: 'never whole',
    },
  ),
  refused('a null byte in a trailer', '9110 5.5', chunked(chunks('hello', 'X-A: b\0c')), undefined, {
    upstream: 'never whole',
  }),
  refused(
    'trailers without end',
    '9112 7.1.2: ought to be limited',
    chunked(chunks('hello', ...Array.from({ length: 60 }, (_, i) => `X-${i}: ${'a'.repeat(1_000)}`))),
    'headers_too_large',
    { upstream: 'never whole', client: 'no success' },
  ),
  {
    name: 'a request line as a trailer opens no request',
    rfc: '9112 7.1.2',
    sides: everySide,
    send: chunked(chunks('hello', 'X-A: GET /inner HTTP/1.1', 'X-B: b')) + request('GET /second HTTP/1.1'),
    asked: [{ method: 'POST' }, { method: 'GET' }],
    answers: [
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2',
    ],
    upstream: [
      { body: 'hello', trailers: ['X-A: GET /inner HTTP/1.1', 'X-B: b'] },
      { line: 'GET /second HTTP/1.1' },
    ],
    client: [
      { status: 200, body: '1' },
      { status: 200, body: '2' },
    ],
  },
  passes('TE: trailers goes on, nominated', '9110 10.1.4', get('TE: trailers', 'Connection: TE'), {
    has: { te: 'trailers', connection: /(?:^|, *)TE(?:,|$)/i },
  }),
  passes('of TE only trailers goes on', '9110 10.1.4', get('TE: gzip;q=0.5, trailers', 'Connection: TE'), {
    has: { te: 'trailers', connection: /(?:^|, *)TE(?:,|$)/i },
  }),
  passes('TE in capitals', '9110 10.1.4', get('TE: Trailers', 'Connection: te'), { has: { te: 'trailers' } }),
  passes('TE without trailers goes nowhere', '9110 10.1.4', get('TE: deflate', 'Connection: TE'), {
    lacks: ['te'],
  }),
  passes('an empty TE goes nowhere', '9110 10.1.4', get('TE:', 'Connection: TE'), { lacks: ['te'] }),
  passes('no TE is made up', '9110 10.1.4', get(), { lacks: ['te'] }),
  passes('a Trailer without chunks goes nowhere', '9110 6.6.2', get('Trailer: X-Checksum'), {
    lacks: ['trailer'],
  }),
  toClient('a trailer of an answer', '9112 7.1.2', ['X-Checksum: abc'], ['X-Checksum: abc']),
  toClient('a trailer of an answer with letters beyond ASCII', '9110 5.5', ['X-A: \xe9'], ['X-A: \xe9']),
  toClient(
    'the trailers of gRPC',
    'gRPC over HTTP/1.1',
    ['grpc-status: 0', 'grpc-message: fine'],
    ['grpc-status: 0', 'grpc-message: fine'],
  ),
  answered(
    'a trailer of an answer that nobody asked for',
    '9112 7.1.2',
    okChunked(chunks('hello', 'X-Checksum: abc')),
    { status: 200, body: 'hello', trailers: ['X-Checksum: abc'] },
  ),
  answered(
    'a Trailer of an answer without chunks goes nowhere',
    '9110 6.6.2',
    ok('ok', 'Trailer: X-Checksum'),
    { status: 200, body: 'ok', lacks: ['trailer'] },
  ),
  answered(
    'a trailer of an answer that was announced stays announced',
    '9110 6.6.2',
    okChunked(chunks('hello', 'X-Checksum: abc'), 'Trailer: X-Checksum'),
    { status: 200, body: 'hello', trailers: ['X-Checksum: abc'], has: { trailer: 'X-Checksum' } },
    { send: get('TE: trailers', 'Connection: TE') },
  ),
  ...forbiddenInAnswers.map((line) =>
    toClient(
      `${nameOf(line)} in the trailers of an answer is dropped`,
      '9110 6.5.1',
      ['X-Checksum: abc', line, 'X-Last: z'],
      ['X-Checksum: abc', 'X-Last: z'],
    ),
  ),
  ...[...names, 'X-Onbehalf-Error', 'x_onbehalf_request_id'].map((name) =>
    toClient(
      `the name ${name} in the trailers of an answer is dropped`,
      'Onbehalf: the firewall',
      ['X-Checksum: abc', `${name}: forged`],
      ['X-Checksum: abc'],
    ),
  ),
  answered(
    'trailers of an answer to HTTP/1.0 go nowhere',
    '9112 7.1: no chunks to HTTP/1.0',
    okChunked(chunks('hello', 'X-Checksum: abc')),
    { status: 200, body: 'hello', closes: true, lacks: ['transfer-encoding'] },
    { send: request('GET /x HTTP/1.0'), upstream: [{ line: 'GET /x HTTP/1.1' }] },
  ),
  answered(
    'Content-Length in the trailers of an answer breaks it off',
    'Node; 9110 6.5.1: MUST NOT be sent',
    okChunked(chunks('hello', 'Content-Length: 7')),
    'broken off',
    { send: get('TE: trailers', 'Connection: TE') },
  ),
  badGateway('broken trailers of an answer', '9112 7.1.2', okChunked(chunks('hello', 'x')), undefined, {
    client: 'broken off',
  }),
]
