// RFC 9110 section 5 and RFC 9112 section 5: fields of requests.
import {
  bare,
  everySide,
  get,
  inbound,
  outbound,
  passes,
  refused,
  request,
  route,
  unlisted,
  untilUpstream,
} from '../shapes.ts'
import type { Row } from '../row.ts'

function kept(name: string, rfc: string, ...lines: readonly string[]): Row {
  return passes(name, rfc, get(...lines), { lines })
}

function broken(name: string, rfc: string, line: string): Row {
  return refused(name, rfc, get('X-First: 1', line))
}

const identity = [
  'X-Pomerium-Authenticated-User-Id',
  'X-Pomerium-Authenticated-User-Email',
  'X-Pomerium-Original-User-Id',
  'X-Pomerium-Claim-Groups',
  'x_pomerium_jwt_assertion',
  'X.Pomerium.Jwt.Assertion.For',
  'X-Onbehalf-Via',
  'X~Onbehalf~Chain',
  'X-Onbehalf-Error',
]
const many = (count: number) => Array.from({ length: count }, (_, i) => `X-${i}: ${i}`)

export const headerRows: readonly Row[] = [
  kept('order, spelling and repetition', '9110 5.3', 'X-b: 1', 'x-A: 2', 'X-B: 3', 'x-a: '),
  kept('every letter of a token', '9110 5.6.2', "a!#$%&'*+.^_`|~9-Z: 1"),
  kept('names that objects have', 'Node', '__proto__: 1', 'constructor: 2', 'toString: 3'),
  kept('letters beyond ASCII', '9110 5.5: obs-text', 'X-A: \x80\xe9\xff'),
  passes(
    'letters beyond ASCII in a head that comes before its body',
    'Node: flushHeaders() writes UTF-8',
    [
      request('POST /x HTTP/1.1', ['X-A: \xe9\xff', 'Content-Length: 5']),
      untilUpstream('Content-Length: 5\r\n'),
      'hello',
    ],
    { body: 'hello', lines: ['X-A: \xe9\xff'] },
  ),
  kept('a tabulator and blanks inside', '9110 5.5', 'X-A: a\tb  c'),
  kept('quotes, commas and backslashes', '9110 5.6.4', 'X-A: "a, \\"b\\"", c'),
  kept('a value of colons', '9112 5', 'X-A: ::a:b:'),
  kept('cookies as they came', '6265 5.4', 'Cookie: a=1; b="2"', 'cookie: c=3'),
  kept("the caller's own Authorization", '9110 11.6.2', 'Authorization: Bearer own'),
  kept(
    'preconditions',
    '9110 13',
    'If-Match: "a"',
    'If-None-Match: W/"b", "c"',
    'If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT',
  ),
  kept(
    'what a client accepts',
    '9110 12.5',
    'Accept: */*;q=0.1',
    'Accept-Encoding: gzip, br',
    'Accept-Language: de',
  ),
  kept('a range', '9110 14.2', 'Range: bytes=0-1,-5'),
  kept('a priority', '9218 4', 'Priority: u=1, i'),
  kept(
    'what resembles a name of one hop',
    '9110 7.6.1',
    'Upgrade-Insecure-Requests: 1',
    'TE-X: 1',
    'Keep-Alive-X: 1',
  ),
  kept(
    'where a request comes from',
    '9110 10.1',
    'Referer: http://a/b?c',
    'Origin: null',
    'User-Agent: a (b) c/1',
    'From: a@b',
  ),
  kept(
    'a trace',
    'W3C Trace Context',
    'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  ),
  kept(
    'the type and coding of content',
    '9110 8',
    'Content-Type: a/b; c=d',
    'Content-Encoding: gzip',
    'Content-Language: de',
    'Content-Location: /y',
  ),
  passes('no User-Agent and no Accept are made up', '9110 10.1.5', get(), {
    lacks: ['user-agent', 'accept', 'accept-encoding'],
  }),
  passes('blanks around a value', '9112 5.1', get('X-A:\t  a b \t ', 'X-B:c'), {
    lines: ['X-A: a b', 'X-B: c'],
  }),
  passes('a value of blanks', '9112 5.1', get('X-A:  \t '), { lines: ['X-A: '] }),
  kept('a field of 24 KiB', 'Node: 16 KiB by default', `X-A: ${'a'.repeat(24_576)}`),
  kept('80 fields', 'Onbehalf: limits.headers', ...many(80)),
  refused('101 fields', 'Onbehalf: limits.headers', get(...many(100)), 'headers_too_large', {
    client: [{ status: 431, code: 'headers_too_large', closes: 'may' }],
  }),
  refused('fields beyond 32 KiB', '6585 5', get(`X-A: ${'a'.repeat(40_000)}`), 'headers_too_large', {
    client: [{ status: 431, code: 'headers_too_large', closes: true }],
  }),
  refused('a name beyond 32 KiB', '6585 5', get(`${'a'.repeat(40_000)}: b`), 'headers_too_large', {
    client: [{ status: 431, code: 'headers_too_large', closes: true }],
  }),
  broken('a folded field', '9112 5.2', 'X-A: b\r\n c'),
  broken('a field folded by a tabulator', '9112 5.2', 'X-A: b\r\n\tc'),
  broken('a blank before the colon', '9112 5.1', 'X-A : b'),
  broken('a tabulator before the colon', '9112 5.1', 'X-A\t: b'),
  broken('a line without a colon', '9112 5', 'hello'),
  broken('an empty name', '9110 5.1', ': b'),
  broken('a blank in a name', '9110 5.1', 'X A: b'),
  broken('a name that is no token', '9110 5.1', 'X(A): b'),
  broken('a name beyond ASCII', '9110 5.1', 'X-\xe9: b'),
  broken('a null byte', '9110 5.5', 'X-A: b\0c'),
  broken('a control character', '9110 5.5', 'X-A: b\x01c'),
  broken('a delete character', '9110 5.5', 'X-A: b\x7fc'),
  broken('a carriage return alone', '9112 2.2', 'X-A: b\rc'),
  broken('a carriage return alone before a name', '9112 2.2', 'X-A: b\rX-C: d'),
  broken('a line feed alone', '9112 2.2', 'X-A: b\nX-C: d'),
  refused('a blank before the first field', '9112 2.2', bare('GET /x HTTP/1.1', ' X-A: b', 'Host: {host}')),
  refused(
    'line feeds alone at the end of the head',
    '9112 2.2',
    'GET /x HTTP/1.1\r\nHost: {host}\r\n{auth}\n',
  ),
  ...identity.map((name) =>
    passes(
      `the identity name ${name} of a client`,
      'Onbehalf: the firewall',
      get(`${name}: forged`, 'X-Kept: 1'),
      {
        has: { 'x-kept': '1' },
      },
    ),
  ),
  refused(
    'an assertion that is none',
    'Onbehalf: README',
    bare('GET /x HTTP/1.1', 'Host: {host}', 'X-Pomerium-Jwt-Assertion: forged'),
    '',
    { sides: inbound, client: [{ status: 401, code: 'assertion_malformed' }] },
  ),
  refused('no assertion', 'Onbehalf: README', bare('GET /x HTTP/1.1', 'Host: {host}'), '', {
    sides: inbound,
    client: [{ status: 401, code: 'assertion_missing', has: { 'www-authenticate': /^Pomerium / } }],
  }),
  refused('no assertion for HEAD', '9110 9.3.2', bare('HEAD /x HTTP/1.1', 'Host: {host}'), '', {
    sides: inbound,
    client: [{ status: 401, code: 'assertion_missing' }],
  }),
  refused('two assertions', 'Onbehalf: README', get('X-Pomerium-Jwt-Assertion: forged'), '', {
    sides: inbound,
    client: [{ status: 400, code: 'request_ambiguous' }],
  }),
  refused('a lost handle', 'Onbehalf: DESIGN 4', get('X-Onbehalf-Handle: forged'), '', {
    sides: route,
    client: [{ status: 403, code: 'original_user_lost' }],
  }),
  passes(
    'a handle, to where nobody knows it',
    'Onbehalf: DESIGN 3',
    get('X-Onbehalf-Handle: forged'),
    {},
    { sides: unlisted },
  ),
  passes(
    'an assertion of the app to where nobody knows it',
    'Onbehalf: DESIGN 3',
    get('X-Pomerium-Jwt-Assertion: forged', 'X-Pomerium-Jwt-Assertion-For: forged'),
    {},
    { sides: unlisted },
  ),
  passes(
    "a route gets the service's own assertion",
    'Onbehalf: DESIGN 3',
    get('X-Pomerium-Authorization: forged'),
    {
      has: { 'x-pomerium-jwt-assertion': /^[\w-]+\.[\w-]+\.[\w-]+$/ },
    },
    { sides: route },
  ),
  {
    name: 'a request that is refused leaves the connection to the next one',
    rfc: '9112 9.3',
    sides: outbound,
    send: bare('GET /x HTTP/1.1', 'Host: a b') + request('GET /second HTTP/1.1'),
    asked: [{ method: 'GET' }, { method: 'GET' }],
    upstream: [{ line: 'GET /second HTTP/1.1' }],
    client: [
      { status: 400, code: 'request_malformed' },
      { status: 200, body: 'ok' },
    ],
  },
  {
    name: 'a head byte by byte',
    rfc: '9112 2.1',
    sides: everySide,
    send: [{ byteByByte: get('X-A: b') }],
    upstream: [{ has: { 'x-a': 'b' } }],
    client: [{ status: 200, body: 'ok' }],
  },
]
