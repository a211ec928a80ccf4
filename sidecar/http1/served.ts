// What Node's parser lets through, though it cannot be served here, or two readers could see different messages in it.
import type { IncomingMessage } from 'node:http'
import { Refusal } from '../../shared/errors.ts'
import { hasHeader, headerValues } from '../../shared/head.ts'
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
  refuseUpgradeWithBody(request)
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

/**
 * The protocols that the client offers to change to, but for those that are ignored. RFC 9110 section 7.8: an offer counts
 * only where `Connection` names it, and in HTTP/1.0 never.
 */
export function offeredProtocols({ rawHeaders, httpVersion }: IncomingMessage): string[] {
  if (httpVersion === '1.0' || !tokensOf(rawHeaders, 'connection').some(isUpgrade)) return []
  return tokensOf(rawHeaders, 'upgrade').filter((protocol) => !ignoredUpgrades.test(protocol))
}

/** A body before the change could be taken for bytes after it. */
function refuseUpgradeWithBody(request: IncomingMessage): void {
  if (offeredProtocols(request).length === 0) return
  const { rawHeaders } = request
  const hasBody = hasHeader(rawHeaders, 'transfer-encoding') || hasHeader(rawHeaders, 'content-length')
  if (hasBody) throw new Refusal('request_malformed', 'A request that asks for another protocol has no body.')
}

const isUpgrade = (option: string) => option.toLowerCase() === 'upgrade'
