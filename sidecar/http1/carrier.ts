// What a request of HTTP/1.1 and its reply need of the connection that carries them.
import type { Socket } from 'node:net'
import type { Connection } from '../http/connection.ts'
import type { Contained } from '../http/containment.ts'

export interface Carrier extends Contained {
  readonly socket: Socket
  readonly connection: Connection
  /** Of a head, and of what may come beside a body in chunks; in bytes. */
  readonly maxHeadBytes: number
  /** What an answer says of the connection that stays. */
  readonly keepAliveLines: string
  /** More of the body is wanted. */
  readOn(): void
  /** The request is over. @param isLast whether the connection is to end. */
  done(isLast: boolean): void
  /** Hands the connection over, with what was read ahead. */
  release(): { readonly socket: Socket; readonly ahead: Buffer }
}
