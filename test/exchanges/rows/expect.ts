// RFC 9110 section 10.1.1: Expect. The sidecar itself says 100, when a body may come.
import {
  answer,
  answered,
  bare,
  everySide,
  get,
  inbound,
  ok,
  passes,
  post,
  refused,
  request,
  served,
  unlisted,
  untilClient,
  chunked,
  chunks,
} from '../shapes.ts'
import type { Row } from '../row.ts'

const continued = { ...served, interim: [{ status: 100 }] }
const head = request('POST /x HTTP/1.1', ['Expect: 100-continue', 'Content-Length: 5'])

export const expectRows: readonly Row[] = [
  passes(
    'a body that waits for 100',
    '9110 10.1.1',
    [head, untilClient('100 Continue\r\n\r\n'), 'hello'],
    { body: 'hello', lacks: ['expect'] },
    { client: [continued] },
  ),
  passes(
    'chunks that wait for 100',
    '9110 10.1.1',
    [chunked('', 'Expect: 100-continue'), untilClient('100 Continue\r\n\r\n'), chunks('hello')],
    { body: 'hello', lacks: ['expect'] },
    { client: [continued] },
  ),
  passes(
    'an expectation in capitals',
    '9110 10.1.1: case-insensitive',
    [
      request('POST /x HTTP/1.1', ['EXPECT: 100-CONTINUE', 'Content-Length: 5']),
      untilClient('100 Continue\r\n\r\n'),
      'hello',
    ],
    { body: 'hello', lacks: ['expect'] },
    { client: [continued] },
  ),
  passes(
    'a body that does not wait',
    '9110 10.1.1',
    post('hello', 'Expect: 100-continue'),
    { body: 'hello', lacks: ['expect'] },
    { client: [{ ...served, interim: '100?' }] },
  ),
  passes(
    'an expectation without a body',
    '9110 10.1.1',
    get('Expect: 100-continue'),
    { lacks: ['expect'] },
    { client: [{ ...served, interim: '100?', closes: 'may' }] },
  ),
  passes(
    'an expectation in HTTP/1.0 is ignored',
    '9110 10.1.1',
    request('POST /x HTTP/1.0', ['Expect: 100-continue', 'Content-Length: 5'], 'hello'),
    { line: 'POST /x HTTP/1.1', body: 'hello', lacks: ['expect'] },
    { client: [{ ...served, closes: true }] },
  ),
  refused('another expectation', '9110 10.1.1', get('Expect: a-miracle'), undefined, {
    client: [{ status: 400, code: 'request_malformed', closes: 'may' }],
  }),
  refused(
    'another expectation beside 100',
    '9110 10.1.1',
    get('Expect: 100-continue, a-miracle'),
    undefined,
    {
      client: [{ status: 400, code: 'request_malformed', closes: 'may' }],
    },
  ),
  refused(
    'a refused request gets no 100',
    '9110 10.1.1',
    bare('POST /x HTTP/1.1', 'Host: {host}', 'Expect: 100-continue', 'Content-Length: 5'),
    undefined,
    { sides: inbound, client: [{ status: 401, code: 'assertion_missing', closes: true }] },
  ),
  refused(
    'no 100 before the upstream is connected',
    '9110 10.1.1',
    bare('POST /x HTTP/1.1', 'Host: {dead}', 'Expect: 100-continue', 'Content-Length: 5'),
    undefined,
    { sides: unlisted, client: [{ status: 502, code: 'upstream_refused', closes: true }] },
  ),
  {
    name: 'a final answer instead of the body',
    rfc: '9110 10.1.1',
    sides: everySide,
    send: head,
    early: true,
    answers: [answer('413 Content Too Large', ['Content-Length: 2', 'Connection: close'], 'no')],
    upstream: 'never whole',
    client: [{ status: 413, body: 'no', closes: true, interim: '100?' }],
  },
  {
    name: 'a 100 of the upstream beside that of the sidecar',
    rfc: '9110 15.2: a proxy that asked for it itself',
    sides: everySide,
    send: [head, untilClient('100 Continue\r\n\r\n'), 'hello'],
    answers: [`HTTP/1.1 100 Continue\r\n\r\n${ok()}`],
    upstream: [{ body: 'hello' }],
    client: [continued],
  },
  answered(
    'a 417 of the upstream',
    '9110 15.5.18',
    answer('417 Expectation Failed', ['Content-Length: 0']),
    { status: 417, interim: [{ status: 100 }] },
    { send: [head, untilClient('100 Continue\r\n\r\n'), 'hello'], upstream: [{ body: 'hello' }] },
  ),
  answered('a 100 that nobody asked for', '9110 15.2.1', `HTTP/1.1 100 Continue\r\n\r\n${ok()}`, {
    ...served,
    interim: '100?',
  }),
]
