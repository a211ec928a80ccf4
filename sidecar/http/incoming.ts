// A request as whatever transport took it, and the way to reply: what carrying it out needs to know, and no more.
import type { Readable } from 'node:stream'
import type { RequestHead } from '../../shared/head.ts'
import type { Connection } from './connection.ts'
import type { Upgrade } from './upgrade.ts'

export type HttpVersion = '1.0' | '1.1' | '2.0'

/** How the end of the body is told: `none` where there is no body, its length in bytes, or `open`: by its own end. */
export type Framing = 'none' | 'open' | number

/** Pairs of name and value. */
export type Trailers = readonly (readonly [name: string, value: string])[]

export interface Incoming {
  readonly head: RequestHead
  readonly version: HttpVersion
  readonly connection: Connection
  readonly framing: Framing
  /** All of the body, where it came before anybody read it; else, and for who wants a stream, it comes by {@link body}. */
  readonly content?: Buffer | undefined
  /** Its end counts only where {@link isComplete}: some transports end it where the request was broken off. */
  readonly body: Readable
  /** Names and values in turn; known when the body has ended. */
  readonly trailers: readonly string[]
  /** Whether all of the request has come, read or not. */
  readonly isComplete: boolean
  readonly reply: Reply
  /** Undefined: none is asked for. */
  readonly upgrade: Upgrade | undefined
  /** @throws {Refusal} what came, though it cannot be served by this transport. */
  refuseUnserved(): void
}

export interface ReplyHead {
  readonly status: number
  /** For transports that have one; may be empty. */
  readonly reason: string
  readonly headers: readonly string[]
}

/** What goes back to the client. */
export interface Reply {
  /** Whether nobody is there any more. */
  readonly isGone: boolean
  readonly hasBegun: boolean
  /** Of what has begun. */
  readonly status: number
  /** Tells the client to use this connection for no further request. */
  closeConnection(): void
  /** Tells a client that waits for it that its body is wanted (RFC 9110 section 10.1.1). */
  invite(): void
  /** Passes a 1xx answer on, where the client can be told of it now: it is a hint, and never waits. */
  inform(status: number, headers: readonly string[]): void
  /**
   * Sends the head.
   * @param isEmpty no body and no trailers follow, and where that can be said it is.
   * @throws what cannot be sent.
   */
  begin(head: ReplyHead, isEmpty: boolean): void
  /** @returns whether more is taken before `onDrain` calls. */
  write(chunk: Buffer): boolean
  onDrain(listener: () => void): void
  /** @param done called when all was handed to the connection, or with why it was not. */
  end(trailers: Trailers, done: (error?: Error | null) => void): void
  /** Answers whole, where nothing has begun. */
  send(head: ReplyHead, body: string): void
  /** Ends it so that nobody can take it for whole. */
  breakOff(): void
  /** Calls when the client has left, and when all is over. */
  onceClosed(listener: () => void): void
  offClosed(listener: () => void): void
}
