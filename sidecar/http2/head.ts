// The head of a message between HTTP/2, where names are in lower case and some things have fields of their own, and the
// list of names and values that the decisions read.
import type { OutgoingHttpHeaders } from 'node:http'
import { sensitiveHeaders } from 'node:http2'
import { filterHeaders, headerValues, type HeaderList, type RequestHead } from '../../shared/head.ts'
import { isIdentityName } from '../../shared/headers/names.ts'
import type { Trailers } from '../http/incoming.ts'

export interface Http2Head extends RequestHead {
  /** What an extended CONNECT asks for (RFC 8441). */
  readonly protocol: string | undefined
}

/**
 * The Host field stands for `:authority` (RFC 9113 section 8.3.1); one beside it that says something else stays, and makes
 * the request ambiguous. Crumbs of cookies become one field again (section 8.2.3).
 */
export function readRequestHead(raw: readonly string[]): Http2Head {
  const pseudo: Record<string, string> = {}
  const headers: string[] = []
  const crumbs: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string
    const value = raw[i + 1] as string
    if (name.startsWith(':')) pseudo[name] = value
    else if (name === 'cookie') crumbs.push(value)
    else headers.push(name, value)
  }
  if (crumbs.length > 0) headers.push('cookie', crumbs.join('; '))
  const {
    ':method': method = '',
    ':path': target = '',
    ':authority': authority,
    ':protocol': protocol,
  } = pseudo
  // To policies it is the request that HTTP/1.1 would make (RFC 8441 section 5).
  const asked = method === 'CONNECT' && protocol !== undefined ? 'GET' : method
  return { method: asked, target, headers: withHost(headers, authority), protocol }
}

function withHost(headers: HeaderList, authority: string | undefined): string[] {
  if (authority === undefined) return [...headers]
  const others = filterHeaders(headers, (name, value) => name !== 'host' || value !== authority)
  return ['host', authority, ...others]
}

export interface RequestLine {
  readonly method: string
  readonly scheme: 'http' | 'https'
  readonly path: string
  readonly protocol?: string | undefined
}

/** @param headers end-to-end fields, Host among them. */
export function writeRequestHead(line: RequestLine, headers: HeaderList): string[] {
  const [authority = ''] = headerValues(headers, 'host')
  const pseudo = [':method', line.method, ':scheme', line.scheme, ':authority', authority, ':path', line.path]
  if (line.protocol !== undefined) pseudo.push(':protocol', line.protocol)
  const fields = filterHeaders(
    headers,
    (name) =>
      name !== 'host' &&
      !connectionSpecific.has(name) &&
      !(line.protocol !== undefined && name === 'sec-websocket-key'),
  )
  return neverIndexed([...pseudo, ...lowerCased(fields)])
}

export function writeReplyHead(status: number, headers: HeaderList): string[] {
  const isEmpty = status === 204
  const fitting = filterHeaders(
    headers,
    (name) => !connectionSpecific.has(name) && !(isEmpty && name === 'content-length'),
  )
  return neverIndexed([':status', String(status), ...lowerCased(fitting)])
}

/** Without pseudo fields. */
export function plainFields(raw: readonly string[]): string[] {
  return filterHeaders(raw, (name) => !name.startsWith(':'))
}

/** RFC 9113 section 8.2.2. */
const connectionSpecific: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
])

function lowerCased(headers: HeaderList): string[] {
  return headers.map((text, i) => (i % 2 === 0 ? text.toLowerCase() : text))
}

const secret: ReadonlySet<string> = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
  'tracestate',
  'baggage',
])
const noClaims: ReadonlySet<string> = new Set()

/**
 * RFC 7541 section 7.1.3: what is secret, and what is said of an identity, is never indexed, by this hop or the next: who
 * shares a connection could guess at it by the length of what is sent.
 */
function neverIndexed(list: string[]): string[] {
  const names = new Set<string>()
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i] as string
    if (secret.has(name) || isIdentityName(name, noClaims)) names.add(name)
  }
  // node:http2 reads the names from beside the list.
  return Object.assign(list, { [sensitiveHeaders]: [...names] })
}

/** Trailers and 1xx answers: node:http2 takes no list of these. A field may be named as what every object inherits. */
export function asObject(fields: Trailers): OutgoingHttpHeaders {
  const object = Object.create(null) as Record<string, string[]>
  for (const [name, value] of fields) (object[name.toLowerCase()] ??= []).push(value)
  return object
}
