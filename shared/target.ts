// Where a request wants to go: its host and its path, from the target and the Host field (RFC 9112 section 3.2).
import { Refusal } from './errors.ts'
import { headerValues, type RequestHead } from './head.ts'

export interface RequestTarget {
  /** Lower case, without port, IPv6 without brackets. */
  readonly host: string
  /** Undefined where none was given. */
  readonly port: number | undefined
  readonly tls: boolean
  /** Path and query in origin form, or `*`: byte for byte as received. */
  readonly originForm: string
  readonly absoluteForm: boolean
}

/**
 * @throws {Refusal} `request_malformed`: no Host, or one or a target that is no such thing;
 * `request_ambiguous`: two Hosts, or an absolute target that names another host than Host does.
 */
export function readTarget(head: RequestHead): RequestTarget {
  const hosts = headerValues(head.headers, 'host')
  if (hosts.length > 1) throw new Refusal('request_ambiguous', 'The request has more than one Host field.')
  const authority = parseAuthority(hosts[0] ?? '')
  if (authority === undefined) throw new Refusal('request_malformed', 'The request has no valid Host field.')
  if (!isVisibleAscii(head.target)) {
    throw new Refusal('request_malformed', 'The request target has a character that must be percent-encoded.')
  }
  if (head.target.startsWith('/') || (head.target === '*' && head.method === 'OPTIONS')) {
    const { host, port } = authority
    return { host, port, tls: false, originForm: head.target, absoluteForm: false }
  }
  const absolute = parseAbsolute(head)
  if (absolute === undefined)
    throw new Refusal('request_malformed', 'The request target is not a path or a URL.')
  if (absolute.host !== authority.host || portOf(absolute) !== portOf({ ...authority, tls: absolute.tls })) {
    throw new Refusal('request_ambiguous', 'The request target and the Host field name different hosts.')
  }
  return absolute
}

/** The same, where it is only to be recorded: undefined for what is refused. */
export function targetOf(head: RequestHead): RequestTarget | undefined {
  try {
    return readTarget(head)
  } catch (error) {
    if (error instanceof Refusal) return undefined
    throw error
  }
}

interface Authority {
  readonly host: string
  readonly port: number | undefined
}

/** The default of the scheme counts as given: `http://api/` with `Host: api:80` is one host. */
function portOf(target: Authority & { tls: boolean }): number {
  return target.port ?? (target.tls ? 443 : 80)
}

const authorityForm = /^(?:\[([0-9a-fA-F.]*:[0-9a-fA-F:.]*)\]|([A-Za-z0-9._~-]+))(?::([0-9]{1,5}))?$/

/** Parses `host[:port]`, without user information. */
export function parseAuthority(text: string): Authority | undefined {
  const match = authorityForm.exec(text)
  if (match === null) return undefined
  const host = (match[1] ?? match[2] ?? '').toLowerCase()
  const port = match[3] === undefined ? undefined : Number(match[3])
  if (port !== undefined && (port === 0 || port > 65_535)) return undefined
  const canonical = canonicalHost(host)
  return canonical === undefined ? undefined : { host: canonical, port }
}

const numericLabel = /^(?:0x)?[0-9a-f]*$/

/** Whether the last label may be a number to some resolver. */
function looksNumeric(host: string): boolean {
  return numericLabel.test(host.slice(host.lastIndexOf('.') + 1))
}

/**
 * One spelling for one host, or a route could be got around by another: a name without the final dot that DNS ignores,
 * an address as everybody writes it, though resolvers take `127.1`, `0x7f000001` and `2130706433` too.
 * @param host in lower case, an IPv6 address without brackets.
 * @returns undefined for what can be no host.
 */
export function canonicalHost(host: string): string | undefined {
  if (host.includes(':')) return canonicalIpv6(host)
  const bare = host.endsWith('.') ? host.slice(0, -1) : host
  if (bare === '' || bare.endsWith('.')) return undefined
  return looksNumeric(bare) ? URL.parse(`http://${bare}/`)?.hostname : bare
}

const mappedIpv4 = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/

function canonicalIpv6(host: string): string | undefined {
  const address = URL.parse(`http://[${host}]/`)?.hostname.slice(1, -1)
  const mapped = address === undefined ? null : mappedIpv4.exec(address)
  if (mapped === null) return address
  const bits = [mapped[1], mapped[2]].map((group) => Number.parseInt(group as string, 16))
  return bits.flatMap((group) => [group >> 8, group & 0xff]).join('.')
}

const absoluteForm = /^(https?):\/\/([^/?]+)(.*)$/i

function parseAbsolute({ target, method }: RequestHead): RequestTarget | undefined {
  const match = absoluteForm.exec(target)
  if (match === null) return undefined
  const authority = parseAuthority(match[2] as string)
  if (authority === undefined) return undefined
  const rest = match[3] as string
  // RFC 9112 section 3.2.4: the last proxy makes it the asterisk form.
  const isWholeServer = rest === '' && method === 'OPTIONS'
  const originForm = isWholeServer ? '*' : rest.startsWith('/') ? rest : `/${rest}`
  return { ...authority, tls: (match[1] as string).toLowerCase() === 'https', originForm, absoluteForm: true }
}

/** `#` included: a fragment is never sent (Istio CVE-2021-39156). */
function isVisibleAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code <= 0x20 || code >= 0x7f || code === 0x23) return false
  }
  return text !== ''
}
