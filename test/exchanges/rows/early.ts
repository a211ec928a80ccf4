// RFC 9112 section 9.6, RFC 9110 section 10.1.1: answers that come before the request's end.
import {
  answer,
  bare,
  chunk,
  chunked,
  end,
  everySide,
  inbound,
  ok,
  request,
  reset,
  roundTrip,
  untilClient,
  untilUpstream,
} from '../shapes.ts'
import type { Row } from '../row.ts'

const size = 4 * 1024 * 1024
const large = 'a'.repeat(size)
const head = request('POST /x HTTP/1.1', [`Content-Length: ${size}`])
const tooLarge = answer('413 Content Too Large', ['Content-Length: 2', 'Connection: close'], 'no')
const closing = { status: 413, body: 'no', closes: true }

export const earlyRows: readonly Row[] = [
  {
    name: 'a refusal of a large body, and the upstream hangs up',
    rfc: '9112 9.6',
    sides: everySide,
    send: head + large,
    early: true,
    answers: [[tooLarge, end]],
    upstream: 'perhaps',
    client: [closing],
  },
  {
    name: 'a refusal of a large body, and the upstream breaks off',
    rfc: '9112 9.6',
    sides: everySide,
    send: [head, 'a', untilClient('no'), large.slice(1)],
    early: true,
    answers: [[tooLarge, untilClient('no'), reset]],
    upstream: 'perhaps',
    client: [closing],
  },
  {
    name: 'a refusal while the body comes slowly',
    rfc: '9112 9.6',
    sides: everySide,
    send: [head, 'a', untilClient('no'), 'aaaa'],
    early: true,
    answers: [tooLarge],
    upstream: 'perhaps',
    client: [closing],
  },
  {
    name: 'a good answer before the end of the body',
    rfc: '9112 9.6',
    sides: everySide,
    send: [request('POST /x HTTP/1.1', ['Content-Length: 9'], 'first'), untilClient('ok'), 'last'],
    early: true,
    answers: [[untilUpstream('first'), ok()]],
    upstream: 'perhaps',
    client: [{ status: 200, body: 'ok', closes: true }],
  },
  {
    name: 'a good answer before the end of chunks',
    rfc: '9112 9.6',
    sides: everySide,
    send: [chunked(chunk('first')), untilClient('ok'), `${chunk('last')}0\r\n\r\n`],
    early: true,
    answers: [[untilUpstream('first'), ok()]],
    upstream: 'perhaps',
    client: [{ status: 200, body: 'ok', closes: true }],
  },
  {
    name: 'an answer that grows with the body, as an echo does',
    rfc: '9112 9.3',
    sides: everySide,
    send: [chunked(chunk('one')), untilClient('ONE'), `${chunk('two')}0\r\n\r\n`],
    early: true,
    answers: [
      [
        answer('200 OK', ['Transfer-Encoding: chunked']),
        untilUpstream('one'),
        chunk('ONE'),
        untilUpstream('two'),
        `${chunk('TWO')}0\r\n\r\n`,
      ],
    ],
    upstream: [{ body: 'onetwo' }],
    client: [{ status: 200, body: 'ONETWO', closes: true }],
  },
  {
    name: 'a refusal of ours before a large body',
    rfc: '9112 9.6',
    sides: inbound,
    send: bare('POST /x HTTP/1.1', 'Host: {host}', `Content-Length: ${size}`) + large,
    upstream: [],
    client: [{ status: 401, code: 'assertion_missing', closes: true }],
  },
  {
    name: 'a refusal of ours before endless chunks',
    rfc: '9112 9.6',
    sides: inbound,
    send: [
      bare('POST /x HTTP/1.1', 'Host: {host}', 'Transfer-Encoding: chunked'),
      untilClient('assertion_missing'),
      ...Array.from({ length: 20 }, () => chunk('a'.repeat(10_000))),
    ],
    upstream: [],
    client: [{ status: 401, code: 'assertion_missing', closes: true }],
  },
  {
    name: 'an upstream that ends its connection in the middle of an upload',
    rfc: '9112 9.5',
    sides: everySide,
    send: [
      request('POST /x HTTP/1.1', ['Content-Length: 9'], 'first'),
      untilUpstream('first'),
      roundTrip,
      'last',
    ],
    early: true,
    answers: [[untilUpstream('first'), reset]],
    upstream: 'perhaps',
    client: [{ status: 502, code: 'upstream_reset', closes: true }],
  },
]
