// What the page is told: one shape for a sidecar by itself, and for several whose events were put together.
import type { Decision } from '../../../shared/decision.ts'

/** What was counted of one edge since the start. Differences between two of them are rates. */
export interface Edge {
  /** Who calls: a service, an account of none, `users`, `nobody`, or `unverified`. */
  readonly from: string
  /** Who is called: a service, or `elsewhere` for hosts that no route names. */
  readonly to: string
  /** Which side counted it. An edge between two services is counted by both of them. */
  readonly direction: 'inbound' | 'outbound'
  readonly requests: number
  /** Of the requests, those that were refused here. */
  readonly refused: number
  /** Of the requests, those that failed after they were permitted: no answer, or a status of 5xx. */
  readonly failed: number
  /** Refusals and failures by code. */
  readonly codes: Readonly<Record<string, number>>
  /** How many took at most so many seconds as `bounds` of the state says, each counted once; the last: longer. */
  readonly buckets: readonly number[]
}

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
export type DecisionEvent = Decision
