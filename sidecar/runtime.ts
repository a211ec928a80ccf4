// What both sides of the sidecar work with: the snapshot in effect, and the live state beside it.
import type { Snapshot } from '../shared/trust.ts'
import type { Revocations } from '../shared/assertion/verify.ts'
import type { Naming } from '../shared/pseudonyms.ts'
import type { Certificates } from './certificates.ts'
import type { EgressRule } from './egress.ts'
import type { Credential } from './credential/credential.ts'
import type { Sources } from './asking.ts'
import type { OpenExchanges } from './open-exchanges.ts'
import type { Sessions } from './sessions.ts'
import type { Store } from './store/store.ts'
import type { Recorder } from './telemetry/recorder.ts'
import type { Tracing } from './telemetry/tracing.ts'
import type { Tls } from './tls/tls.ts'
import type { UsedTokens } from './used-tokens.ts'

export interface Runtime {
  /** The configuration and keys in effect: to be read once for each request. */
  readonly current: () => Current
  readonly ask: Sources
  readonly store: Store
  readonly certificates: Certificates
  readonly sessions: Sessions
  readonly usedTokens: UsedTokens
  readonly revocations: Revocations
  readonly exchanges: OpenExchanges
  readonly recorder: Recorder
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly tracing: Tracing
  /** Where calls to unlisted hosts may go now. */
  readonly egressRule: () => EgressRule
}

/** One consistent view, swapped whole. */
export interface Current {
  readonly snapshot: Snapshot
  readonly credential: Credential
  readonly tls: Tls
  /** How users stand in logs, audit and traces. */
  readonly naming: Naming
}
