// RFC 9110 section 7.2 and RFC 9112 section 3.2: Host.
import { bare, everySide, inbound, passes, refused, refusedOpen, request, route } from '../shapes.ts'
import type { Row } from '../row.ts'

function hosted(...lines: readonly string[]): string {
  return bare('GET /x HTTP/1.1', ...lines).replace(/\r\n$/, '{auth}\r\n')
}

export const hostRows: readonly Row[] = [
  passes('a Host passes as it came', '9110 7.2', hosted('Host: {host}'), { lines: ['Host: {host}'] }),
  passes('a Host with blanks around it', '9112 5.1', hosted('Host:\t  {host} \t'), {
    has: { host: '{host}' },
  }),
  passes('a Host at the end of the head', '9110 5.3', hosted('A: b', 'C: d', 'hOST: {host}'), {
    lines: ['hOST: {host}'],
  }),
  passes(
    'a Host of a client reaches the app, whatever it says',
    '9110 7.2',
    hosted('Host: Any.Example.COM:8443'),
    { has: { host: 'Any.Example.COM:8443' } },
    { sides: inbound },
  ),
  passes(
    'an IPv6 address as Host',
    '3986 3.2.2',
    hosted('Host: [2001:DB8::1]:8080'),
    {
      has: { host: '[2001:DB8::1]:8080' },
    },
    { sides: inbound },
  ),
  passes(
    'a Host in capitals names its route',
    '9110 4.2.3',
    hosted('Host: API.localhost.Pomerium.IO'),
    { has: { host: 'API.localhost.Pomerium.IO' } },
    { sides: route },
  ),
  passes(
    'a Host with a port names its route',
    '9110 7.2',
    hosted('Host: {host}:8080'),
    { has: { host: '{host}:8080' } },
    { sides: route },
  ),
  passes(
    'a Host with the root dot of DNS',
    '1034 3.1',
    hosted('Host: {host}.'),
    { has: { host: '{host}.' } },
    {
      sides: route,
    },
  ),
  passes('Host cannot be nominated away', '9110 7.6.1', request('GET /x HTTP/1.1', ['Connection: Host']), {
    has: { host: '{host}' },
  }),
  refusedOpen('no Host', '9112 3.2', hosted()),
  refusedOpen('an empty Host', '9112 3.2', hosted('Host:')),
  refusedOpen('two Hosts', '9112 3.2', hosted('Host: {host}', 'Host: b'), 'request_ambiguous'),
  refusedOpen('the same Host twice', '9112 3.2', hosted('Host: {host}', 'host: {host}'), 'request_ambiguous'),
  refusedOpen('a list of Hosts', '9110 7.2', hosted('Host: {host}, b')),
  refusedOpen('a blank in Host', '9110 7.2', hosted('Host: a b')),
  refusedOpen('a path in Host', '9110 7.2', hosted('Host: {host}/x')),
  refusedOpen('user information in Host', '9110 7.2', hosted('Host: root@{host}')),
  refusedOpen('a scheme in Host', '9110 7.2', hosted('Host: http://{host}')),
  refusedOpen('two ports', '9110 7.2', hosted('Host: a:80:81')),
  refusedOpen('a port that is none', '9110 7.2', hosted('Host: a:http')),
  refusedOpen('an escape in Host', '9110 7.2', hosted('Host: %61')),
  refusedOpen('an IPv6 address with a zone', '9110 7.2', hosted('Host: [fe80::1%25eth0]')),
  refusedOpen('a letter beyond ASCII in Host', '9110 7.2', hosted('Host: \xe9')),
  refused('a null byte in Host', '9112 5', hosted('Host: a\0')),
  refused('a folded Host', '9112 5.2', hosted('Host:\r\n {host}')),
  refused('a blank before the colon of Host', '9112 5.1', hosted('Host : {host}')),
  {
    ...passes('an absolute target and Host in other letters', '9110 4.2.3', [
      bare('GET http://{host}:80/x HTTP/1.1', 'Host: {host}').replace(/\r\n$/, '{auth}\r\n'),
    ]),
    sides: everySide.filter((side) => side !== 'unlisted'),
    upstream: [{ line: 'GET /x HTTP/1.1', has: { host: '{host}' } }],
  },
]
