// What a connection speaks, by its first bytes: nothing that any reader could take for HTTP/1 passes for something else.
import assert from 'node:assert/strict'
import { METHODS } from 'node:http'
import { test } from 'node:test'
import fc from 'fast-check'
import { protocolOf, type Protocol } from '../../shared/first-bytes.ts'

const maxBytes = 1024
const of = (text: string) => protocolOf(Buffer.from(text, 'latin1'), maxBytes)

const rows: readonly (readonly [what: string, bytes: string, protocol: Protocol])[] = [
  ['a request', 'GET / HTTP/1.1\r\n', 'http'],
  ['a request for a proxy', 'GET http://a/ HTTP/1.1\r\n', 'http'],
  ['a request for a proxy, of HTTPS', 'GET https://a/ HTTP/1.1\r\n', 'http'],
  ['a request for a whole server', 'OPTIONS * HTTP/1.1\r\n', 'http'],
  ['HTTP/1.0', 'POST /x HTTP/1.0\r\n', 'http'],
  ['HTTP/0.9', 'GET /\r\n', 'http'],
  ['HTTP/0.9 with more blanks', 'GET \t /\r\n', 'http'],
  ['HTTP/2 with prior knowledge', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'http'],
  ['empty lines before a request', '\r\n\r\n\nGET / HTTP/1.1\r\n', 'http'],
  ['blanks before a request', ' \t\r\n\v\fGET / HTTP/1.1\r\n', 'http'],
  ['a blank before binary', ' \0\0\0\x01', 'other'],
  ['a method of the client’s own', 'X-Y.z~1 /a HTTP/1.1\r\n', 'http'],
  ['a very long method', `${'A'.repeat(100)} /a HTTP/1.1\r\n`, 'http'],
  ['a method in lower case', 'get /a HTTP/1.1\r\n', 'http'],
  ['a version in lower case', 'GET a http/1.1\r\n', 'http'],
  ['several blanks', 'GET  \t/a \t HTTP/1.1\r\n', 'http'],
  ['blanks that only lenient readers take for some', 'GET\v/a\fHTTP/1.1\r\n', 'http'],
  ['lines without CR', 'GET a HTTP/1.1\n', 'http'],
  ['a target that is no path', 'GET a HTTP/1.1\r\n', 'http'],
  ['a target with bytes beyond ASCII', 'GET \xff HTTP/1.1\r\n', 'http'],
  ['a proxy’s authority by another method', 'GET a:443 HTTP/1.1\r\n', 'http'],
  ['another case of CONNECT', 'Connect a:443 HTTP/1.1\r\n', 'http'],
  ['CONNECT', 'CONNECT a:443 HTTP/1.1\r\n', 'other'],
  ['CONNECT of NATS', 'CONNECT {"verbose":false}\r\n', 'other'],
  ['CONNECT of STOMP', 'CONNECT\naccept-version:1.2\n', 'other'],
  ['TLS 1.2 and 1.3', '\x16\x03\x01\x02\x00\x01', 'tls'],
  ['TLS, its first two bytes', '\x16\x03', 'tls'],
  ['what only begins like TLS', '\x16\x01', 'other'],
  ['SSH', 'SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n', 'other'],
  ['SMTP', 'EHLO me.example.com\r\n', 'other'],
  ['IMAP', 'a1 LOGIN me secret\r\n', 'other'],
  ['a word and a line’s end', 'QUIT\r\n', 'other'],
  ['Redis', '*1\r\n$4\r\nPING\r\n', 'other'],
  ['Redis, inline', 'GET key\r\n', 'other'],
  ['memcached', 'get /a/key\r\n', 'other'],
  ['SIP', 'INVITE sip:a@b SIP/2.0\r\n', 'other'],
  ['RTSP', 'OPTIONS rtsp://a/b RTSP/1.0\r\n', 'other'],
  ['PostgreSQL', '\0\0\0\x08\x04\xd2\x16\x2f', 'other'],
  ['MongoDB', 'A\0\0\0\x01', 'other'],
  ['AMQP', 'AMQP\0\0\x09\x01', 'other'],
  ['Kafka', '\0\0\0\x1d', 'other'],
  ['LDAP', '0\x0c\x02\x01\x01', 'other'],
  ['a word, a blank and binary', 'AB \x01', 'other'],
  ['JSON', '{"a": 1}', 'other'],
  ['a line that does not end', `A b${'c'.repeat(maxBytes)}`, 'http'],
]

for (const [what, bytes, protocol] of rows) {
  test(`${what}: ${protocol}`, () => assert.equal(of(bytes), protocol))

  test(`${what}: ${protocol}, byte by byte, and never anything else before`, () => {
    const verdicts = Array.from(bytes, (_, i) => of(bytes.slice(0, i + 1)))
    const first = verdicts.find((verdict) => verdict !== undefined)
    assert.equal(first, protocol)
  })
}

test('every method of Node’s parser with a path is HTTP before its line has ended, but for CONNECT', () => {
  for (const method of METHODS)
    assert.equal(of(`${method} /`), method === 'CONNECT' ? 'other' : 'http', method)
})

for (const [what, bytes] of [
  ['nothing', ''],
  ['empty lines', '\r\n\r\n'],
  ['a part of a method', 'GE'],
  ['a method', 'GET'],
  ['a method and a blank', 'GET '],
  ['what may still be a proxy’s form', 'GET htt'],
  ['the first byte of TLS', '\x16'],
] as const) {
  test(`${what} is not enough to tell`, () => assert.equal(of(bytes), undefined))
}

test('what a lenient reader takes for a request line is never passed over', () => {
  const token = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/).filter((text) => text !== 'CONNECT')
  const blank = fc.stringMatching(/^[ \t]+$/)
  const target = fc.stringMatching(/^[!-~]+$/)
  const before = fc.stringMatching(/^[ \t\r\n]*$/)
  const version = fc.constantFrom('HTTP/1.1', 'HTTP/1.0', 'http/1.1')
  const line = fc.tuple(before, token, blank, target, blank, version)
  fc.assert(
    fc.property(line, fc.nat(), (parts, cut) => {
      const text = `${parts.join('')}\r\n`
      assert.equal(of(text), 'http')
      assert.notEqual(of(text.slice(0, cut % text.length)), 'other')
    }),
  )
})
