// Remembers which single-use assertions were accepted, until they expire.
import { clockSkewSeconds } from '../shared/assertion/verify.ts'
import { Refusal } from '../shared/errors.ts'
import type { Assertion } from '../shared/identity.ts'

/** Forgetting one would let it be used again, so beyond this new ones are refused, not old ones dropped. */
const maxTokens = 200_000
const sweepIntervalMs = 1_000

export class UsedTokens {
  /** When each may be forgotten; milliseconds since the epoch. */
  readonly #forgetAtMs = new Map<string, number>()
  readonly #unhurriedNow: () => number
  #sweptMs = -Infinity

  /** @param unhurriedNow by which they are forgotten; milliseconds since the epoch. */
  constructor(unhurriedNow: () => number) {
    this.#unhurriedNow = unhurriedNow
  }

  get size(): number {
    return this.#forgetAtMs.size
  }

  /**
   * Uses an assertion up.
   * @throws {Refusal} `assertion_reused`; `assertion_malformed` without a `jti`; `overloaded` beyond the bound.
   */
  use(assertion: Assertion): void {
    if (assertion.tokenId === '') {
      throw new Refusal(
        'assertion_malformed',
        'The assertion is not accepted: its issuer is single_use, and it has no jti.',
      )
    }
    this.#sweep()
    const key = `${assertion.principal.issuer} ${assertion.tokenId}`
    if (this.#forgetAtMs.has(key)) {
      throw new Refusal(
        'assertion_reused',
        'The assertion was used here before, and its issuer is single_use.',
      )
    }
    if (this.#forgetAtMs.size >= maxTokens) {
      throw new Refusal('overloaded', 'Too many assertions are remembered as used. Try again shortly.')
    }
    this.#forgetAtMs.set(key, (assertion.expiresAt + clockSkewSeconds) * 1000)
  }

  #sweep(): void {
    const nowMs = this.#unhurriedNow()
    if (Math.abs(nowMs - this.#sweptMs) < sweepIntervalMs) return
    this.#sweptMs = nowMs
    for (const [key, forgetAtMs] of this.#forgetAtMs) {
      if (nowMs > forgetAtMs) this.#forgetAtMs.delete(key)
    }
  }
}
