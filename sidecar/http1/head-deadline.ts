// Holds a client to the time within which a head is to arrive whole.

export class HeadDeadline {
  readonly #limitMs: number
  readonly #onLate: () => void
  #timer: NodeJS.Timeout | undefined

  /** @param limitMs in milliseconds; 0: no limit. */
  constructor(limitMs: number, onLate: () => void) {
    this.#limitMs = limitMs
    this.#onLate = onLate
  }

  /** Unless it runs already. */
  start(): void {
    if (this.#limitMs === 0 || this.#timer !== undefined) return
    this.#timer = setTimeout(() => this.#end(), this.#limitMs)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #end(): void {
    const timer = this.#timer
    // Timers run before what has arrived is read: it may even be answered by then.
    setImmediate(() => {
      if (this.#timer !== timer) return
      this.#timer = undefined
      this.#onLate()
    })
  }
}
