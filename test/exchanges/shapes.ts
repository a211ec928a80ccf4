// The common shapes of rows, so that a row says only what is special about it.
import type { Bytes, ExpectedAnswer, ExpectedRequest, Row, Side } from './row.ts'

export const everySide: readonly Side[] = ['inbound', 'route', 'unlisted']
export const inbound: readonly Side[] = ['inbound']
export const outbound: readonly Side[] = ['route', 'unlisted']
export const route: readonly Side[] = ['route']
export const unlisted: readonly Side[] = ['unlisted']
/** Where the upstream is one of the mesh. */
export const inMesh: readonly Side[] = ['inbound', 'route']

/** A request: `line`, Host, who calls, `fields`. */
export function request(line: string, fields: readonly string[] = [], body = ''): string {
  return `${line}\r\nHost: {host}\r\n{auth}${lines(fields)}\r\n${body}`
}

/** A request of exactly these lines. */
export function bare(...all: readonly string[]): string {
  return `${lines(all)}\r\n`
}

export function get(...fields: readonly string[]): string {
  return request('GET /x HTTP/1.1', fields)
}

/** A POST with its length. */
export function post(body: string, ...fields: readonly string[]): string {
  return request('POST /x HTTP/1.1', [...fields, `Content-Length: ${body.length}`], body)
}

/** A POST in chunks; `body` is the bytes behind the head. */
export function chunked(body: string, ...fields: readonly string[]): string {
  return request('POST /x HTTP/1.1', [...fields, 'Transfer-Encoding: chunked'], body)
}

/** One chunk of `text`, the last one, and `trailers`. */
export function chunks(text: string, ...trailers: readonly string[]): string {
  return `${chunk(text)}0\r\n${lines(trailers)}\r\n`
}

export function chunk(text: string): string {
  return `${text.length.toString(16)}\r\n${text}\r\n`
}

/** An answer of the upstream; `fields` hold its framing. */
export function answer(line: string, fields: readonly string[], body = ''): string {
  return `HTTP/1.1 ${line}\r\n${lines(fields)}\r\n${body}`
}

/** A 200 with its length. */
export function ok(body = 'ok', ...fields: readonly string[]): string {
  return answer('200 OK', [...fields, `Content-Length: ${body.length}`], body)
}

/** A 200 in chunks; `body` is the bytes behind the head. */
export function okChunked(body: string, ...fields: readonly string[]): string {
  return answer('200 OK', [...fields, 'Transfer-Encoding: chunked'], body)
}

function lines(all: readonly string[]): string {
  return all.map((line) => `${line}\r\n`).join('')
}

/** What the client gets from {@link ok}. */
export const served: ExpectedAnswer = { status: 200, body: 'ok' }

type Special = Partial<Omit<Row, 'name' | 'rfc'>>

/** A request that is passed on as it is and answered by a plain 200, but for what `special` says. */
export function passes(
  name: string,
  rfc: string,
  send: Bytes,
  expected: ExpectedRequest = {},
  special: Special = {},
): Row {
  return { name, rfc, sides: everySide, send, upstream: [expected], client: [served], ...special }
}

/** A request that never reaches the upstream. */
export function refused(
  name: string,
  rfc: string,
  send: Bytes,
  code: string | RegExp = 'request_malformed',
  special: Special = {},
): Row {
  const client = [{ status: 400, code, closes: true }]
  return { name, rfc, sides: everySide, send, upstream: [], client, ...special }
}

/** A plain GET whose answer is special. */
export function answered(
  name: string,
  rfc: string,
  bytes: Bytes,
  expected: ExpectedAnswer | 'broken off',
  special: Special = {},
): Row {
  const client = expected === 'broken off' ? expected : [expected]
  return { name, rfc, sides: everySide, send: get(), answers: [bytes], upstream: [{}], client, ...special }
}

/** Refused by its head alone, without a body behind it. */
export function refusedOpen(
  name: string,
  rfc: string,
  send: Bytes,
  code = 'request_malformed',
  special: Special = {},
): Row {
  return refused(name, rfc, send, code, { client: [{ status: 400, code, closes: 'may' }], ...special })
}

/** An answer of the upstream that is passed on to nobody. */
export function badGateway(
  name: string,
  rfc: string,
  bytes: Bytes,
  code = 'upstream_invalid',
  special: Special = {},
): Row {
  return answered(name, rfc, bytes, { status: 502, code }, special)
}

export const end = { act: 'end' } as const
export const reset = { act: 'reset' } as const
/** A whole request and answer on connections of its own, while this step waits. */
export const roundTrip = { act: 'round trip' } as const

export function untilClient(has: string): { until: 'client'; has: string } {
  return { until: 'client', has }
}

export function untilUpstream(has: string): { until: 'upstream'; has: string } {
  return { until: 'upstream', has }
}

/** Each byte in a write of its own. */
export function byteByByte(text: string): { byteByByte: string } {
  return { byteByByte: text }
}
