// What Node's parser lets through, though two readers could see different ends of the message in it.
import type { IncomingMessage } from 'node:http'
import { Refusal } from '../../shared/errors.ts'
import { headerValues } from '../../shared/head.ts'

/**
 * @throws {Refusal} `request_ambiguous`: another transfer coding than one `chunked`, or any before HTTP/1.1 (RFC 9112
 * section 6.1); `request_malformed`: another version of HTTP; TRACE, whose answer would show the client what only the app is told.
 */
export function refuseUncertainFraming(request: IncomingMessage): void {
  if (request.httpVersion !== '1.1' && request.httpVersion !== '1.0') {
    throw new Refusal('request_malformed', 'HTTP/1.1 and HTTP/1.0 are served here.')
  }
  if (request.method === 'TRACE') throw new Refusal('request_malformed', 'TRACE is not served.')
  const codings = headerValues(request.rawHeaders, 'transfer-encoding')
  if (codings.length === 0) return
  const isChunked = codings.length === 1 && codings[0]?.toLowerCase() === 'chunked'
  if (isChunked && request.httpVersion === '1.1') return
  throw new Refusal('request_ambiguous', 'The only transfer coding taken is one `chunked`, in HTTP/1.1.')
}
