// The attacker looks for HTTP that passes unread: what a server takes for a request, and the sniffer does not.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { protocolOf } from '../../shared/first-bytes.ts'

const request = 'GET / HTTP/1.1\r\nHost: test\r\nx-onbehalf-handle: user001-handle_of_this_one\r\n\r\n'
const of = (text: string) => protocolOf(Buffer.from(text, 'latin1'), 32_768)

test('HTTP behind a header of the PROXY protocol is no unread bytes', () => {
  const version2 = `\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c${'\0'.repeat(12)}`
  for (const header of ['PROXY TCP4 10.0.0.1 10.0.0.2 1 80\r\n', 'PROXY UNKNOWN\r\n', version2])
    assert.equal(of(header + request), 'http', JSON.stringify(header))
})

test('HTTP behind blanks, as Python’s server takes it, is HTTP', () => {
  for (const blank of [' ', '\t', '\xa0', '\x1c'])
    assert.equal(of(blank + request), 'http', JSON.stringify(blank))
})
