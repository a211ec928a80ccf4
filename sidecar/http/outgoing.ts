// A request on its way to an upstream, whatever is spoken with it, and the answer that comes.
import type { Readable } from 'node:stream'
import type { Refusal } from '../../shared/errors.ts'
import type { Trailers } from './incoming.ts'
import type { Granted } from './upgrade.ts'

export interface Answer {
  /** All of the body, where it came with the head; else it comes by {@link body}. */
  readonly content?: Buffer | undefined
  readonly status: number
  readonly reason: string
  readonly headers: readonly string[]
  /** Its end counts only where {@link isWhole}. */
  readonly body: Readable
  /** Names and values in turn; known when the body has ended. */
  readonly trailers: readonly string[]
  /** Whether neither a body nor trailers follow its head. */
  readonly isEmpty: boolean
  /** Whether all of it has come, read or not. */
  readonly isWhole: boolean
  /** Whether any reader would see its end in the same place. */
  readonly hasCertainEnd: boolean
}

/** Told in this order; of `onFailure`, `onBroken` and the end of the answer's body one comes, and it is the last. */
export interface OutgoingEvents {
  /** It is connected, and the request may be on its way: what there is of a body may be sent. */
  readonly onReady: () => void
  /** A 1xx answer. */
  readonly onInformation: (status: number, headers: readonly string[]) => void
  readonly onAnswer: (answer: Answer) => void
  /** In place of an answer. */
  readonly onUpgrade: (granted: Granted) => void
  /** No answer will come. */
  readonly onFailure: (refusal: Refusal) => void
  /** The answer that has begun will not come to its end. */
  readonly onBroken: () => void
  /** Nothing has passed for `timeouts.idle`. */
  readonly onIdle: () => void
  /** An error of our own has ended it; nothing more comes. */
  readonly onFault: (error: unknown) => void
}

export interface Outgoing {
  /** Whether all of the request was sent. */
  readonly isEnded: boolean
  /** @returns whether more is taken before `onDrain` calls. */
  write(chunk: Buffer): boolean
  onDrain(listener: () => void): void
  offDrain(listener: () => void): void
  end(trailers: Trailers): void
  /**
   * Ends it so that the upstream cannot take it for whole. Nothing is told any more.
   * @param isLate whether the upstream was waited for too long: its connection may be dead, and nobody told.
   */
  abandon(isLate?: boolean): void
}
