// Ends a request that is under way, for a reason that is neither its client's nor its upstream's.
import type { Refusal } from '../../shared/errors.ts'

export class Interruption {
  #reason: Refusal | undefined
  #listener: ((reason: Refusal) => void) | undefined

  get reason(): Refusal | undefined {
    return this.#reason
  }

  /** Of several reasons the first counts. */
  interrupt(reason: Refusal): void {
    if (this.#reason !== undefined) return
    this.#reason = reason
    this.#listener?.(reason)
  }

  /** Undefined: nobody listens any more. */
  listen(listener: ((reason: Refusal) => void) | undefined): void {
    this.#listener = listener
  }
}
