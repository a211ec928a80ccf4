// Whether a request that was not answered is sent again: where that is safe, and for a bounded time.
import { setTimeout as pause } from 'node:timers/promises'
import { Unanswered } from './failures.ts'
import type { Upload } from './upload.ts'

/** So long a refused connection is tried again: about what an app takes to start again. */
const patienceMs = 2_000
const firstPauseMs = 10
const longestPauseMs = 200
/**
 * So often a request that may have been carried out is sent again: at once, and once more a moment later, for the
 * connection that was taken first can be one to a process that is just ending.
 */
const maxSentAgain = 2
const momentMs = 50
/** What was under way for longer is not sent again: its credential may be no longer good. */
const youngMs = 10_000

export class Repetition {
  readonly #isAwaited: boolean
  readonly #startedMs = performance.now()
  #refusedMs: number | undefined
  #pauseMs = firstPauseMs
  #sentAgain = 0

  /** @param isAwaited whether a refused connection is worth waiting for. */
  constructor(isAwaited: boolean) {
    this.#isAwaited = isAwaited
  }

  /** Whether the next attempt is to be made on a new connection: an old one may have ended, as the last had. */
  get onNewConnection(): boolean {
    return this.#sentAgain > 0
  }

  /**
   * Resolves when the request is to be sent again.
   * @throws what is not safe, or no more worth, to be repeated.
   */
  async await(error: unknown, upload: Upload): Promise<void> {
    if (!(error instanceof Unanswered)) throw error
    const nowMs = performance.now()
    if (error.wasSent) {
      const isWorthIt = this.#sentAgain < maxSentAgain && nowMs - this.#startedMs < youngMs
      if (!upload.isRepeatable || !isWorthIt) throw error
      if (this.#sentAgain > 0) await pause(momentMs)
      this.#sentAgain++
      return
    }
    this.#refusedMs ??= nowMs
    if (!this.#isAwaited || nowMs - this.#refusedMs > patienceMs) throw error
    await pause(this.#pauseMs)
    this.#pauseMs = Math.min(this.#pauseMs * 2, longestPauseMs)
  }
}
