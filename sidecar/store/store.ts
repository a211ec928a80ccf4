// What sidecars share: one small interface, and what may be expected of it. Everything in it is a cache of something
// that whoever reads it verifies again, for others can write there.

/** The store did not answer, or not in time: nothing is known of what was asked. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable'
}

/** A member of a sorted set, with its score. */
export type Scored = readonly [member: string, score: number]

/** Told of each message. Undefined: messages may have been lost; what depends on them is to be read anew. */
export type Listener = (message: string | undefined) => void

/**
 * All names are relative to the store's own prefix. Every promise is settled within {@link deadlineMs}, by a
 * {@link StoreUnavailable} where there is no answer; while it is known to be away, at once.
 */
export interface Store {
  readonly kind: 'memory' | 'redis'
  /** Whether it is asked now: false while the circuit is open, since it did not answer. */
  readonly isUp: boolean
  get(key: string): Promise<string | undefined>
  /** @param lifeMs after which it is gone. */
  set(key: string, value: string, lifeMs: number): Promise<void>
  /** Takes the lease, or renews the holder's own. Resolves with whether the holder has it now. */
  lease(key: string, holder: string, lifeMs: number): Promise<boolean>
  /** Gives the lease back, if it is the holder's still. */
  release(key: string, holder: string): Promise<void>
  /** Adds members to a sorted set, or raises their score; a score is never lowered. Those below `floor` are removed. */
  merge(key: string, members: readonly Scored[], floor: number): Promise<void>
  /** Members of a sorted set from `floor` on, `Infinity` included. */
  members(key: string, floor: number): Promise<readonly Scored[]>
  publish(channel: string, message: string): Promise<void>
  /** Listens until the store is closed; told `undefined` each time that the store is heard again after a gap. */
  subscribe(channel: string, listener: Listener): void
  close(): Promise<void>
}

/** No request waits longer for the store. */
export const deadlineMs = 50
