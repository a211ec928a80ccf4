// Ends a connection so that what was written arrives.
import type { Socket } from 'node:net'

/** How long the other side may take to notice the end. */
const lingerMs = 5_000

/**
 * Ends the writing side, and reads on for a while what nobody wants: closed with something unread, a connection is
 * reset, and the reset can overtake the answer (RFC 9112 section 9.6).
 */
export function endLingering(socket: Socket, last = ''): void {
  if (socket.destroyed) return
  const timer = setTimeout(() => socket.destroy(), lingerMs)
  socket.once('close', () => clearTimeout(timer))
  socket.end(last)
  // Bytes, no requests.
  socket.removeAllListeners('data')
  socket.on('data', () => undefined)
  socket.resume()
}

/** Ends as soon as the last bytes are written: where who holds the connection open longer would gain by it. */
export function endAtOnce(socket: Socket, last: string): void {
  socket.end(last, () => socket.destroy())
}
