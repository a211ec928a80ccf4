// What a client's first bytes say that it speaks; they are there to be read again.
import type { Socket } from 'node:net'
import { ifSilent } from './silence.ts'

export type Spoken = 'http1' | 'http2' | 'tls'

/** The connection preface of HTTP/2 (RFC 9113 section 3.4) begins with what no request of HTTP/1.1 can. */
const preface = Buffer.from('PRI * HTTP/2.0\r\n')
/** A TLS record of type handshake (RFC 8446 section 5.1). */
const handshakeRecord = 0x16

/** Undefined where more has to come. */
export function spokenIn(bytes: Buffer): Spoken | undefined {
  if (bytes.length === 0) return undefined
  if (bytes[0] === handshakeRecord) return 'tls'
  const length = Math.min(bytes.length, preface.length)
  if (!bytes.subarray(0, length).equals(preface.subarray(0, length))) return 'http1'
  return length === preface.length ? 'http2' : undefined
}

/** Node destroys it; what becomes of it is told by its close. */
function onError(): void {}

/**
 * Reads no more than it takes to tell, and leaves the connection paused.
 * @param limitMs after this a silent connection is ended, and one that has begun to speak is left to HTTP/1.1, which has
 * limits of its own; `Infinity`: none.
 * @returns undefined where the connection ended before.
 */
export function readOpening(socket: Socket, limitMs: number): Promise<Spoken | undefined> {
  const { promise, resolve } = Promise.withResolvers<Spoken | undefined>()
  let bytes: Buffer = Buffer.alloc(0)
  const settle = (spoken: Spoken | undefined) => {
    clearTimeout(timer)
    socket.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onError)
    socket.pause()
    if (spoken !== undefined && bytes.length > 0) socket.unshift(bytes)
    resolve(spoken)
  }
  const onData = (part: Buffer) => {
    bytes = bytes.length === 0 ? part : Buffer.concat([bytes, part])
    const spoken = spokenIn(bytes)
    if (spoken !== undefined) settle(spoken)
  }
  const onEnd = () => {
    settle(undefined)
    socket.end()
  }
  const onClose = () => settle(undefined)
  const onTime = () => {
    timer?.refresh()
    ifSilent(socket, () => {
      settle(bytes.length > 0 ? 'http1' : undefined)
      if (bytes.length === 0) socket.destroy()
    })
  }
  const timer = Number.isFinite(limitMs) ? setTimeout(onTime, limitMs) : undefined
  socket.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onError)
  socket.resume()
  return promise
}
