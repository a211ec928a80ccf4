// What a row of the table says: the bytes that are sent and answered, and what each side must make of them.

/** Client → sidecar → app; app → sidecar → the `to` of a route; app → sidecar → a host that no route names. */
export type Side = 'inbound' | 'route' | 'unlisted'

/** A string is bytes (latin1) to be written; the rest is what to do or to wait for between them. */
export type Step =
  | string
  | { readonly until: 'client' | 'upstream'; readonly has: string }
  | { readonly byteByByte: string }
  | { readonly act: 'end' | 'reset' | 'round trip' }

export type Bytes = string | readonly Step[]

/**
 * What a message must be. Names are compared without regard to case; a value stands for all values of the name in
 * order.
 */
export interface ExpectedFields {
  readonly has?: Readonly<Record<string, string | RegExp | readonly string[]>>
  readonly lacks?: readonly string[]
  /** Lines as on the wire: of all fields with these names, these in this order and spelling. */
  readonly lines?: readonly string[]
  /** `name: value` as on the wire; default: none. */
  readonly trailers?: readonly string[]
  readonly framing?: 'none' | 'length' | 'chunked' | 'close'
}

export interface ExpectedRequest extends ExpectedFields {
  /** Default: the line that was sent. */
  readonly line?: string
  /** Default: none. */
  readonly body?: string
}

export interface ExpectedAnswer extends ExpectedFields {
  readonly status: number
  readonly reason?: string
  /** A refusal with this code; without: none. */
  readonly code?: string | RegExp
  /** Not looked at in a refusal. */
  readonly body?: string
  /**
   * The sidecar closes the connection after it, and has said so. Default: a further request is served on it. `may`: it
   * does what it says.
   */
  readonly closes?: boolean | 'may'
  /** The 1xx answers before it; `100?`: a 100 or nothing. Default: none. */
  readonly interim?: readonly (ExpectedFields & { readonly status: number })[] | '100?'
}

export interface Row {
  readonly name: string
  /** The section that says so, or whose practice it is. */
  readonly rfc: string
  readonly sides: readonly Side[]
  /** `{host}`, `{auth}` (a field line with its line end, or nothing), `{via}` and `{dead}` are filled in, here and below. */
  readonly send: Bytes
  /** Of what is sent, for pipelines; default: of the first line. */
  readonly asked?: readonly { readonly method: string; readonly version?: '1.0' | '1.1' }[]
  /** One for each request that the upstream gets. Default: a 200 with `ok` as its body. */
  readonly answers?: readonly Bytes[]
  /** The upstream answers when the head has come, not when the whole request has. */
  readonly early?: boolean
  /**
   * `never whole`: no request comes to its end there, and what began is broken off. `perhaps`: one request, whole or
   * broken off.
   */
  readonly upstream: readonly ExpectedRequest[] | 'never whole' | 'perhaps'
  /** How many requests break off there, beside those. */
  readonly abandoned?: number
  /**
   * `broken off`: no whole answer, and the connection ends. `no success`: refusals or nothing, for a client that does
   * not wait for its answer or says what is no HTTP.
   */
  readonly client: readonly ExpectedAnswer[] | 'broken off' | 'no success'
  /** The client speaks through a tunnel: what is invariable about forwarded messages does not concern them. */
  readonly tunnel?: boolean
}
