// Ends a connection so that what was written arrives.
import type { Socket } from 'node:net'

/** How long the other side may take to notice the end. */
const lingerMs = 5_000

/**
 * Ends the writing side, and reads on for a while what nobody wants: closed with something unread, a connection is
 * reset, and the reset can overtake the answer (RFC 9112 section 9.6).
 */
export function endLingering(socket: Socket, last = ''): void {
  const timer = setTimeout(() => socket.destroy(), lingerMs)
  socket.once('close', () => clearTimeout(timer))
  socket.end(last)
  socket.resume()
}
