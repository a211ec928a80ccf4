// Connects to the app as its probes do: by loopback, and where that is refused by the pod's own address.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** How one probe is to be asked. */
export interface Asking {
  /** The pod's own address: what the kubelet would ask. */
  readonly podIp: string | undefined
  /** Of whoever asks the sidecar. */
  readonly userAgent: string
  /** The deadline, and whether anybody still waits. */
  readonly signal: AbortSignal
}

/**
 * @param isProbed false where the app leads elsewhere: what listens on loopback alone is nobody's whom the kubelet asks.
 * @throws {Error} by the system, or by the signal.
 */
export async function connectApp(port: number, { podIp, signal }: Asking, isProbed = true): Promise<Socket> {
  if (!isProbed && podIp !== undefined) return open(podIp, port, signal)
  try {
    return await open('127.0.0.1', port, signal)
  } catch (error) {
    const isRefused = (error as NodeJS.ErrnoException).code === 'ECONNREFUSED'
    if (podIp === undefined || !isRefused) throw error
    return open(podIp, port, signal)
  }
}

async function open(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  const socket = connect({ host, port, noDelay: true })
  // What happens to it later is told by what is spoken on it.
  socket.on('error', () => undefined)
  try {
    await once(socket, 'connect', { signal })
  } catch (error) {
    socket.destroy()
    throw error
  }
  return socket
}

/** `10.0.0.1:8080`, `[fd00::1]:8080`: by default as the kubelet would ask. */
export function authorityOf(port: number, host = '127.0.0.1'): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
