// What is needed to carry one request to its upstream.
import type { Limits, Timeouts } from '../../shared/config/mesh.ts'
import type { AnswerRules } from './answer.ts'
import type { Framing, Incoming } from './incoming.ts'
import type { Interruption } from './interruption.ts'
import type { Answer, Outgoing, OutgoingEvents } from './outgoing.ts'
import type { Balancer } from '../upstream/balancer.ts'
import type { Destination } from '../upstream/dial.ts'

export interface Forwarding extends AnswerRules, Destination {
  readonly incoming: Incoming
  readonly connections: Connections
  /** Finds the address, where the upstream has, or may have, several. */
  readonly balancer?: Balancer | undefined
  /** Path and query in origin form, or `*`. */
  readonly path: string
  /** End-to-end headers, names and values in turn. */
  readonly headers: readonly string[]
  /** Whether the upstream is one of ours, or our app: then it is waited for while it starts again. */
  readonly isAwaited: boolean
  /**
   * What to send in place of {@link headers}, where an answer says that nothing was carried out for want of something
   * that can be sent along; undefined: the answer counts. Asked once.
   */
  readonly amend?: (answer: Answer) => (() => readonly string[]) | undefined
  /** Ends it from outside: with its reason before the answer, breaking the answer off once it has begun. */
  readonly interruption?: Interruption | undefined
  /** Called each time that the request is sent again. */
  readonly onRepeat: () => void
  readonly limits: Limits
  readonly timeouts: Timeouts
}

/** One attempt. */
export interface Sent {
  readonly forwarding: Forwarding
  readonly framing: Framing
  /** An old connection may have ended, as that of the last attempt had. */
  readonly onNewConnection: boolean
}

/** Opens requests to upstreams; keeps connections. */
export interface Connections {
  open(sent: Sent, events: OutgoingEvents): Outgoing
  close(): void
}
