// RFC 9112 sections 2.2, 2.3 and 3: request lines, and what may stand before them.
import { bare, everySide, get, inbound, outbound, passes, refused, refusedOpen, request } from '../shapes.ts'
import type { Row } from '../row.ts'

const longPath = `/${'a'.repeat(8_191)}`
const methods = ['PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'REPORT', 'PURGE', 'MKCALENDAR', 'QUERY']

export const requestLineRows: readonly Row[] = [
  passes('a plain request', '9112 3', get()),
  passes(
    'a path and a query pass byte for byte',
    '9112 3.2.1',
    request('GET //a/./b/../c;d=1/%7Eu/%2f%00?x=%20&y=/../&z=??a[]{}|^`\\" HTTP/1.1'),
  ),
  passes('a root', '9112 3.2.1', request('GET / HTTP/1.1')),
  passes('a query without a path of its own', '9112 3.2.1', request('GET /?q HTTP/1.1')),
  passes('a URL of 8 KiB', '9110 4.1', request(`GET ${longPath} HTTP/1.1`)),
  ...methods.map((method) =>
    passes(`the method ${method}`, '9110 9.1', request(`${method} /x HTTP/1.1`, ['Content-Length: 0'])),
  ),
  passes('an empty line before the request', '9112 2.2', `\r\n${get()}`),
  passes('several empty lines before the request', '9112 2.2', `\r\n\r\n\r\n${get()}`),
  passes('a line feed before the request', 'Node; 9112 2.2 may take it', `\n${get()}`),
  passes('two blanks before the target', 'Node; 9112 3 may take it', request('GET  /x HTTP/1.1'), {
    line: 'GET /x HTTP/1.1',
  }),
  passes('an absolute target becomes a path', '9112 3.2.2', request('GET http://{host}/x?y HTTP/1.1'), {
    line: 'GET /x?y HTTP/1.1',
    has: { host: '{host}' },
  }),
  passes('an absolute target without a path', '9112 3.2.1', request('GET http://{host} HTTP/1.1'), {
    line: 'GET / HTTP/1.1',
  }),
  passes('an absolute target with a query alone', '9112 3.2.1', request('GET http://{host}?q HTTP/1.1'), {
    line: 'GET /?q HTTP/1.1',
  }),
  passes('a scheme in capitals', '9110 4.2.3', request('GET HTTP://{host}/x HTTP/1.1'), {
    line: 'GET /x HTTP/1.1',
  }),
  passes(
    'a secure absolute target at a gateway',
    '9112 3.2.2',
    request('GET https://{host}/x HTTP/1.1'),
    { line: 'GET /x HTTP/1.1' },
    { sides: inbound },
  ),
  refused(
    'a URL beyond the limit',
    '9112 3',
    request(`GET /${'a'.repeat(40_000)} HTTP/1.1`),
    'headers_too_large',
    {
      client: [{ status: 431, code: 'headers_too_large', closes: true }],
    },
  ),
  refused('no version', 'Node: HTTP/0.9 is not served', request('GET /x')),
  refused('HTTP/0.9', 'Node: HTTP/0.9 is not served', request('GET /x HTTP/0.9')),
  refused('HTTP/1.2', 'Node: 1.0 and 1.1 are served', request('GET /x HTTP/1.2')),
  refused('HTTP/2.0 in text', '9112 2.3', request('GET /x HTTP/2.0')),
  refused('HTTP/3.0 in text', '9112 2.3', request('GET /x HTTP/3.0')),
  refused('a part of the preface of HTTP/2', '9113 3.4', 'PRI * HTTP/2.0\r\r\n\r\n', 'request_malformed', {
    client: 'no success',
  }),
  refused('a version in lower case', '9112 2.3: case-sensitive', request('GET /x http/1.1')),
  refused('a version with a digit more', '9112 2.3', request('GET /x HTTP/1.10')),
  refused('a version without a minor one', '9112 2.3', request('GET /x HTTP/1')),
  refused('another protocol', '9112 2.3', request('GET /x ICE/1.1')),
  refused('something behind the version', '9112 3', request('GET /x HTTP/1.1 x')),
  refused('a blank behind the version', '9112 3', request('GET /x HTTP/1.1 ')),
  refused('a blank before the request', '9112 3', ` ${get()}`),
  refused('tabulators between the words', '9112 3', request('GET\t/x\tHTTP/1.1')),
  refused('a blank in the target', '9112 3.2', request('GET /a b HTTP/1.1')),
  refused('no target', '9112 3.2', request('GET HTTP/1.1')),
  refused('no method', '9112 3.1', request('/x HTTP/1.1')),
  refused('a method in lower case', '9112 3.1: case-sensitive', request('get /x HTTP/1.1')),
  refused('a method that nobody knows', 'Node: 9110 9.1 says 501', request('SMUGGLE /x HTTP/1.1')),
  refused('a method that is no token', '9112 3.1', request('G@T /x HTTP/1.1')),
  refused('a target that is no path', '9112 3.2', request('GET x HTTP/1.1')),
  refused('an authority as the target of GET', '9112 3.2.3', request('GET {host}:80 HTTP/1.1')),
  refusedOpen('a star as the target of GET', '9112 3.2.4', request('GET * HTTP/1.1')),
  refusedOpen('a fragment in the target', '9112 3.2', request('GET /x#y HTTP/1.1')),
  refused('a letter beyond ASCII in the target', '3986 2', request('GET /\xe9 HTTP/1.1')),
  refused('a delete character in the target', '3986 2', request('GET /\x7f HTTP/1.1')),
  refused('a null byte in the target', '3986 2', request('GET /a\0b HTTP/1.1')),
  refusedOpen('another scheme', '9112 3.2.2', request('GET ftp://{host}/x HTTP/1.1')),
  refusedOpen('user information in the target', '9110 4.2.4', request('GET http://root@{host}/x HTTP/1.1')),
  refusedOpen('an absolute target without a host', '9110 4.2.1', request('GET http:///x HTTP/1.1')),
  refused(
    'an absolute target of another host than Host',
    '9112 3.2.2: refused here, where a proxy would replace Host',
    request('GET http://elsewhere.example.com/x HTTP/1.1'),
    'request_ambiguous',
    { client: [{ status: 400, code: 'request_ambiguous', closes: 'may' }] },
  ),
  refused('an absolute target without Host', '9112 3.2', bare('GET http://{host}/x HTTP/1.1'), undefined, {
    sides: outbound,
    client: [{ status: 400, code: 'request_malformed', closes: 'may' }],
  }),
  refused('line feeds alone', '9112 2.2', 'GET /x HTTP/1.1\nHost: {host}\n\n'),
  refused(
    'a line feed alone behind the request line',
    '9112 2.2',
    `GET /x HTTP/1.1\n${bare('Host: {host}')}`,
  ),
  refused('a carriage return alone in the request line', '9112 2.2', request('GET /x\rHTTP/1.1')),
  refused('a carriage return alone behind the request line', '9112 2.2', `GET /x HTTP/1.1\rHost: a\r\n\r\n`),
  refused('no HTTP', '9112 3', 'hello\r\n\r\n'),
  // Inbound TLS is spoken: what comes of such a handshake there is another table's.
  refused('a TLS handshake', '8446 4.1.2', '\x16\x03\x01\x00\x05hello\r\n\r\n', undefined, {
    sides: ['route', 'unlisted'],
    client: 'no success',
  }),
  {
    name: 'a connection that ends before it said anything',
    rfc: '9112 8',
    sides: everySide,
    send: [{ act: 'end' }],
    upstream: [],
    client: 'no success',
  },
  {
    name: 'a head that ends too early',
    rfc: '9112 8',
    sides: everySide,
    send: ['GET /x HTTP/1.1\r\nHost: {host}\r\n{auth}', { act: 'end' }],
    upstream: [],
    client: 'no success',
  },
]
