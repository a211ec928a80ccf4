// Writes parts of bodies, in chunks where these are wanted (RFC 9112 section 7.1), each in one call of the system.
import type { Socket } from 'node:net'
import type { Trailers } from '../http/incoming.ts'
import { fieldLine } from './head-text.ts'

const lineEnd = '\r\n'
/** Larger ones are not copied to be one piece with what is around them. */
export const maxCopiedBytes = 16 * 1024

export interface Part {
  /** What is to be said before it and behind it, in Latin-1. */
  readonly head: string
  readonly last: string
  readonly bytes: Buffer
  readonly isChunk: boolean
}

/** @returns whether more is taken before `drain`. */
export function writePart(socket: Socket, { head, bytes, isChunk, last }: Part): boolean {
  const before = isChunk ? `${head}${bytes.length.toString(16)}${lineEnd}` : head
  const after = isChunk ? lineEnd + last : last
  if (bytes.length <= maxCopiedBytes) return socket.write(joined(before, bytes, after))
  socket.cork()
  if (before !== '') socket.write(before, 'latin1')
  socket.write(bytes)
  if (after !== '') socket.write(after, 'latin1')
  socket.uncork()
  return !socket.writableNeedDrain
}

function joined(before: string, bytes: Buffer, after: string): Buffer {
  if (before === '' && after === '') return bytes
  const whole = Buffer.allocUnsafe(before.length + bytes.length + after.length)
  whole.write(before, 0, 'latin1')
  bytes.copy(whole, before.length)
  if (after !== '') whole.write(after, before.length + bytes.length, 'latin1')
  return whole
}

/** @throws {Error} what is no field. */
export function lastChunk(trailers: Trailers): string {
  let text = `0${lineEnd}`
  for (const [name, value] of trailers) text += fieldLine(name, value)
  return text + lineEnd
}
