// Ends a connection so that what was sent on it cannot be taken for whole.
import type { Socket } from 'node:net'

/** In TLS the end without a farewell says as much (RFC 8446 section 6.1), and node:tls can do no more. */
export function resetConnection(socket: Socket | null): void {
  if (socket === null) return
  if ('encrypted' in socket) socket.destroy()
  else socket.resetAndDestroy()
}
