// How often something may be done: a few times at once, and again one time each interval.

/** A token bucket: full at the start. */
export class Budget {
  readonly #burst: number
  readonly #intervalMs: number
  #left: number
  #sinceMs: number | undefined

  /** @param intervalMs after which one more is to be had, up to `burst`. */
  constructor(burst: number, intervalMs: number) {
    this.#burst = burst
    this.#intervalMs = intervalMs
    this.#left = burst
  }

  /** Takes one, if there is one. */
  take(nowMs: number): boolean {
    const sinceMs = this.#sinceMs ?? nowMs
    // A clock that was set back, or far ahead, must not keep us waiting.
    const gained = nowMs < sinceMs ? this.#burst : Math.floor((nowMs - sinceMs) / this.#intervalMs)
    const isFull = this.#left + gained >= this.#burst
    this.#left = Math.min(this.#burst, this.#left + gained)
    this.#sinceMs = isFull || nowMs < sinceMs ? nowMs : sinceMs + gained * this.#intervalMs
    if (this.#left === 0) return false
    this.#left--
    return true
  }
}
