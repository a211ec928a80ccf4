// Tells by its first bytes what a redirected connection speaks, so that no HTTP passes unread with a handle in it.

/** `http` is for the strict parser, also where it will refuse it; the others pass untouched. */
export type Protocol = 'http' | 'tls' | 'other'

const handshakeRecord = 0x16
/** Blanks as lenient readers take them (RFC 9112 section 3). */
const methodThenBlank = /^[\w!#$%&'*+.^`|~-]+(?:[ \t\v\f\r]|$)/
/** What nothing but HTTP begins with: known without the rest of the line. */
const certainly = /^[A-Z-]+ (?:\/|\*|https?:\/\/)/
const version = /[ \t\v\f\r]HTTP\/\d/i
// eslint-disable-next-line no-control-regex
const binary = /[\0-\x08\x0e-\x1f\x7f]/

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
  // Empty lines before a request are ignored (RFC 9112 section 2.2), by lenient readers blanks too (section 3).
  const text = bytes.toString('latin1').replace(/^[ \t\v\f\r\n]+/, '')
  const end = text.indexOf('\n')
  const line = end === -1 ? text : text.slice(0, end)
  if (line !== '') {
    if (!methodThenBlank.test(line) || line.startsWith('CONNECT ')) return 'other'
    if (certainly.test(line)) return 'http'
    if (end !== -1) return version.test(line) ? 'http' : 'other'
    if (binary.test(line)) return 'other'
  }
  return bytes.length >= maxBytes ? 'http' : undefined
}
