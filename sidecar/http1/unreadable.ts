// What is answered to a client whose bytes are no request, or do not come in time.
import { Refusal } from '../../shared/errors.ts'
import { TrailersTooLarge } from './chunked.ts'
import { HeadTooLarge } from './head-buffer.ts'
import { Ambiguous, Malformed } from './syntax.ts'

/** @throws what is no fault of the client's. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Ambiguous) return new Refusal('request_ambiguous', error.message, { cause: error })
  const isTooLarge = error instanceof HeadTooLarge || error instanceof TrailersTooLarge
  if (error instanceof Malformed && !isTooLarge) return malformed(error)
  if (!isTooLarge) throw error
  return new Refusal('headers_too_large', 'The header section is too large (limits.header_bytes).', {
    cause: error,
  })
}

export function malformed(cause?: unknown): Refusal {
  return new Refusal('request_malformed', 'This is not an HTTP/1.1 request.', { cause })
}

export function headTooLate(): Refusal {
  return new Refusal('request_malformed', 'The header section did not arrive in time (timeouts.headers).')
}

export function bodyTooLate(): Refusal {
  return new Refusal('request_malformed', 'The body did not arrive in time (timeouts.idle).')
}
