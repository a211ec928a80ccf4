// How a request ended, after its decision.
import type { RefusalCode } from '../../shared/errors.ts'

export interface Ending {
  /** The status sent; undefined where the client left before. */
  readonly status: number | undefined
  readonly durationMs: number
  /** How often it was sent to the upstream again. */
  readonly repeated?: number
  /** A failure after the decision: the upstream's, or a limit. */
  readonly code?: RefusalCode
  /** For the log alone. */
  readonly error?: string
}
