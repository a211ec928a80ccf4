// What is under way, with whose assertions and links: a revocation ends it, and where it is wished so does its expiry.
import { hasExpired, type Revocations } from '../shared/assertion/verify.ts'
import type { Mesh } from '../shared/config/mesh.ts'
import { Refusal, type RefusalCode } from '../shared/errors.ts'
import type { Evidence } from '../shared/evidence/evidence.ts'
import type { Assertion } from '../shared/identity.ts'
import type { Revocable } from '../shared/revocation.ts'
import { Interruption } from './http/interruption.ts'
import type { Counter } from './telemetry/metrics.ts'

type Role = 'assertion' | 'original_user' | 'evidence'

/** What is known of links is what can be revoked of them. */
type Signed = Revocable & Partial<Pick<Assertion, 'kind' | 'expiresAt'>>

export type Carried = readonly (readonly [role: Role, signed: Signed | undefined])[]

/** The links of evidence, each as what can be revoked. */
export function carriedBy(evidence: Evidence | undefined): Carried[number][] {
  return evidence?.revocables.map((link) => ['evidence', link] as const) ?? []
}

export interface OpenExchange {
  readonly direction: 'inbound' | 'outbound'
  readonly carried: Carried
  readonly interruption: Interruption
  /** To be called when it has ended. */
  close(): void
}

export interface EndingRules {
  /** What ends what is under way: `streams.end_at`, in report mode `never`. */
  endAt(): Mesh['streamsEndAt']
  /** Milliseconds that an original user's assertion counts beyond its `exp`. */
  graceMs(): number
}

const expiredMessage = 'The assertion has expired while the request was under way (streams.end_at).'

export class OpenExchanges {
  readonly #revocations: Revocations
  readonly #rules: EndingRules
  readonly #ended: Counter
  readonly #open = new Set<OpenExchange>()
  #isLooking = false

  constructor(revocations: Revocations, rules: EndingRules, ended: Counter) {
    this.#revocations = revocations
    this.#rules = rules
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
    if (reason !== undefined) this.#end(exchange, 'revoked', reason)
  }

  /** Ends what a user's assertion, no longer valid, let in. An account's says nothing of how long: it is renewed. */
  endExpired(nowMs: number): void {
    if (this.#rules.endAt() !== 'expiry') return
    const graceMs = this.#rules.graceMs()
    const isOver = ([role, signed]: Carried[number]): boolean => {
      if (signed?.kind !== 'user' || signed.expiresAt === undefined) return false
      return hasExpired({ expiresAt: signed.expiresAt }, role === 'original_user' ? nowMs - graceMs : nowMs)
    }
    for (const exchange of this.#open) {
      const expired = exchange.carried.find(isOver)
      if (expired === undefined) continue
      const [role] = expired
      const code = role === 'original_user' ? 'original_user_expired' : 'assertion_expired'
      this.#end(exchange, 'expired', new Refusal(code, expiredMessage))
    }
  }

  #end(exchange: OpenExchange, why: 'revoked' | 'expired', reason: Refusal): void {
    exchange.close()
    this.#ended.add({ direction: exchange.direction, reason: why })
    exchange.interruption.interrupt(reason)
  }

  #reasonToEnd({ carried }: Pick<OpenExchange, 'carried'>): Refusal | undefined {
    if (this.#rules.endAt() === 'never') return undefined
    for (let i = 0; i < carried.length; i++) {
      const [role, signed] = carried[i] as Carried[number]
      if (signed !== undefined && this.#revocations.isRevoked(signed))
        return new Refusal(codes[role], messages[role])
    }
    return undefined
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
