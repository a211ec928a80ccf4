// RFC 9110 section 9.2.2: what is sent again, and what never is.
import {
  answered,
  badGateway,
  chunked,
  chunks,
  end,
  everySide,
  get,
  ok,
  post,
  request,
  reset,
  roundTrip,
  served,
  untilClient,
  untilUpstream,
} from '../shapes.ts'
import type { Bytes, Row } from '../row.ts'

const idempotent = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']
const others = ['POST', 'PATCH']

/** The first request leaves a connection behind, and the second one finds it dead. */
function stale(method: string, isRepeated: boolean): Row {
  const body = method === 'HEAD' ? '' : 'second'
  const line = `${method} /second HTTP/1.1`
  return {
    name: `${method} on a connection that was used before and ends without an answer`,
    rfc: '9112 9.3.1',
    sides: everySide,
    send: [get(), untilClient('ok'), request(line, ['Content-Length: 5'], 'hello')],
    asked: [{ method: 'GET' }, { method }],
    answers: [ok(), end1, ok('second')],
    upstream: [
      {},
      ...(isRepeated
        ? [
            { line, body: 'hello' },
            { line, body: 'hello' },
          ]
        : [{ line, body: 'hello' }]),
    ],
    client: [served, isRepeated ? { status: 200, body } : { status: 502, code: 'upstream_reset' }],
  }
}

const end1: Bytes = [end]

function fresh(method: string, isRepeated: boolean): Row {
  const line = `${method} /x HTTP/1.1`
  const body = method === 'HEAD' ? '' : 'ok'
  return {
    name: `${method} on a new connection that is reset without an answer`,
    rfc: '9110 9.2.2',
    sides: everySide,
    send: request(line, ['Content-Length: 5'], 'hello'),
    answers: [[reset], ok()],
    upstream: isRepeated ? [{ body: 'hello' }, { body: 'hello' }] : [{ body: 'hello' }],
    client: [isRepeated ? { status: 200, body } : { status: 502, code: 'upstream_reset' }],
  }
}

const twice = { upstream: [{}, {}] }
const thrice = { upstream: [{}, {}, {}] }

export const againRows: readonly Row[] = [
  ...idempotent.map((method) => stale(method, true)),
  ...others.map((method) => stale(method, false)),
  ...idempotent.map((method) => fresh(method, true)),
  ...others.map((method) => fresh(method, false)),
  answered('an end without an answer, then an answer', '9110 9.2.2', '', served, {
    answers: [[end], ok()],
    ...twice,
  }),
  badGateway('no answer, three times', '9110 9.2.2', '', 'upstream_reset', {
    answers: [[end], [end], [end], ok('fourth')],
    ...thrice,
  }),
  badGateway('a reset, three times', '9110 9.2.2', '', 'upstream_reset', {
    answers: [[reset], [reset], [reset], ok('fourth')],
    ...thrice,
  }),
  answered('chunks and trailers are sent again as they were', '9110 9.2.2', '', served, {
    send: request('PUT /x HTTP/1.1', ['Transfer-Encoding: chunked'], chunks('hello', 'X-A: b')),
    answers: [[reset], ok()],
    upstream: [
      { body: 'hello', trailers: ['X-A: b'] },
      { body: 'hello', trailers: ['X-A: b'] },
    ],
  }),
  badGateway('chunks of POST are never sent again', '9110 9.2.2', [reset], 'upstream_reset', {
    send: chunked(chunks('hello')),
    upstream: [{ body: 'hello' }],
  }),
  answered('a body of 60 KiB is sent again', '9110 9.2.2', '', served, {
    send: request('PUT /x HTTP/1.1', ['Content-Length: 61440'], 'a'.repeat(61_440)),
    answers: [[reset], ok()],
    upstream: [{ body: 'a'.repeat(61_440) }, { body: 'a'.repeat(61_440) }],
  }),
  badGateway('a body of 80 KiB is not', '9110 9.2.2', [reset], 'upstream_reset', {
    send: request('PUT /x HTTP/1.1', ['Content-Length: 81920'], 'a'.repeat(81_920)),
    upstream: [{ body: 'a'.repeat(81_920) }],
  }),
  {
    name: 'a body whose rest comes when the first try is over',
    rfc: '9110 9.2.2',
    sides: everySide,
    send: [
      request('PUT /x HTTP/1.1', ['Content-Length: 9'], 'first'),
      untilUpstream('first'),
      roundTrip,
      roundTrip,
      'last',
    ],
    early: true,
    answers: [
      [untilUpstream('first'), reset],
      [untilUpstream('last'), ok()],
    ],
    upstream: [{ body: 'firstlast' }],
    abandoned: 1,
    client: [{ status: 200, body: 'ok' }],
  },
  badGateway('one byte of an answer is an answer', '9110 9.2.2', '', 'upstream_reset', {
    answers: [['H', end], ok('again')],
  }),
  answered('a 503 is an answer', '9110 9.2.2', 'HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n', {
    status: 503,
    body: '',
  }),
  answered(
    'a body of POST to a connection that is dead is not lost in silence',
    '9112 9.3.1',
    [end],
    { status: 502, code: 'upstream_reset' },
    {
      send: post('hello'),
      upstream: [{ body: 'hello' }],
    },
  ),
]
