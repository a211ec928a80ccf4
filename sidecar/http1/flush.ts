// Sends a head that would wait for its body.
import type { OutgoingMessage } from 'node:http'

/**
 * Node keeps a head until there is something of the body, to write both at once. Who waits for the head alone would
 * wait in vain; so it goes when nothing has come by the next turn of the event loop.
 */
export function flushSoon(message: OutgoingMessage, hasBegun: () => boolean): void {
  setImmediate(() => {
    // Not flushHeaders(): it writes the head as UTF-8, and every byte of it is to pass as it is.
    if (!hasBegun() && !message.writableEnded && !message.destroyed) message.write(Buffer.alloc(0))
  })
}
