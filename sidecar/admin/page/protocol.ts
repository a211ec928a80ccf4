// What the page is told: one shape for a sidecar by itself, and for several whose events were put together.
import type { Decision } from '../../../shared/decision.ts'
import type { Step } from '../../../shared/steps.ts'
import type { Edge } from '../../telemetry/traffic.ts'

export type { Edge }

export interface KeyRow {
  readonly kind: 'issuer' | 'root' | 'account'
  /** The issuer, the mesh, or the account. */
  readonly of: string
  readonly id: string
  /** ISO 8601. */
  readonly usableUntil: string | undefined
  /** ISO 8601: when it was last fetched, where it is fetched. */
  readonly since: string | undefined
  readonly revoked: boolean
}

/** Event `state`: of one service, about once a second. */
export interface ServiceState {
  readonly service: string
  readonly version: string
  readonly mode: 'enforce' | 'report'
  /** Milliseconds since the epoch, of the sidecar. */
  readonly atMs: number
  readonly startedAtMs: number
  /** Why it is not ready; empty when it is. */
  readonly notReady: readonly string[]
  readonly edges: readonly Edge[]
  /** Upper bounds of the buckets of all edges, in seconds. */
  readonly bounds: readonly number[]
  readonly keys: readonly KeyRow[]
  /** Issuers whose keys were never loaded. */
  readonly waitingFor: readonly string[]
  readonly sessions: { readonly active: number; readonly lingering: number; readonly bytes: number }
  readonly configuration: {
    readonly file: string
    readonly loadedAtMs: number
    /** Why what is on disk is not in effect; empty when it is. */
    readonly problems: readonly string[]
  }
  /** Decisions that were not sent as events, since there were too many. */
  readonly unsentDecisions: number
}

/** Event `decision`. */
export interface DecisionEvent extends Decision {
  readonly steps: readonly Step[]
}
