// RFC 9110 section 7.6.3, RFC 7239, and the older X-Forwarded-*: what one hop says of itself to the next.
import { get, inbound, inMesh, outbound, passes, refused, request, unlisted } from '../shapes.ts'
import type { ExpectedRequest, Row } from '../row.ts'

function forwarded(
  name: string,
  rfc: string,
  lines: readonly string[],
  has: ExpectedRequest['has'] = {},
): Row {
  return passes(name, rfc, get(...lines), { has }, { sides: inbound })
}

const names = ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'forwarded']

export const forwardingRows: readonly Row[] = [
  forwarded('who is before the sidecar', 'de facto', [], {
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-proto': 'http',
    'x-forwarded-host': '{host}',
    forwarded: [],
  }),
  forwarded('who was before that', 'de facto', ['X-Forwarded-For: 192.0.2.1'], {
    'x-forwarded-for': '192.0.2.1, 127.0.0.1',
  }),
  forwarded(
    'a list becomes one line',
    'de facto',
    ['X-Forwarded-For: 192.0.2.1, 192.0.2.2', 'x-forwarded-for: 192.0.2.3'],
    {
      'x-forwarded-for': '192.0.2.1, 192.0.2.2, 192.0.2.3, 127.0.0.1',
    },
  ),
  forwarded('an empty list', 'de facto', ['X-Forwarded-For:'], { 'x-forwarded-for': '127.0.0.1' }),
  forwarded(
    'what an edge said stays',
    'de facto',
    [
      'X-Forwarded-Proto: https',
      'X-Forwarded-Host: shop.example.com',
      'X-Forwarded-Port: 443',
      'X-Real-IP: 192.0.2.1',
    ],
    {
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'shop.example.com',
      'x-forwarded-port': '443',
      'x-real-ip': '192.0.2.1',
    },
  ),
  forwarded('Forwarded is continued', '7239 4', ['Forwarded: for=192.0.2.1;proto=https;by=_a'], {
    forwarded: 'for=192.0.2.1;proto=https;by=_a, for=127.0.0.1;proto=http',
  }),
  forwarded(
    'Forwarded in two lines',
    '7239 7.1',
    ['Forwarded: for=192.0.2.1', 'forwarded: for="[2001:db8::1]:80"'],
    {
      forwarded: 'for=192.0.2.1, for="[2001:db8::1]:80", for=127.0.0.1;proto=http',
    },
  ),
  passes(
    'an app that calls is not told on',
    'privacy of callers',
    get(),
    { lacks: names },
    { sides: outbound },
  ),
  passes(
    'what an app says of who was before it passes',
    '7239 5',
    get(
      'X-Forwarded-For: 192.0.2.1',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Host: a',
      'Forwarded: for=192.0.2.1',
    ),
    {
      has: {
        'x-forwarded-for': '192.0.2.1',
        'x-forwarded-proto': 'https',
        'x-forwarded-host': 'a',
        forwarded: 'for=192.0.2.1',
      },
    },
    { sides: outbound },
  ),
  passes('Via names the sidecar', '9110 7.6.3', get(), { has: { via: '1.1 {via}' } }, { sides: inMesh }),
  passes(
    'Via of HTTP/1.0',
    '9110 7.6.3: the version received',
    request('GET /x HTTP/1.0'),
    {
      line: 'GET /x HTTP/1.1',
      has: { via: '1.0 {via}' },
    },
    { sides: inMesh, client: [{ status: 200, body: 'ok', closes: true }] },
  ),
  passes(
    'Via behind what came',
    '9110 7.6.3',
    get('Via: 1.0 fred, 1.1 p.example.com (a, b)'),
    {
      has: { via: '1.0 fred, 1.1 p.example.com (a, b), 1.1 {via}' },
    },
    { sides: inMesh },
  ),
  passes(
    'Via in two lines',
    '9110 7.6.3',
    get('Via: 1.0 fred', 'via: HTTP/1.1 p:80'),
    {
      has: { via: '1.0 fred, HTTP/1.1 p:80, 1.1 {via}' },
    },
    { sides: inMesh },
  ),
  passes(
    'no Via to where nobody expects one',
    'nginx: gzip_proxied',
    get(),
    { lacks: ['via'] },
    { sides: unlisted },
  ),
  passes(
    "an app's own Via passes",
    '9110 7.6.3',
    get('Via: 1.0 fred'),
    { has: { via: '1.0 fred' } },
    { sides: unlisted },
  ),
  passes(
    'a Via that resembles ours',
    '9110 7.6.3',
    get('Via: 1.1 onbehalf-00000000'),
    {
      has: { via: '1.1 onbehalf-00000000, 1.1 {via}' },
    },
    { sides: inMesh },
  ),
  refused(
    'a request that was here before',
    '9110 7.6.3: loops',
    get('Via: 1.1 fred, 1.1 {via}, 1.1 other'),
    '',
    {
      sides: inMesh,
      client: [{ status: 421, code: 'route_not_found', closes: 'may' }],
    },
  ),
  refused(
    'a request that was here before, with a comment',
    '9110 7.6.3: loops',
    get('Via: HTTP/1.1 {via} (a)'),
    '',
    {
      sides: inMesh,
      client: [{ status: 421, code: 'route_not_found', closes: 'may' }],
    },
  ),
]
