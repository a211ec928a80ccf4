// What is under way, with whose assertions and links: a revocation ends it.
import type { Revocations } from '../shared/assertion/verify.ts'
import { Refusal, type RefusalCode } from '../shared/errors.ts'
import type { Evidence } from '../shared/evidence/evidence.ts'
import type { Revocable } from '../shared/revocation.ts'
import { Interruption } from './http/interruption.ts'
import type { Counter } from './telemetry/metrics.ts'

type Role = 'assertion' | 'original_user' | 'evidence'

export type Carried = readonly (readonly [role: Role, signed: Revocable | undefined])[]

/** The links of evidence, each as what can be revoked. */
export function carriedBy(evidence: Evidence | undefined): Carried {
  return evidence?.revocables.map((link) => ['evidence', link] as const) ?? []
}

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
   * @throws {Refusal} `assertion_revoked`, `original_user_revoked`, `evidence_invalid`: since it was decided.
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
    const revoked = carried.find(([, signed]) => signed !== undefined && this.#revocations.isRevoked(signed))
    return revoked && new Refusal(codes[revoked[0]], messages[revoked[0]])
  }
}

const codes = {
  assertion: 'assertion_revoked',
  original_user: 'original_user_revoked',
  evidence: 'evidence_invalid',
} as const satisfies Record<Role, RefusalCode>

const messages: Readonly<Record<Role, string>> = {
  assertion: 'The assertion was revoked while the request was under way.',
  original_user: "The original user's assertion was revoked while the request was under way.",
  evidence: 'The key or the account of a link of the evidence was revoked while the request was under way.',
}
