// RFC 9112 section 3.2.2 and RFC 9110 section 7.3: what apps say to a proxy.
import { bare, ok, outbound, passes, refused, request, route, unlisted } from '../shapes.ts'
import type { Row } from '../row.ts'

const line = 'GET /x HTTP/1.1'

export const proxyFormRows: readonly Row[] = [
  passes(
    'as curl says it',
    '9112 3.2.2',
    request('GET http://{host}/x HTTP/1.1', [
      'User-Agent: curl/8',
      'Accept: */*',
      'Proxy-Connection: Keep-Alive',
    ]),
    {
      line,
      has: { host: '{host}', 'user-agent': 'curl/8', accept: '*/*' },
      lacks: ['proxy-connection'],
    },
    { sides: outbound },
  ),
  passes(
    'as wget says it',
    '9112 3.2.2',
    request('GET http://{host}/x HTTP/1.0', ['Proxy-Connection: Keep-Alive', 'Connection: Keep-Alive']),
    {
      line,
    },
    { sides: outbound },
  ),
  passes(
    'credentials for the proxy stay here',
    '9110 11.7.2',
    request('GET http://{host}/x HTTP/1.1', ['Proxy-Authorization: Basic eA==']),
    {
      line,
      lacks: ['proxy-authorization'],
    },
    { sides: outbound },
  ),
  passes(
    'a body',
    '9112 3.2.2',
    request('POST http://{host}/x HTTP/1.1', ['Content-Length: 5'], 'hello'),
    {
      line: 'POST /x HTTP/1.1',
      body: 'hello',
    },
    { sides: outbound },
  ),
  passes('a path alone, with Host', '9112 3.2.1', request('GET /x HTTP/1.1'), {}, { sides: outbound }),
  passes(
    'a path that holds an absolute URL',
    '9112 3.2.1',
    request('GET /http://other.example.com/ HTTP/1.1'),
    {},
    { sides: outbound },
  ),
  passes(
    'a query that holds an absolute URL',
    '9112 3.2.1',
    request('GET http://{host}/?u=http://a/b HTTP/1.1'),
    {
      line: 'GET /?u=http://a/b HTTP/1.1',
    },
    { sides: outbound },
  ),
  passes(
    'an escaped path',
    '9110 4.2.3: not normalised',
    request('GET http://{host}/%7Ea/%2F/./b HTTP/1.1'),
    {
      line: 'GET /%7Ea/%2F/./b HTTP/1.1',
    },
    { sides: outbound },
  ),
  passes(
    'the default port, said once',
    '9110 4.2.3',
    bare('GET http://{host}:80/x HTTP/1.1', 'Host: {host}'),
    {
      line,
      has: { host: '{host}' },
    },
    { sides: route },
  ),
  {
    name: 'two upstreams on one connection of a client',
    rfc: '9112 9.3.1',
    sides: unlisted,
    send:
      request('GET http://{host}/a HTTP/1.1') +
      bare('GET http://{dead}/b HTTP/1.1', 'Host: {dead}') +
      request('GET http://{host}/c HTTP/1.1'),
    asked: [{ method: 'GET' }, { method: 'GET' }, { method: 'GET' }],
    answers: [ok('a'), ok('c')],
    upstream: [{ line: 'GET /a HTTP/1.1' }, { line: 'GET /c HTTP/1.1' }],
    client: [
      { status: 200, body: 'a' },
      { status: 502, code: 'upstream_refused' },
      { status: 200, body: 'c' },
    ],
  },
  refused(
    'an absolute target and another Host',
    '9112 3.2.2',
    bare('GET http://{host}/x HTTP/1.1', 'Host: other.example.com'),
    '',
    {
      sides: outbound,
      client: [{ status: 400, code: 'request_ambiguous', closes: 'may' }],
    },
  ),
  refused(
    'an absolute target and an empty Host',
    '9112 3.2',
    bare('GET http://{host}/x HTTP/1.1', 'Host:'),
    '',
    {
      sides: outbound,
      client: [{ status: 400, code: 'request_malformed', closes: 'may' }],
    },
  ),
  refused(
    'an upstream that is not there',
    '9110 15.6.3',
    bare('GET http://{dead}/x HTTP/1.1', 'Host: {dead}'),
    '',
    {
      sides: unlisted,
      client: [{ status: 502, code: 'upstream_refused' }],
    },
  ),
  refused(
    'a body for an upstream that is not there',
    '9112 9.6',
    bare('POST http://{dead}/x HTTP/1.1', 'Host: {dead}', 'Content-Length: 100000') + 'a'.repeat(100_000),
    '',
    {
      sides: unlisted,
      client: [{ status: 502, code: 'upstream_refused', closes: 'may' }],
    },
  ),
]
