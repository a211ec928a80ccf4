// What shows that a server understood a WebSocket handshake (RFC 6455 section 1.3).
import { hash, randomBytes } from 'node:crypto'

const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

export function makeKey(): string {
  return randomBytes(16).toString('base64')
}

/** The value of `Sec-WebSocket-Accept` for one of `Sec-WebSocket-Key`. */
export function acceptKey(key: string): string {
  return hash('sha1', `${key}${guid}`, 'base64')
}
