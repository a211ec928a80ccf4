// What Node's parser lets through, though it cannot be served here, or two readers could see different messages in it.
import type { IncomingMessage } from 'node:http'
import { Refusal } from '../../shared/errors.ts'
import { headerValues } from '../../shared/head.ts'
import { refuseExpectation, refuseMethod, tokensOf } from '../http/served.ts'

/**
 * @throws {Refusal} `request_ambiguous`: another transfer coding than one `chunked`, or any before HTTP/1.1 (RFC 9112
 * section 6.1); `request_malformed`: another version of HTTP; TRACE, whose answer would show the client what only the app
 * is told; an upgrade; an expectation that cannot be met.
 */
export function refuseUnserved(request: IncomingMessage): void {
  if (request.httpVersion !== '1.1' && request.httpVersion !== '1.0') {
    throw new Refusal('request_malformed', 'HTTP/1.1 and HTTP/1.0 are served here.')
  }
  refuseMethod(request.method as string)
  refuseCodings(request)
  refuseUpgrade(request)
  // In HTTP/1.0 there are no expectations.
  if (request.httpVersion !== '1.0') refuseExpectation(request.rawHeaders)
}

function refuseCodings({ rawHeaders, httpVersion }: IncomingMessage): void {
  const codings = headerValues(rawHeaders, 'transfer-encoding')
  if (codings.length === 0 || (httpVersion === '1.1' && isChunked(codings))) return
  throw new Refusal('request_ambiguous', 'The only transfer coding taken is one `chunked`, in HTTP/1.1.')
}

/** One `chunked` and nothing else: what else there may be, some reader does not know (RFC 9112 section 6.1). */
export function isChunked(codings: readonly string[]): boolean {
  return codings.length === 1 && codings[0]?.toLowerCase() === 'chunked'
}

/** What clients offer beside every request over clear text, and get along without: Java's HttpClient, curl. */
const ignoredUpgrades = /^h2c$/i

/**
 * Whether the connection is to end after this request. RFC 9112 section 9.3: `close` wins, also beside the `keep-alive`
 * that Node goes by in HTTP/1.0. Behind an offer of another protocol Node drops what it has read already.
 */
export function endsConnection({ rawHeaders }: IncomingMessage): boolean {
  return tokensOf(rawHeaders, 'connection').some((option) => /^(?:close|upgrade)$/i.test(option))
}

/** RFC 9110 section 7.8: an upgrade counts only where `Connection` names it, and in HTTP/1.0 never. */
function refuseUpgrade({ rawHeaders, httpVersion }: IncomingMessage): void {
  if (httpVersion === '1.0') return
  const upgrades = tokensOf(rawHeaders, 'upgrade')
  if (upgrades.length === 0 || !tokensOf(rawHeaders, 'connection').some(isUpgrade)) return
  if (upgrades.every((protocol) => ignoredUpgrades.test(protocol))) return
  throw new Refusal(
    'request_malformed',
    'Upgrades of the connection, WebSocket among them, are not served yet.',
  )
}

const isUpgrade = (option: string) => option.toLowerCase() === 'upgrade'
