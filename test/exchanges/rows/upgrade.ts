// RFC 9110 section 7.8: offers of another protocol.
import { answered, answer, chunked, chunks, get, passes, post, refusedOpen, request } from '../shapes.ts'
import type { Bytes, Row } from '../row.ts'

const h2c = ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__']

/** Node drops what it has read behind an offer: so nothing may follow it. */
const ends = { client: [{ status: 200, body: 'ok', closes: true }] }

/** An upstream that does not grant it answers as ever, and then the connection ends. */
function offers(name: string, upgrade: string, send: Bytes): Row {
  return passes(name, '9110 7.8', send, { has: { upgrade } }, ends)
}

export const upgradeRows: readonly Row[] = [
  offers(
    'a WebSocket',
    'websocket',
    get('Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: eA==', 'Sec-WebSocket-Version: 13'),
  ),
  offers('a WebSocket in capitals', 'WebSocket', get('Connection: UPGRADE', 'Upgrade: WebSocket')),
  offers(
    'a WebSocket that keeps alive',
    'websocket',
    get('Connection: keep-alive, Upgrade', 'Upgrade: websocket'),
  ),
  offers('TLS', 'TLS/1.0', request('OPTIONS * HTTP/1.1', ['Connection: Upgrade', 'Upgrade: TLS/1.0'])),
  offers('a protocol that nobody knows', 'x/1', get('Connection: upgrade', 'Upgrade: x/1')),
  offers('a WebSocket behind h2c', 'websocket', get('Connection: upgrade', 'Upgrade: h2c, websocket')),
  offers(
    'a WebSocket in a second field',
    'websocket',
    get('Connection: upgrade', 'Upgrade: h2c', 'Upgrade: websocket'),
  ),
  refusedOpen(
    'a WebSocket with a body',
    'Onbehalf: bytes before the change could be taken for bytes after it',
    post('hello', 'Connection: Upgrade', 'Upgrade: websocket'),
  ),
  passes(
    'an offer of h2c is not taken',
    '9113 C: obsolete',
    get(...h2c),
    { lacks: ['upgrade', 'http2-settings'] },
    ends,
  ),
  passes('an offer of h2c beside a body', '9113 C: obsolete', post('hello', ...h2c), { body: 'hello' }, ends),
  passes(
    'an offer of h2c beside chunks',
    '9113 C: obsolete',
    chunked(chunks('hello'), ...h2c),
    { body: 'hello' },
    ends,
  ),
  passes(
    'an offer of h2c in HTTP/1.0',
    '9110 7.8: MUST be ignored',
    request('GET /x HTTP/1.0', h2c),
    { line: 'GET /x HTTP/1.1' },
    {
      client: [{ status: 200, body: 'ok', closes: true }],
    },
  ),
  passes('an Upgrade that Connection does not name', '9110 7.8', get('Upgrade: websocket'), {
    lacks: ['upgrade'],
  }),
  passes(
    'a Connection that names an Upgrade that is not there',
    '9110 7.6.1',
    get('Connection: Upgrade'),
    { lacks: ['upgrade'] },
    ends,
  ),
  passes(
    'an Upgrade in HTTP/1.0',
    '9110 7.8: MUST be ignored',
    request('GET /x HTTP/1.0', ['Connection: Upgrade', 'Upgrade: websocket']),
    { line: 'GET /x HTTP/1.1' },
    { client: [{ status: 200, body: 'ok', closes: true }] },
  ),
  answered(
    '426 of an upstream',
    '9110 15.5.22',
    answer('426 Upgrade Required', ['Upgrade: x/1', 'Connection: Upgrade', 'Content-Length: 0']),
    {
      status: 426,
      body: '',
    },
  ),
  answered(
    'an upstream that offers h2c',
    '9110 7.8',
    answer('200 OK', ['Upgrade: h2c', 'Connection: Upgrade', 'Content-Length: 2'], 'ok'),
    {
      status: 200,
      body: 'ok',
      lacks: ['upgrade'],
    },
  ),
]
