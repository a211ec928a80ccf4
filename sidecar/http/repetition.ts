// Whether a request that was not answered is sent again: where that is safe, and for a bounded time.
import { Refusal, type RefusalCode } from '../../shared/errors.ts'
import type { Upload } from './upload.ts'

/** So long a refused connection is tried again: about what an app takes to start again. */
const patienceMs = 1_000
const firstPauseMs = 10

/** The upstream ended, or never took, the connection. */
export class Unanswered extends Refusal {
  /**
   * `unsent`: the connection was refused, so nothing can have been carried out; `stale`: a connection that had been
   * used before ended without a byte of an answer; `sent`: a new one did; `other`: nothing of these.
   */
  readonly stage: 'unsent' | 'stale' | 'sent' | 'other'

  constructor(code: RefusalCode, message: string, stage: Unanswered['stage'], cause: unknown) {
    super(code, message, { cause })
    this.stage = stage
  }
}

export class Repetition {
  /** How often the request was sent again. */
  count = 0
  readonly #isAwaited: boolean
  #untilMs: number | undefined
  #pauseMs = firstPauseMs
  #sentAgain = false

  /** @param isAwaited whether a refused connection is worth waiting for. */
  constructor(isAwaited: boolean) {
    this.#isAwaited = isAwaited
  }

  /**
   * Resolves when the request is to be sent again.
   * @throws what is not safe, or no more worth, to be repeated.
   */
  async permit(error: unknown, upload: Upload): Promise<void> {
    if (!(error instanceof Unanswered)) throw error
    if (error.stage === 'unsent') await this.#pause(error)
    else if (!upload.isRepeatable || !this.#isFirst(error)) throw error
    this.count++
  }

  /** Each stale connection is used up by its failure; what fails on a new one may fail because of the request. */
  #isFirst({ stage }: Unanswered): boolean {
    if (stage === 'stale') return true
    if (stage !== 'sent' || this.#sentAgain) return false
    this.#sentAgain = true
    return true
  }

  async #pause(error: Unanswered): Promise<void> {
    const nowMs = performance.now()
    this.#untilMs ??= nowMs + patienceMs
    if (!this.#isAwaited || nowMs >= this.#untilMs) throw error
    await new Promise((resolve) => setTimeout(resolve, this.#pauseMs))
    this.#pauseMs = Math.min(this.#pauseMs * 2, 200)
  }
}
