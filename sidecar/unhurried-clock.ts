// The clock by which is forgotten what must not count again. A clock that is set ahead, by mistake or by whoever spoofs
// its time service, would have it forgotten early; so this one goes no faster than time passes.

/**
 * @param now milliseconds since the epoch, by a clock that can be set.
 * @param elapsedMs by one that cannot.
 * @returns milliseconds since the epoch, never ahead of `now`.
 */
export function createUnhurriedClock(
  now: () => number,
  elapsedMs: () => number = () => performance.now(),
): () => number {
  const originMs = now() - elapsedMs()
  return () => Math.min(now(), originMs + elapsedMs())
}
