// Knows the sidecar's own connections: one that comes back to it, by rules that do not exempt its user, would go in circles.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import { canonicalHost } from '../../shared/target.ts'
import type { OriginalDestination } from './original-destination.ts'

export interface OwnConnections {
  /** Whether a redirected connection is one of them, seen from its other end. */
  has(client: Socket, destination: OriginalDestination): boolean
  close(): void
}

/** Those over TLS are not told of; but what is passed on of them comes back too, and is. */
const channel = 'net.client.socket'

export function watchOwnConnections(): OwnConnections {
  const own = new Set<string>()
  const onSocket = (message: unknown) => {
    const { socket } = message as { socket: Socket }
    socket.once('connect', () => {
      const { localAddress, localPort, remotePort = 0, remoteAddress = '' } = socket
      const key = keyOf(localAddress, localPort, { address: canonical(remoteAddress), port: remotePort })
      own.add(key)
      socket.once('close', () => own.delete(key))
    })
  }
  subscribe(channel, onSocket)
  return {
    has: (client, destination) => own.has(keyOf(client.remoteAddress, client.remotePort, destination)),
    close: () => void unsubscribe(channel, onSocket),
  }
}

/** No two connections have all four in common. */
function keyOf(
  localAddress: string | undefined,
  localPort: number | undefined,
  { address, port }: OriginalDestination,
): string {
  return `${canonical(localAddress ?? '')} ${localPort} ${address} ${port}`
}

function canonical(address: string): string {
  return canonicalHost(address.split('%', 1)[0] as string) ?? ''
}
