// What is under way, with whose assertions: a revocation ends it.
import type { Revocations, TokenRole } from '../shared/assertion/verify.ts'
import { Refusal } from '../shared/errors.ts'
import type { Assertion } from '../shared/identity.ts'
import { Interruption } from './http/interruption.ts'
import type { Counter } from './telemetry/metrics.ts'

export type Carried = readonly (readonly [role: TokenRole, assertion: Assertion | undefined])[]

export interface OpenExchange {
  readonly direction: 'inbound' | 'outbound'
  readonly carried: Carried
  readonly interruption: Interruption
  /** To be called when it has ended. */
  close(): void
}

export class OpenExchanges {
  readonly #revocations: Revocations
  /** Whether what is under way is ended at all: `streams.end_at`, `mode`. */
  readonly #isEnding: () => boolean
  readonly #ended: Counter
  readonly #open = new Set<OpenExchange>()
  #isLooking = false

  constructor(revocations: Revocations, isEnding: () => boolean, ended: Counter) {
    this.#revocations = revocations
    this.#isEnding = isEnding
    this.#ended = ended
  }

  get size(): number {
    return this.#open.size
  }

  /**
   * To be closed.
   * @throws {Refusal} `assertion_revoked`, `original_user_revoked`: since it was decided.
   */
  open(direction: OpenExchange['direction'], carried: Carried): OpenExchange {
    const exchange: OpenExchange = {
      direction,
      carried,
      interruption: new Interruption(),
      close: () => void this.#open.delete(exchange),
    }
    const reason = this.#reasonToEnd(exchange)
    if (reason !== undefined) throw reason
    this.#open.add(exchange)
    return exchange
  }

  /** Ends what was revoked: soon, and once for all that is learned at a time. */
  endRevoked(): void {
    if (this.#isLooking) return
    this.#isLooking = true
    setImmediate(() => {
      this.#isLooking = false
      for (const exchange of this.#open) this.#endIfRevoked(exchange)
    })
  }

  #endIfRevoked(exchange: OpenExchange): void {
    const reason = this.#reasonToEnd(exchange)
    if (reason === undefined) return
    exchange.close()
    this.#ended.add({ direction: exchange.direction, reason: 'revoked' })
    exchange.interruption.interrupt(reason)
  }

  #reasonToEnd({ carried }: Pick<OpenExchange, 'carried'>): Refusal | undefined {
    if (!this.#isEnding()) return undefined
    const revoked = carried.find(
      ([, assertion]) => assertion !== undefined && this.#revocations.isRevoked(assertion),
    )
    return revoked && new Refusal(`${revoked[0]}_revoked`, messages[revoked[0]])
  }
}

const messages: Readonly<Record<TokenRole, string>> = {
  assertion: 'The assertion was revoked while the request was under way.',
  original_user: "The original user's assertion was revoked while the request was under way.",
}
