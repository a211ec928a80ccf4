// The one table of refusal codes, and the one error that carries them.

/** Every code that a caller can see, with its HTTP status. */
const statusByCode = {
  request_malformed: 400,
  request_ambiguous: 400,

  client_certificate_missing: 401,
  client_certificate_invalid: 401,
  client_certificate_expired: 401,
  client_certificate_revoked: 401,
  client_certificate_mismatch: 401,
  assertion_missing: 401,
  assertion_anonymous: 401,
  assertion_not_from_edge: 401,
  assertion_reused: 401,
  assertion_malformed: 401,
  assertion_signature: 401,
  assertion_algorithm: 401,
  assertion_key_unknown: 401,
  assertion_issuer: 401,
  assertion_audience: 401,
  assertion_expired: 401,
  assertion_not_yet_valid: 401,
  assertion_revoked: 401,
  original_user_malformed: 401,
  original_user_signature: 401,
  original_user_algorithm: 401,
  original_user_key_unknown: 401,
  original_user_issuer: 401,
  original_user_audience: 401,
  original_user_expired: 401,
  original_user_not_yet_valid: 401,
  original_user_revoked: 401,

  policy_denied: 403,
  original_user_not_allowed: 403,
  original_user_required: 403,
  original_user_ambiguous: 403,
  original_user_lost: 403,
  evidence_missing: 403,
  evidence_invalid: 403,
  egress_denied: 403,
  call_not_allowed: 403,

  route_not_found: 404,
  body_too_large: 413,
  headers_too_large: 431,

  upstream_refused: 502,
  upstream_reset: 502,
  upstream_invalid: 502,
  upstream_timeout: 504,

  keys_unavailable: 503,
  credential_unavailable: 503,
  session_unavailable: 503,
  overloaded: 503,
  draining: 503,
} as const

export type RefusalCode = keyof typeof statusByCode

/** Why a token is not accepted; prefixed by the header it came in, it is a {@link RefusalCode}. */
export type TokenFault =
  | 'malformed'
  | 'signature'
  | 'algorithm'
  | 'key_unknown'
  | 'issuer'
  | 'audience'
  | 'expired'
  | 'not_yet_valid'
  | 'revoked'

export const refusalCodes = Object.keys(statusByCode) as readonly RefusalCode[]

export interface RefusalOptions {
  readonly status?: number
  readonly cause?: unknown
  readonly detail?: string
}

/**
 * A request that is refused. `message` is public: it says what to do and never holds a token, a claim
 * or a stack; `cause` is for logs alone.
 */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: RefusalCode
  readonly status: number
  /** For logs and the admin page alone: what was found and what was expected. Never a token. */
  readonly detail: string | undefined

  constructor(code: RefusalCode, message: string, options: RefusalOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.status = options.status ?? statusByCode[code]
    this.detail = options.detail
  }
}

/** Unless the refusal says otherwise: `route_not_found` is 421 where the request would come to the sidecar itself. */
export function statusOf(code: RefusalCode): number {
  return statusByCode[code]
}

export function isRefusalCode(text: string): text is RefusalCode {
  return Object.hasOwn(statusByCode, text)
}

/** What the caller is told: what to do, and where there is more to read. */
export function publicMessage({ message, code }: Refusal): string {
  return `${message} More: onbehalf explain ${code}`
}
