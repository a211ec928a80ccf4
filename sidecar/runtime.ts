// What both sides of the sidecar work with: the snapshot in effect, and the live state beside it.
import type { Snapshot } from '../shared/trust.ts'
import type { Revocations } from '../shared/assertion/verify.ts'
import type { TraceParent } from '../shared/headers/trace-context.ts'
import type { Issuer } from '../shared/config/mesh.ts'
import type { EgressRule } from './egress.ts'
import type { Credential } from './credential/credential.ts'
import type { RefetchResult } from './keys/issuer-keys.ts'
import type { Sessions } from './sessions.ts'
import type { Recorder } from './telemetry/recorder.ts'
import type { UsedTokens } from './used-tokens.ts'

export interface Runtime {
  /** The configuration and keys in effect: to be read once for each request. */
  readonly current: () => Current
  readonly refetchKeys: (issuer: Issuer) => Promise<RefetchResult>
  readonly sessions: Sessions
  readonly usedTokens: UsedTokens
  readonly revocations: Revocations
  readonly recorder: Recorder
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** For a request that is part of no trace. */
  readonly startTrace: () => TraceParent
  /** Where calls to unlisted hosts may go now. */
  readonly egressRule: () => EgressRule
}

/** One consistent view, swapped whole. */
export interface Current {
  readonly snapshot: Snapshot
  readonly credential: Credential
}
