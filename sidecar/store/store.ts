// What sidecars share: one small interface, and what may be expected of it. Everything in it is a cache of something
// that whoever reads it verifies again, for others can write there.

/** The store did not answer, or not in time: nothing is known of what was asked. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable'
}

/** The store answered that its user may not do this: asking again will not help. */
export class StoreDenied extends StoreUnavailable {}

/** The store holds more than is read: somebody else writes there. */
export class StoreOverfull extends StoreUnavailable {}

/** A member of a sorted set, with its score. */
export type Scored = readonly [member: string, score: number]

/** Told of each message. Undefined: messages may have been lost; what depends on them is to be read anew. */
export type Listener = (message: string | undefined) => void

/**
 * All names are relative to the store's own prefix. Every promise is settled within {@link deadlineMs}, by a
 * {@link StoreUnavailable} where there is no answer; while it is known to be away, at once. What needs several steps,
 * `merge` and `members` of more than {@link stepMembers}, has that time for each.
 */
export interface Store {
  readonly kind: 'memory' | 'redis'
  /** Whether it is asked now: false while the circuit is open, since it did not answer. */
  readonly isUp: boolean
  /** Undefined for none, and for an empty one. */
  get(key: string): Promise<string | undefined>
  /** @param lifeMs after which it is gone. @throws {StoreUnavailable} also for a value of more than {@link maxValueBytes}. */
  set(key: string, value: string, lifeMs: number): Promise<void>
  /** Takes the lease, or renews the holder's own. Resolves with whether the holder has it now. */
  lease(key: string, holder: string, lifeMs: number): Promise<boolean>
  /** Gives the lease back, if it is the holder's still. */
  release(key: string, holder: string): Promise<void>
  /** Adds members to a sorted set, or raises their score; a score is never lowered. Those below `floor` are removed. */
  merge(key: string, members: readonly Scored[], floor: number): Promise<void>
  /**
   * Members of a sorted set from `floor` on, `Infinity` included.
   * @throws {StoreOverfull} there are more than {@link maxMembers}, or longer ones than any of ours.
   */
  members(key: string, floor: number): Promise<readonly Scored[]>
  /** Resolves with how many were listening. @throws {StoreUnavailable} also for more than {@link maxValueBytes}. */
  publish(channel: string, message: string): Promise<number>
  /**
   * Listens until the store is closed. Told `undefined` when the store is first heard, and each time that it is heard
   * again after a gap; in memory there are none. An empty message says no more than that, and is told so.
   */
  subscribe(channel: string, listener: Listener): void
  close(): Promise<void>
}

/** No request waits longer for the store. */
export const deadlineMs = 50

/** No value and no message is longer, in UTF-8. */
export const maxValueBytes = 256 * 1024

/** How many members of a sorted set are written or read at a time. */
export const stepMembers = 500

/** A sorted set that holds more is not read: somebody else writes there. */
export const maxMembers = 200_000

/** @throws {StoreUnavailable} it is more than a store takes. */
export function checkLength(value: string): void {
  const bytes = Buffer.byteLength(value)
  if (bytes > maxValueBytes) {
    throw new StoreUnavailable(`${bytes} bytes are more than the ${maxValueBytes} that a store takes`)
  }
}
