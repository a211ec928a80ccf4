// The connections of listeners that anybody may reach: few, short, and the oldest goes first, so that nobody shuts others out.
import type { Server, Socket } from 'node:net'

/** More than whoever asks about one sidecar needs at the same time. */
export const maxConnections = 128

/** How long a request may take to come. */
export const requestTimeouts = {
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  connectionsCheckingInterval: 1_000,
} as const

/**
 * With more than `max` the oldest is closed: a newcomer that is turned away would be the probe.
 * @returns what spares a connection: it is closed for nobody, and counts no more.
 */
export function boundConnections(server: Server, max = maxConnections): (socket: Socket) => void {
  const open = new Set<Socket>()
  server.on('connection', (socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    if (open.size <= max) return
    const [oldest] = open
    if (oldest === undefined) return
    open.delete(oldest)
    oldest.destroy()
  })
  return (socket) => void open.delete(socket)
}
