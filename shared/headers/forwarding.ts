// What one hop says of itself to the next: Via, X-Forwarded-* and Forwarded.
import { Refusal } from '../errors.ts'
import { hasHeader, headerValues, type HeaderList } from '../head.ts'
import { takeOut } from './take-out.ts'

/** One passage of a request through one side of a sidecar. */
export interface Hop {
  /** The pseudonym of this side in `Via`: its own for each start of a sidecar, so that no other is mistaken for it. */
  readonly name: string
  /** The version of HTTP in which the request came: `1.1`. */
  readonly httpVersion: string
  /** The address of who sent it. */
  readonly peer: string
  /** What it came by. */
  readonly scheme: 'http' | 'https'
}

/**
 * A request that comes by a second time runs in a circle (RFC 9110 section 7.6.3).
 * @throws {Refusal} `route_not_found`, with 421.
 */
export function refuseLoop(headers: HeaderList, hop: Hop): void {
  if (!hasHeader(headers, 'via')) return
  if (!headerValues(headers, 'via').some((value) => namesIn(value).includes(hop.name))) return
  throw new Refusal(
    'route_not_found',
    'The request has passed this sidecar before. See where `app` and `to` lead.',
    { status: 421 },
  )
}

/** The second word of each member: `1.1 name (comment)`. */
function namesIn(via: string): string[] {
  return via.split(',').map((member) => member.trim().split(/[ \t]+/)[1] ?? '')
}

/** With this hop in `Via`, behind those that came before, in one line. */
export function withVia(headers: HeaderList, hop: Hop): string[] {
  const { others, values } = takeOut(headers, ['via'])
  return [...others, 'Via', [...values.via, `${hop.httpVersion} ${hop.name}`].join(', ')]
}

/**
 * What an app needs to know of who is before the sidecar, since it sees a loopback connection only. The list of
 * addresses is one line: some servers read the first field alone, and its last address is the one that is certain.
 * `X-Forwarded-Proto` and `X-Forwarded-Host` stay as an edge set them; `Forwarded` (RFC 7239) goes on where there is one.
 */
export function withForwarded(headers: HeaderList, hop: Hop): string[] {
  const names = ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'forwarded'] as const
  const { others, values } = takeOut(headers, names)
  const [host = ''] = headerValues(headers, 'host')
  others.push('X-Forwarded-For', [...values['x-forwarded-for'], hop.peer].join(', '))
  for (const value of valuesOr(values['x-forwarded-proto'], hop.scheme))
    others.push('X-Forwarded-Proto', value)
  for (const value of valuesOr(values['x-forwarded-host'], host)) others.push('X-Forwarded-Host', value)
  const members = values.forwarded.filter(isClosed)
  if (members.length > 0) members.push(`for=${forwardedNode(hop.peer)};proto=${hop.scheme}`)
  if (members.length > 0) others.push('Forwarded', members.join(', '))
  return others
}

function valuesOr(values: readonly string[], otherwise: string): readonly string[] {
  return values.length > 0 ? values : [otherwise]
}

/** Whether each quotation ends: in one that does not, what is appended would be lost. */
function isClosed(value: string): boolean {
  return /^(?:[^"\\]|"(?:[^"\\]|\\.)*")*$/.test(value)
}

/** RFC 7239 section 6: an IPv6 address stands in brackets, and so in quotes. */
function forwardedNode(address: string): string {
  return address.includes(':') ? `"[${address}]"` : address
}
