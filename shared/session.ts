// What is kept of an inbound request's identity, so that the calls it causes can carry it.
import type { Evidence } from './evidence/evidence.ts'
import type { TraceParent } from './headers/trace-context.ts'
import type { Assertion } from './identity.ts'

export interface Session {
  readonly handle: string
  /** Ours for the inbound request, as in its decision record. */
  readonly requestId: string
  /** Where the inbound request stands in its trace: nothing follows from it but where a call's span belongs. */
  readonly trace?: TraceParent | undefined
  /** Undefined where the request came without an assertion, or to another sidecar. */
  readonly caller: Assertion | undefined
  /**
   * Whose JWT goes into `-For`: the caller's own, where a user called directly, else the `-For` that came.
   * Undefined for a service account's own call, and for nobody.
   */
  readonly originalUser: Assertion | undefined
  /** Whether the request came in about nobody. */
  readonly isAboutNobody: boolean
  /** Whether the original user called directly, so that the evidence begins here. */
  readonly isEntry: boolean
  /** How the original user's request came here; undefined at the entry, and where it brought no evidence. */
  readonly evidence: Evidence | undefined
  /** When the request came in; milliseconds since the epoch. */
  readonly sinceMs: number
}

/** The live sessions that came in with one token as the caller's own. */
export interface AssertionSessions {
  /** Any one of them: they have the caller in common, and, where the caller is a user, the original user. */
  readonly sample: Session
  /** Whether any that came with it, also one that has ended since, had an original user. */
  readonly carriesUsers: boolean
}

/** Live sessions as a decision sees them: each answer in constant time, none about an ended session. */
export interface SessionIndex {
  /** Whether a handle is another service's: well-formed, with a tag that is neither ours nor that of who shares with us. */
  isForeign(handle: string): boolean
  /** Whether another sidecar may have shared the session of a handle that is not here. */
  mayBeShared(handle: string): boolean
  byHandle(handle: string): Session | undefined
  byAssertion(token: string): AssertionSessions | undefined
  /**
   * The sessions whose original user's token this is: one for each way by which they came here, mostly one in all.
   * They have the original user in common.
   */
  byUserToken(token: string): readonly Session[]
  /** Whether one session came in with both. */
  cameTogether(assertion: string, userToken: string): boolean
}
