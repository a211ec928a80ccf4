// RFC 9112 section 6.3, RFC 9110 sections 8.6, 9.3.2 and 15: answers that have no body, whatever they say.
import { answer, answered, chunks, end, ok, okChunked, post, request } from '../shapes.ts'
import type { Bytes, ExpectedAnswer, Row } from '../row.ts'

const poison = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison'

function head(name: string, rfc: string, bytes: Bytes, expected: Partial<ExpectedAnswer> = {}): Row {
  return answered(
    name,
    rfc,
    bytes,
    { status: 200, body: '', ...expected },
    { send: request('HEAD /x HTTP/1.1') },
  )
}

export const headAndEmptyRows: readonly Row[] = [
  head('HEAD with a length', '9110 9.3.2', answer('200 OK', ['Content-Length: 1000', 'ETag: "a"']), {
    has: { 'content-length': '1000', etag: '"a"' },
  }),
  head('HEAD with a length of 0', '9110 8.6', answer('200 OK', ['Content-Length: 0']), {
    has: { 'content-length': '0' },
  }),
  head('HEAD without a length', '9110 9.3.2', answer('200 OK', ['ETag: "a"']), { lacks: ['content-length'] }),
  head('HEAD without a length, and the upstream closes', '9112 6.3', [answer('200 OK', []), end], {
    lacks: ['content-length'],
  }),
  head('HEAD with chunks announced', '9112 6.1', answer('200 OK', ['Transfer-Encoding: chunked']), {
    lacks: ['content-length'],
  }),
  head('HEAD with an illegal body by its length', '9112 6.3', ok('poison'), {
    has: { 'content-length': '6' },
  }),
  head('HEAD with an illegal body in chunks', '9112 6.3', okChunked(chunks('poison'))),
  head(
    'HEAD with an answer behind the answer',
    '9112 9.2',
    [answer('200 OK', ['Content-Length: 2']), poison],
    {
      has: { 'content-length': '2' },
    },
  ),
  head('HEAD that is not found', '9110 9.3.2', answer('404 Not Found', ['Content-Length: 9']), {
    status: 404,
    has: { 'content-length': '9' },
  }),
  answered('204', '9110 15.3.5', answer('204 No Content', ['X-A: b']), {
    status: 204,
    has: { 'x-a': 'b' },
    lacks: ['content-length', 'transfer-encoding'],
  }),
  answered('204 with a length of 0', '9110 8.6: MUST NOT', answer('204 No Content', ['Content-Length: 0']), {
    status: 204,
    lacks: ['content-length'],
  }),
  answered(
    '204 with an illegal body by its length',
    '9112 6.3',
    answer('204 No Content', ['Content-Length: 6'], 'poison'),
    {
      status: 204,
      lacks: ['content-length'],
    },
  ),
  answered(
    '204 with an illegal body in chunks',
    '9112 6.1: MUST NOT',
    answer('204 No Content', ['Transfer-Encoding: chunked'], chunks('poison')),
    { status: 204, lacks: ['transfer-encoding'] },
  ),
  answered('204 with an answer behind it', '9112 9.2', answer('204 No Content', [], poison), { status: 204 }),
  answered(
    '204 of DELETE',
    '9110 9.3.5',
    answer('204 No Content', []),
    { status: 204 },
    {
      send: request('DELETE /x HTTP/1.1'),
    },
  ),
  answered('205 with a length of 0', '9110 15.3.6', answer('205 Reset Content', ['Content-Length: 0']), {
    status: 205,
    body: '',
    has: { 'content-length': '0' },
  }),
  answered(
    '205 in chunks',
    '9110 15.3.6',
    answer('205 Reset Content', ['Transfer-Encoding: chunked'], '0\r\n\r\n'),
    {
      status: 205,
      body: '',
    },
  ),
  answered('304', '9110 15.4.5', answer('304 Not Modified', ['ETag: "a"', 'Vary: X']), {
    status: 304,
    has: { etag: '"a"', vary: 'X' },
    lacks: ['content-length', 'transfer-encoding'],
  }),
  answered('304 keeps its length', '9110 8.6', answer('304 Not Modified', ['Content-Length: 1000']), {
    status: 304,
    has: { 'content-length': '1000' },
  }),
  answered(
    '304 with chunks announced',
    '9112 6.1',
    answer('304 Not Modified', ['Transfer-Encoding: chunked']),
    {
      status: 304,
    },
  ),
  answered(
    '304 with an illegal body',
    '9112 6.3',
    answer('304 Not Modified', ['Content-Length: 6'], 'poison'),
    {
      status: 304,
      has: { 'content-length': '6' },
    },
  ),
  answered('304 with an answer behind it', '9112 9.2', answer('304 Not Modified', [], poison), {
    status: 304,
  }),
  answered('200 with a length of 0', '9112 6.3', ok(''), { status: 200, has: { 'content-length': '0' } }),
  answered('200 with chunks and no body', '9112 7.1', okChunked('0\r\n\r\n'), {
    status: 200,
    framing: 'chunked',
  }),
  answered('200 that ends at once', '9112 6.3', [answer('200 OK', []), end], { status: 200 }),
  answered(
    '201 without a body',
    '9110 15.3.2',
    answer('201 Created', ['Location: /y', 'Content-Length: 0']),
    {
      status: 201,
      has: { location: '/y', 'content-length': '0' },
    },
    { send: request('PUT /x HTTP/1.1', ['Content-Length: 0']) },
  ),
  answered(
    '303 without a body',
    '9110 15.4.4',
    answer('303 See Other', ['Location: /y', 'Content-Length: 0']),
    {
      status: 303,
      has: { location: '/y' },
    },
    { send: post('hello'), upstream: [{ body: 'hello' }] },
  ),
]
