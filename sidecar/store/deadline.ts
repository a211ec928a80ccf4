// Ends the wait for what may never come.
import { RedisFault } from './redis-fault.ts'

/**
 * Waits no longer than that; what comes later is let go in silence.
 * @throws {RedisFault} `timeout`.
 */
export async function within<T>(deadlineMs: number, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  // After one more look at the sockets: where this process itself was held up, the answer is there by now.
  const isLate = () => setImmediate(() => late.reject(new RedisFault('timeout')))
  const timer = setTimeout(isLate, Math.max(0, deadlineMs))
  late.promise.catch(() => undefined)
  work.catch(() => undefined)
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
