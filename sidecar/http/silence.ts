// Tells a connection on which nothing passes from one that was not looked at.
import type { Socket } from 'node:net'

/**
 * Calls back unless something has passed: to be asked when a timer says that nothing did for too long. Timers run before
 * what has arrived is read, so a process that stood still itself would take for silence what it has yet to read.
 */
export function ifSilent(socket: Socket, then: () => void, otherwise: () => void = () => undefined): void {
  const before = passed(socket)
  setImmediate(() => {
    if (socket.destroyed) return
    if (passed(socket) === before) then()
    else otherwise()
  })
}

function passed({ bytesRead, bytesWritten }: Socket): number {
  return bytesRead + bytesWritten
}
