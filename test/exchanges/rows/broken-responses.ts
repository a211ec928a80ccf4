// RFC 9112 sections 6.3 and 8: what is no answer, or not the whole of one, and what is more than one.
import {
  answer,
  answered,
  badGateway,
  chunk,
  chunks,
  end,
  get,
  ok,
  okChunked,
  post,
  reset,
  roundTrip,
  served,
  untilClient,
  everySide,
  request,
} from '../shapes.ts'
import type { Bytes, Row } from '../row.ts'

const poison = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison'

function invalid(name: string, rfc: string, bytes: Bytes): Row {
  return badGateway(name, rfc, bytes)
}

/** The client has a beginning already. */
function brokenOff(name: string, rfc: string, bytes: Bytes): Row {
  return answered(name, rfc, bytes, 'broken off')
}

function field(name: string, line: string, rfc = '9110 5.5'): Row {
  return invalid(name, rfc, `HTTP/1.1 200 OK\r\n${line}\r\nContent-Length: 2\r\n\r\nok`)
}

function coded(name: string, ...fields: readonly string[]): Row {
  return invalid(name, '9112 6.3', [answer('200 OK', fields, chunks('hello')), end])
}

export const brokenResponseRows: readonly Row[] = [
  invalid('a status of two digits', '9112 4', answer('20 OK', ['Content-Length: 0'])),
  invalid('a status of four digits', '9112 4', answer('2000 OK', ['Content-Length: 0'])),
  invalid('a status that is no number', '9112 4', answer('2x0 OK', ['Content-Length: 0'])),
  invalid('a status of 000', '9110 15', answer('000 OK', ['Content-Length: 0'])),
  invalid('a status of 099', '9110 15', answer('099 OK', ['Content-Length: 0'])),
  invalid('no status', '9112 4', 'HTTP/1.1\r\nContent-Length: 0\r\n\r\n'),
  invalid('HTTP/0.9 in a status line', '9112 2.3', 'HTTP/0.9 200 OK\r\nContent-Length: 2\r\n\r\nok'),
  invalid('HTTP/1.2', 'Node; 9110 2.5 would take it', 'HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nok'),
  invalid('HTTP/2.0 in text', '9112 2.3', 'HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok'),
  invalid('another protocol', '9112 2.3', 'ICY 200 OK\r\nContent-Length: 2\r\n\r\nok'),
  invalid('HTTP/0.9', '9112 2.3', ['<html>hello</html>', end]),
  invalid('a version in lower case', '9112 2.3', 'http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'),
  invalid('no HTTP', '9112 4', '\0\x01\x02\x03'),
  invalid('a null byte in the reason', '9112 4', answer('200 O\0K', ['Content-Length: 0'])),
  invalid('a control character in the reason', '9112 4', answer('200 O\x01K', ['Content-Length: 0'])),
  field('a null byte in a field', 'X-A: a\0b'),
  field('a control character in a field', 'X-A: a\x01b'),
  field('a carriage return alone in a field', 'X-A: a\rb', '9112 2.2'),
  field('a line feed alone in a field', 'X-A: a\nSet-Cookie: b', '9112 2.2'),
  field('a name that is no token', 'X@A: b', '9110 5.1'),
  field('an empty name', ': b', '9110 5.1'),
  field('a folded field', 'X-A: a\r\n b', '9112 5.2'),
  field('a blank before the colon', 'X-A : b', '9112 5.1'),
  field('a line without a colon', 'hello', '9112 5'),
  invalid(
    'a line feed alone at the end of the head',
    '9112 2.2',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\nok',
  ),
  invalid(
    'a blank before the first field',
    '9112 2.2',
    'HTTP/1.1 200 OK\r\n X-A: b\r\nContent-Length: 2\r\n\r\nok',
  ),
  invalid('line feeds alone', '9112 2.2', 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok'),
  invalid('1 MB of fields', 'Onbehalf: 128 KiB', ok('ok', `X-A: ${'a'.repeat(1_000_000)}`)),
  invalid('two lengths', '9112 6.3', answer('200 OK', ['Content-Length: 2', 'Content-Length: 5'], 'hello')),
  invalid(
    'the same length twice',
    '9112 6.3: may be refused',
    answer('200 OK', ['Content-Length: 2', 'Content-Length: 2'], 'ok'),
  ),
  invalid('a list of lengths', '9112 6.3', answer('200 OK', ['Content-Length: 2, 2'], 'ok')),
  invalid('a signed length', '9112 6.2', answer('200 OK', ['Content-Length: +2'], 'ok')),
  invalid('a negative length', '9112 6.2', answer('200 OK', ['Content-Length: -2'], 'ok')),
  invalid('a hexadecimal length', '9112 6.2', answer('200 OK', ['Content-Length: 0x2'], 'ok')),
  invalid('an empty length', '9112 6.2', answer('200 OK', ['Content-Length:'], 'ok')),
  invalid(
    'a length that overflows',
    '9110 8.6',
    answer('200 OK', ['Content-Length: 18446744073709551618'], 'ok'),
  ),
  coded('a length beside chunks', 'Content-Length: 5', 'Transfer-Encoding: chunked'),
  coded('chunks beside a length', 'Transfer-Encoding: chunked', 'Content-Length: 5'),
  coded('chunked twice', 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'),
  coded('a list of chunked', 'Transfer-Encoding: chunked, chunked'),
  coded('gzip before chunked', 'Transfer-Encoding: gzip, chunked'),
  coded('gzip behind chunked', 'Transfer-Encoding: chunked, gzip'),
  coded('gzip in a line of its own', 'Transfer-Encoding: gzip', 'Transfer-Encoding: chunked'),
  coded('gzip alone', 'Transfer-Encoding: gzip'),
  coded('identity', 'Transfer-Encoding: identity'),
  coded('an empty coding', 'Transfer-Encoding:'),
  coded('a coding with a letter more', 'Transfer-Encoding: xchunked'),
  coded('a coding with a vertical tabulator', 'Transfer-Encoding: \x0bchunked'),
  coded('a blank before the colon of the coding', 'Transfer-Encoding : chunked'),
  coded('a folded coding', 'Transfer-Encoding:\r\n chunked'),
  badGateway('an end in the middle of the head', '9112 8', '', 'upstream_reset', {
    answers: [['HTTP/1.1 200 OK\r\nContent-', end], ok('again')],
  }),
  badGateway('an end in the middle of the status line', '9112 8', '', 'upstream_reset', {
    answers: [['HTTP/1.', end], ok('again')],
  }),
  badGateway('a reset in the middle of the head', '9112 8', '', 'upstream_reset', {
    answers: [['HTTP/1.1 200 OK\r\nContent-', roundTrip, reset], ok('again')],
  }),
  brokenOff('an end before the length is full', '9112 8', [
    answer('200 OK', ['Content-Length: 9'], 'first'),
    untilClient('first'),
    end,
  ]),
  brokenOff('a reset before the length is full', '9112 8', [
    answer('200 OK', ['Content-Length: 9'], 'first'),
    untilClient('first'),
    reset,
  ]),
  brokenOff('an end in a chunk', '9112 8', [okChunked('9\r\nfirst'), untilClient('first'), end]),
  brokenOff('an end behind a chunk', '9112 8', [okChunked(chunk('first')), untilClient('first'), end]),
  brokenOff('an end in a size', '9112 8', [okChunked(`${chunk('first')}5`), untilClient('first'), end]),
  brokenOff('an end behind the last chunk, before the end', '9112 8', [
    okChunked(`${chunk('first')}0\r\n`),
    untilClient('first'),
    end,
  ]),
  brokenOff('an end in a trailer', '9112 8', [
    okChunked(`${chunk('first')}0\r\nX-A: b\r\n`),
    untilClient('first'),
    end,
  ]),
  brokenOff('a reset behind a chunk', '9112 8', [okChunked(chunk('first')), untilClient('first'), reset]),
  brokenOff('a size that is none', '9112 7.1', [
    okChunked(chunk('first')),
    untilClient('first'),
    'x\r\nhello\r\n0\r\n\r\n',
  ]),
  brokenOff('a size that overflows', '9112 7.1', [
    okChunked(chunk('first')),
    untilClient('first'),
    `${'f'.repeat(17)}\r\n`,
  ]),
  brokenOff('a chunk that is longer than it says', '9112 7.1', [
    okChunked(chunk('first')),
    untilClient('first'),
    '4\r\nhello\r\n0\r\n\r\n',
  ]),
  brokenOff('line feeds alone between chunks', '9112 2.2', [
    okChunked(chunk('first')),
    untilClient('first'),
    '5\nhello\n0\n\n',
  ]),
  brokenOff('a reset of an answer up to the end of the connection', '9112 8', [
    answer('200 OK', [], 'first'),
    untilClient('first'),
    reset,
  ]),
  answered('more than the length', '9112 6.3', answer('200 OK', ['Content-Length: 2'], 'okay'), served),
  answered('an answer behind the answer', '9112 9.2', ok() + poison, served),
  answered(
    'an answer behind the answer that comes later',
    '9112 9.2',
    [ok(), untilClient('ok'), poison],
    served,
  ),
  answered('an answer behind chunks', '9112 9.2', okChunked(chunks('ok')) + poison, served),
  answered(
    'an answer behind the trailers',
    '9112 9.2',
    okChunked(chunks('ok', 'X-A: b')) + poison,
    { ...served, trailers: ['X-A: b'] },
    { send: get('TE: trailers', 'Connection: TE') },
  ),
  answered('a line end behind the answer', '9112 9.2', `${ok()}\r\n`, served),
  answered('garbage behind the answer', '9112 9.2', `${ok()}\0\x01\x02`, served),
  answered(
    'a 408 behind the answer, as servers say farewell',
    '9110 15.5.9',
    [
      ok(),
      untilClient('ok'),
      'HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
      end,
    ],
    served,
  ),
  answered(
    'a 103 behind the answer',
    '9112 9.2',
    `${ok()}HTTP/1.1 103 Early Hints\r\nLink: </poison>\r\n\r\n`,
    served,
  ),
  {
    name: 'an answer behind the answer is none to the next request of the same client',
    rfc: '9112 9.2',
    sides: everySide,
    send: get() + request('GET /second HTTP/1.1'),
    asked: [{ method: 'GET' }, { method: 'GET' }],
    answers: [ok() + poison, ok('second')],
    upstream: [{}, { line: 'GET /second HTTP/1.1' }],
    client: [served, { status: 200, body: 'second' }],
  },
  answered('an answer behind the answer to POST', '9112 9.2', ok() + poison, served, {
    send: post('hello'),
    upstream: [{ body: 'hello' }],
  }),
]
