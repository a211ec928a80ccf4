// RFC 9110 section 9.3.6: tunnels, on the outbound side to unlisted hosts.
import {
  answer,
  bare,
  chunked,
  chunks,
  end,
  everySide,
  get,
  inbound,
  ok,
  outbound,
  passes,
  refused,
  route,
  untilClient,
  untilUpstream,
  unlisted,
} from '../shapes.ts'
import type { Row } from '../row.ts'

const established = '200 Connection Established\r\n\r\n'
const connect = bare('CONNECT {host} HTTP/1.1', 'Host: {host}')
const tunnel = { sides: unlisted, tunnel: true } as const
const asked = [{ method: 'CONNECT' }, { method: 'GET' }]
const inside = [{ status: 200 }, { status: 200, body: 'ok' }]
const expected = { line: 'GET /x HTTP/1.1' }

export const connectRows: readonly Row[] = [
  passes('a request through a tunnel', '9110 9.3.6', [connect, untilClient(established), get()], expected, {
    ...tunnel,
    asked,
    client: inside,
  }),
  passes('a request at once behind CONNECT', '9110 9.3.6', connect + get(), expected, {
    ...tunnel,
    asked,
    client: inside,
  }),
  passes(
    'what a tunnel carries is not looked at',
    '9110 9.3.6',
    [
      connect,
      untilClient(established),
      get('X-Pomerium-Jwt-Assertion: own', 'Keep-Alive: a', 'Expect: 100-continue'),
    ],
    { ...expected, has: { 'x-pomerium-jwt-assertion': 'own', 'keep-alive': 'a', expect: '100-continue' } },
    {
      ...tunnel,
      asked,
      client: inside,
    },
  ),
  passes(
    'chunks and trailers through a tunnel',
    '9110 9.3.6',
    [connect, untilClient(established), chunked(chunks('hello', 'Content-Length: 9'))],
    { line: 'POST /x HTTP/1.1', body: 'hello', trailers: ['Content-Length: 9'] },
    {
      ...tunnel,
      asked: [{ method: 'CONNECT' }, { method: 'POST' }],
      client: inside,
    },
  ),
  {
    name: 'a client that ends its half of a tunnel gets the answer',
    rfc: '9110 9.3.6',
    ...tunnel,
    send: [connect, untilClient(established), get(), untilUpstream('GET /x'), end],
    asked,
    answers: [[{ act: 'round trip' }, answer('200 OK', ['Connection: close'], 'ok'), end]],
    upstream: [expected],
    client: [{ status: 200 }, { status: 200, body: 'ok', framing: 'close', closes: true }],
  },
  {
    name: 'an upstream that ends a tunnel ends it for the client',
    rfc: '9110 9.3.6',
    ...tunnel,
    send: [connect, untilClient(established), get()],
    asked,
    answers: [[ok('ok', 'Connection: close'), end]],
    upstream: [expected],
    client: [{ status: 200 }, { status: 200, body: 'ok', closes: true }],
  },
  refused(
    'a tunnel to a route',
    'Onbehalf: nothing can be attached inside',
    bare('CONNECT {host}:443 HTTP/1.1', 'Host: {host}:443'),
    '',
    {
      sides: route,
      client: [{ status: 403, code: 'call_not_allowed', closes: true }],
    },
  ),
  refused('a tunnel to where nobody is', '9110 9.3.6', bare('CONNECT {dead} HTTP/1.1', 'Host: {dead}'), '', {
    sides: unlisted,
    client: [{ status: 502, code: 'upstream_refused', closes: true }],
  }),
  refused(
    'a tunnel from outside',
    'Onbehalf: the inbound side is no proxy',
    bare('CONNECT {host}:443 HTTP/1.1', 'Host: {host}:443', '{auth}X: y'),
    '',
    {
      sides: inbound,
      client: [{ status: 400, code: 'request_malformed', closes: true }],
    },
  ),
  refused(
    'a tunnel without a port',
    '9112 3.2.3',
    bare('CONNECT a.example.com HTTP/1.1', 'Host: a.example.com'),
    '',
    {
      sides: outbound,
      client: [{ status: 400, code: 'request_malformed', closes: true }],
    },
  ),
  refused('a tunnel to a URL', '9112 3.2.3', bare('CONNECT http://{host}/ HTTP/1.1', 'Host: {host}'), '', {
    sides: everySide,
    client: [{ status: 400, code: 'request_malformed', closes: true }],
  }),
  refused(
    'a tunnel to port 0',
    '9110 9.3.6',
    bare('CONNECT a.example.com:0 HTTP/1.1', 'Host: a.example.com:0'),
    '',
    {
      sides: outbound,
      client: [{ status: 400, code: 'request_malformed', closes: true }],
    },
  ),
]
