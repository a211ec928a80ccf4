// RFC 9110 sections 7.6.2, 9.3.7 and 9.3.8: OPTIONS, Max-Forwards and TRACE.
import { answer, answered, bare, inbound, passes, refused, request } from '../shapes.ts'
import type { Row } from '../row.ts'

const star = 'OPTIONS * HTTP/1.1'
const left = (hops: string) => [`Max-Forwards: ${hops}`]

export const optionsRows: readonly Row[] = [
  passes('OPTIONS *', '9112 3.2.4', request(star)),
  passes('OPTIONS of a path', '9110 9.3.7', request('OPTIONS /x HTTP/1.1')),
  passes(
    'OPTIONS of a whole server in the absolute form',
    '9112 3.2.4: MUST become *',
    request('OPTIONS http://{host} HTTP/1.1'),
    { line: star },
  ),
  passes('OPTIONS of a root in the absolute form', '9112 3.2.4', request('OPTIONS http://{host}/ HTTP/1.1'), {
    line: 'OPTIONS / HTTP/1.1',
  }),
  passes(
    'OPTIONS with a body',
    '9110 9.3.7',
    request('OPTIONS /x HTTP/1.1', ['Content-Type: text/plain', 'Content-Length: 5'], 'hello'),
    { body: 'hello', has: { 'content-type': 'text/plain' } },
  ),
  passes(
    'a preflight of a browser',
    'Fetch 3.3',
    request('OPTIONS /x HTTP/1.1', [
      'Origin: https://a',
      'Access-Control-Request-Method: PUT',
      'Access-Control-Request-Headers: x-a',
    ]),
    {
      has: {
        origin: 'https://a',
        'access-control-request-method': 'PUT',
        'access-control-request-headers': 'x-a',
      },
    },
  ),
  answered(
    'an answer to OPTIONS',
    '9110 9.3.7',
    answer('200 OK', ['Allow: GET, OPTIONS', 'Content-Length: 0']),
    {
      status: 200,
      body: '',
      has: { allow: 'GET, OPTIONS' },
    },
    { send: request(star) },
  ),
  refused('Max-Forwards of 0 ends here', '9110 7.6.2: MUST NOT forward', request(star, left('0')), '', {
    client: [{ status: 204 }],
  }),
  refused('Max-Forwards of 0 in another spelling', '9110 7.6.2', request(star, ['max-forwards: 00']), '', {
    client: [{ status: 204 }],
  }),
  refused(
    'Max-Forwards of 0 by who may not call',
    'Onbehalf: a decision comes first',
    bare(star, 'Host: {host}', 'Max-Forwards: 0'),
    '',
    { sides: inbound, client: [{ status: 401, code: 'assertion_missing' }] },
  ),
  refused(
    'Max-Forwards of 0 in the absolute form',
    '9110 7.6.2',
    request('OPTIONS http://{host}/x HTTP/1.1', left('0')),
    '',
    {
      client: [{ status: 204 }],
    },
  ),
  passes('Max-Forwards counts down', '9110 7.6.2', request(star, left('5')), {
    has: { 'max-forwards': '4' },
  }),
  passes('Max-Forwards of 1', '9110 7.6.2', request('OPTIONS /x HTTP/1.1', left('1')), {
    has: { 'max-forwards': '0' },
  }),
  passes('Max-Forwards that is no number', '9110 7.6.2', request(star, left('x'))),
  passes('Max-Forwards of GET', '9110 7.6.2: may be ignored', request('GET /x HTTP/1.1', left('0')), {
    has: { 'max-forwards': '0' },
  }),
  passes(
    'Max-Forwards of POST',
    '9110 7.6.2: may be ignored',
    request('POST /x HTTP/1.1', [...left('0'), 'Content-Length: 5'], 'hello'),
    { body: 'hello', has: { 'max-forwards': '0' } },
  ),
  refused(
    'TRACE',
    '9110 9.3.8: it would show what only the app is told',
    request('TRACE /x HTTP/1.1'),
    undefined,
    {
      client: [{ status: 400, code: 'request_malformed', closes: 'may' }],
    },
  ),
  refused('TRACE that ends here', '9110 9.3.8', request('TRACE /x HTTP/1.1', left('0')), undefined, {
    client: [{ status: 400, code: 'request_malformed', closes: 'may' }],
  }),
]
