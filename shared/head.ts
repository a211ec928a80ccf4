// The head of a request as every transport hands it to the decisions: names and values, nothing else.

/** Names and values in turn, as received: `[name, value, name, value, …]` (Node's `rawHeaders`). */
export type HeaderList = readonly string[]

export interface RequestHead {
  readonly method: string
  /** The request target as received: origin, absolute, authority or asterisk form (RFC 9112 section 3.2). */
  readonly target: string
  readonly headers: HeaderList
}

/** The certificate that a peer proved to hold (mutual TLS), and that somebody certifies whom we trust. */
export interface PeerCertificate {
  /** Lower-case hex SHA-256 of the DER certificate. */
  readonly fingerprint: string
  /** Lower-case hex SHA-256 of the DER subject public key info. */
  readonly spkiHash: string
  readonly uriNames: readonly string[]
}

/** Who is at the other end of the connection. */
export interface Peer {
  /** The IP address, IPv4-mapped addresses in IPv4 form. */
  readonly address: string
  readonly certificate?: PeerCertificate
}

/** The fields that `keep` wants, names in lower case. */
export function filterHeaders(
  headers: HeaderList,
  keep: (lowerName: string, value: string) => boolean,
): string[] {
  const kept: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    const value = headers[i + 1] as string
    if (keep(name.toLowerCase(), value)) kept.push(name, value)
  }
  return kept
}

/** `name` in lower case. */
export function hasHeader(headers: HeaderList, name: string): boolean {
  return firstHeader(headers, name) !== undefined
}

/** The first value of a header; `name` in lower case. */
export function firstHeader(headers: HeaderList, name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) {
    const candidate = headers[i] as string
    if (candidate.length === name.length && candidate.toLowerCase() === name) return headers[i + 1]
  }
  return undefined
}

/** All values of a header, in order; `name` in lower case. Names are compared without regard to case. */
export function headerValues(headers: HeaderList, name: string): string[] {
  let values: string[] | undefined
  for (let i = 0; i < headers.length; i += 2) {
    const candidate = headers[i] as string
    if (candidate.length !== name.length || candidate.toLowerCase() !== name) continue
    const value = headers[i + 1] as string
    // Nearly always the only one: a list that grows has room for sixteen.
    if (values === undefined) values = [value]
    else values.push(value)
  }
  return values ?? []
}

/** Without the blanks around it (RFC 9110 section 5.6.3), in time that grows with the text and no faster. */
export function trimBlanks(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isBlank(text.charCodeAt(start))) start++
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}
