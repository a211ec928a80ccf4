// RFC 9110 section 15.2, RFC 8297: answers before the answer.
import { answer, answered, badGateway, end, get, ok, request, served, untilClient } from '../shapes.ts'
import type { Row } from '../row.ts'

const hints = answer('103 Early Hints', ['Link: </a.css>; rel=preload', 'Link: </b.js>; rel=preload'])
const hinted = { status: 103, has: { link: ['</a.css>; rel=preload', '</b.js>; rel=preload'] } }

export const informationalRows: readonly Row[] = [
  answered('103 with its Link fields', '8297 2', hints + ok(), { ...served, interim: [hinted] }),
  answered('103 comes before the answer is there', '8297 2', [hints, untilClient('103 '), ok()], {
    ...served,
    interim: [hinted],
  }),
  answered('several of them', '9110 15.2', `${hints}${hints}${answer('102 Processing', [])}${ok()}`, {
    ...served,
    interim: [hinted, hinted, { status: 102 }],
  }),
  answered('fifty of them', '9110 15.2', `${hints.repeat(50)}${ok()}`, {
    ...served,
    interim: Array.from({ length: 50 }, () => hinted),
  }),
  answered('a number that nobody knows', '9110 15', `${answer('199 Odd', ['X-A: b'])}${ok()}`, {
    ...served,
    interim: [{ status: 199, has: { 'x-a': 'b' } }],
  }),
  answered(
    '103 before an answer to HEAD',
    '8297 2',
    hints + answer('200 OK', ['Content-Length: 9']),
    {
      status: 200,
      body: '',
      interim: [hinted],
    },
    { send: request('HEAD /x HTTP/1.1') },
  ),
  answered('103 before 304', '8297 2', hints + answer('304 Not Modified', []), {
    status: 304,
    interim: [hinted],
  }),
  answered('103 before an error', '8297 2', hints + answer('500 Oops', ['Content-Length: 0']), {
    status: 500,
    interim: [hinted],
  }),
  answered(
    'what concerns one hop is not in 103',
    '9110 7.6.1',
    [
      answer('103 Early Hints', [
        'Link: </a>',
        'X-Hop: 1',
        'Connection: X-Hop',
        'Keep-Alive: timeout=1',
        'Upgrade: x',
      ]),
      ok(),
    ],
    {
      ...served,
      interim: [
        { status: 103, has: { link: '</a>' }, lacks: ['x-hop', 'connection', 'keep-alive', 'upgrade'] },
      ],
    },
  ),
  answered(
    'a length in 103',
    '9110 8.6: MUST NOT',
    answer('103 Early Hints', ['Link: </a>', 'Content-Length: 2']) + ok(),
    {
      ...served,
      interim: [{ status: 103, lacks: ['content-length'] }],
    },
  ),
  answered(
    'names of ours in 103',
    'Onbehalf: the firewall',
    [
      answer('103 Early Hints', [
        'Link: </a>',
        'X-Onbehalf-Handle: forged',
        'x_onbehalf_error: forged',
        'X-Onbehalf-Request-Id: forged',
      ]),
      ok(),
    ],
    { ...served, interim: [{ status: 103, has: { link: '</a>' } }] },
    { sides: ['inbound', 'unlisted'] },
  ),
  answered(
    'a handle in 103 of another service',
    'Onbehalf: the firewall',
    answer('103 Early Hints', ['X-Onbehalf-Handle: forged']) + ok(),
    { ...served, interim: [{ status: 103 }] },
  ),
  answered('letters beyond ASCII in 103', '9110 5.5', answer('103 Early Hints', ['X-A: \xe9\xff']) + ok(), {
    ...served,
    interim: [{ status: 103, has: { 'x-a': '\xe9\xff' } }],
  }),
  answered(
    'a 103 and no answer',
    '9110 15.2',
    '',
    { status: 502, code: 'upstream_reset', interim: [hinted] },
    { answers: [[hints, end], ok('again')] },
  ),
  badGateway(
    '101 that nobody asked for',
    '9110 15.2.2',
    answer('101 Switching Protocols', ['Connection: Upgrade', 'Upgrade: x'], 'bytes of x'),
  ),
  badGateway(
    '101 to an offer of h2c that went nowhere',
    '9110 7.8',
    answer('101 Switching Protocols', ['Connection: Upgrade', 'Upgrade: h2c']),
    undefined,
    {
      send: get('Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__'),
      client: [{ status: 502, code: 'upstream_invalid', closes: true }],
    },
  ),
]
