// Which change of protocol a request of HTTP/1.1 asks for.
import type { HeaderList } from '../../shared/head.ts'
import type { HttpVersion } from '../http/incoming.ts'
import { tokensOf } from '../http/served.ts'

/** What clients offer beside every request over clear text, and get along without: Java's HttpClient, curl. */
const ignoredUpgrades = /^h2c$/i

/**
 * The protocols that the client offers to change to, but for those that are ignored. RFC 9110 section 7.8: an offer counts
 * only where `Connection` names it, which its caller has seen, and in HTTP/1.0 never.
 */
export function offeredProtocols(headers: HeaderList, version: HttpVersion): string[] {
  if (version === '1.0') return []
  return tokensOf(headers, 'upgrade').filter((protocol) => !ignoredUpgrades.test(protocol))
}
