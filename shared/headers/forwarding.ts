// What one hop says of itself to the next: Via, X-Forwarded-* and Forwarded.
import { Refusal } from '../errors.ts'
import { firstHeader, hasHeader, headerValues, type HeaderList } from '../head.ts'
import { taken, takeOut } from './take-out.ts'

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

const via = taken('via')

/** With this hop in `Via`, behind those that came before, in one line. */
export function withVia(headers: HeaderList, hop: Hop): string[] {
  const { others, values } = takeOut(headers, via)
  others.push('Via', joined(values.via, `${hop.httpVersion} ${hop.name}`))
  return others
}

function joined(before: readonly string[], own: string): string {
  return before.length === 0 ? own : `${before.join(', ')}, ${own}`
}

const forwarded = taken('x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'forwarded')

/**
 * What an app needs to know of who is before the sidecar, since it sees a loopback connection only. The list of
 * addresses is one line: some servers read the first field alone, and its last address is the one that is certain.
 * `X-Forwarded-Proto` and `X-Forwarded-Host` stay as an edge set them; `Forwarded` (RFC 7239) goes on where there is one.
 */
export function withForwarded(headers: HeaderList, hop: Hop): string[] {
  const { others, values } = takeOut(headers, forwarded)
  others.push('X-Forwarded-For', joined(values['x-forwarded-for'], hop.peer))
  pushAll(others, 'X-Forwarded-Proto', values['x-forwarded-proto'], hop.scheme)
  pushAll(others, 'X-Forwarded-Host', values['x-forwarded-host'], firstHeader(headers, 'host') ?? '')
  if (values.forwarded.length > 0) pushForwarded(others, values.forwarded, hop)
  return others
}

function pushAll(headers: string[], name: string, values: readonly string[], otherwise: string): void {
  if (values.length === 0) headers.push(name, otherwise)
  for (const value of values) headers.push(name, value)
}

function pushForwarded(headers: string[], values: readonly string[], hop: Hop): void {
  const members = values.filter(isClosed)
  if (members.length === 0) return
  headers.push('Forwarded', joined(members, `for=${forwardedNode(hop.peer)};proto=${hop.scheme}`))
}

/** Whether each quotation ends: in one that does not, what is appended would be lost. */
function isClosed(value: string): boolean {
  return /^(?:[^"\\]|"(?:[^"\\]|\\.)*")*$/.test(value)
}

/** RFC 7239 section 6: an IPv6 address stands in brackets, and so in quotes. */
function forwardedNode(address: string): string {
  return address.includes(':') ? `"[${address}]"` : address
}
