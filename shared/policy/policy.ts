// What a compiled policy is asked, and what it answers.
import type { Peer } from '../head.ts'
import type { Assertion } from '../identity.ts'

/** All that a policy may look at. */
export interface PolicyFacts {
  /** Who is calling; undefined without an assertion. */
  readonly caller: Assertion | undefined
  readonly originalUser: Assertion | undefined
  /** The accounts passed, oldest first, from verified evidence; undefined where there is none. */
  readonly chain: readonly string[] | undefined
  readonly method: string
  /** Normalised, without query. */
  readonly path: string
  /** A CORS preflight (OPTIONS with `Origin` and `Access-Control-Request-Method`). */
  readonly corsPreflight: boolean
  readonly peer: Peer
  /** Milliseconds since the epoch. */
  readonly nowMs: number
}

export interface PolicyVerdict {
  readonly allowed: boolean
  /** True where a deny rule matched, false where merely no allow rule did. */
  readonly denied: boolean
  /** Which rule decided, for the decision record: `allow[0].or domain`, or `no allow rule matched`. Holds no claim. */
  readonly reason: string
}

/** Compiled once at load; pure. */
export interface Policy {
  /** Whether any criterion reads the path; then ambiguous paths are refused before it is asked. */
  readonly readsPath: boolean
  evaluate(facts: PolicyFacts): PolicyVerdict
}
