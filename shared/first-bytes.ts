// Tells by its first bytes what a redirected connection speaks, so that no HTTP passes unread with a handle in it.

/** `http` is for the strict parser, also where it will refuse it; the others pass untouched. */
export type Protocol = 'http' | 'tls' | 'other'

const handshakeRecord = 0x16
/** Blanks as lenient readers take them (RFC 9112 section 3), Python's the most lenient. */
const blanks = String.raw`[ \t\v\f\r\x1c-\x1f\x85\xa0]`
const methodThenBlank = new RegExp(String.raw`^[\w!#$%&'*+.^\x60|~-]+(?:${blanks}|$)`)
const leadingBlanks = new RegExp(`^(?:${blanks}|\n)+`)
const version = new RegExp(String.raw`${blanks}HTTP/\d`, 'i')
/** A header of the PROXY protocol: what follows could be HTTP, and would pass unread. */
const proxyHeader = /^PROXY /
const binaryProxyHeader = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
/** What nothing but HTTP begins with: known without the rest of the line. */
const certainly = new RegExp(String.raw`^[A-Z-]+${blanks}+(?:/|\*|[Hh][Tt][Tt][Pp][Ss]?://)`)
// eslint-disable-next-line no-control-regex -- control characters are what it looks for
const binary = /[\0-\x08\x0e-\x1b\x7f]/

/**
 * Judges what has come so far. What could be a request line to any reader, however lenient (RFC 9112 section 3), is
 * `http`; but for `CONNECT`, by which an app speaks to a proxy of its own.
 * @param maxBytes so long a line is left to the parser, which has a limit for it.
 * @returns undefined where more has to come.
 */
export function protocolOf(bytes: Buffer, maxBytes: number): Protocol | undefined {
  if (bytes[0] === handshakeRecord) {
    if (bytes.length < 2) return undefined
    return bytes[1] === 3 ? 'tls' : 'other'
  }
  if (isBinaryProxyHeader(bytes)) return bytes.length < binaryProxyHeader.length ? undefined : 'http'
  // Empty lines before a request are ignored (RFC 9112 section 2.2), by lenient readers blanks too (section 3).
  const text = bytes.toString('latin1').replace(leadingBlanks, '')
  const end = text.indexOf('\n')
  const line = end === -1 ? text : text.slice(0, end)
  if (line !== '') {
    if (!methodThenBlank.test(line) || line.startsWith('CONNECT ')) return 'other'
    if (certainly.test(line) || proxyHeader.test(line)) return 'http'
    if (binary.test(line)) return 'other'
    if (end !== -1) return version.test(line) ? 'http' : 'other'
  }
  return bytes.length >= maxBytes ? 'http' : undefined
}

/** Or the begin of one. */
function isBinaryProxyHeader(bytes: Buffer): boolean {
  const length = Math.min(bytes.length, binaryProxyHeader.length)
  return bytes.subarray(0, length).equals(binaryProxyHeader.subarray(0, length))
}
