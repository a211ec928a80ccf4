// How requests to upstreams fail, in the words of refusals.
import { Refusal, type RefusalCode } from '../../shared/errors.ts'

/** The upstream took no connection, or ended it, without a byte of an answer. */
export class Unanswered extends Refusal {
  /** Whether the upstream may have had the request, and carried it out. */
  readonly wasSent: boolean

  constructor(code: RefusalCode, message: string, wasSent: boolean, cause: unknown) {
    super(code, message, { cause })
    this.wasSent = wasSent
  }
}

export function unreachable(cause: unknown, isUnsent: boolean): Refusal {
  if (cause instanceof Refusal) return cause
  const message = 'The upstream cannot be reached. The log of the sidecar says which and why.'
  if (isUnsent) return new Unanswered('upstream_refused', message, false, cause)
  return new Refusal('upstream_refused', message, { cause })
}

/**
 * @param hasHeard whether a byte of an answer has come.
 * @param wasSent whether a byte of the request has gone.
 */
export function resetByUpstream(cause: unknown, hasHeard: boolean, wasSent = true): Refusal {
  const message = 'The upstream ended the connection before it answered.'
  if (hasHeard) return new Refusal('upstream_reset', message, { cause })
  return new Unanswered('upstream_reset', message, wasSent, cause)
}

/** The upstream says that it has carried out nothing (RFC 9113 section 8.7). */
export function turnedAway(cause: unknown): Refusal {
  return new Unanswered('upstream_reset', 'The upstream took no more requests.', false, cause)
}

export function unreadable(version: '1.1' | '2', cause: unknown): Refusal {
  return new Refusal('upstream_invalid', `The upstream did not answer in HTTP/${version}.`, { cause })
}

export function brokenOff(): Refusal {
  return new Refusal('upstream_reset', 'The upstream broke off its answer.')
}

export function invalidAnswer(): Refusal {
  return new Refusal('upstream_invalid', 'The upstream gave no answer that can be passed on.')
}

export function timedOut(which: 'connect' | 'response' | 'idle'): Refusal {
  return new Refusal('upstream_timeout', `The upstream did not answer in time (timeouts.${which}).`)
}

export function startTimer(delayMs: number, onTime: () => void): NodeJS.Timeout | undefined {
  return delayMs > 0 ? setTimeout(onTime, delayMs) : undefined
}
