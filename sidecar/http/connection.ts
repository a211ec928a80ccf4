// What is known of a client's connection, whatever is spoken on it.
import type { ShownCertificates } from '../../shared/peer.ts'
import type { OriginalDestination } from '../interception/original-destination.ts'

export interface Connection {
  /** The address of who is at its other end, IPv4-mapped ones in IPv4 form; empty where it was reset already. */
  readonly peer: string
  /** The port that the client connected to, or would have without a redirect. */
  readonly localPort: number | undefined
  /** Undefined: it was not redirected here. */
  readonly originalDestination: OriginalDestination | undefined
  readonly isTls: boolean
  /** What the client showed in TLS; undefined: nothing, or it does not speak TLS. */
  readonly shown: ShownCertificates | undefined
}
