// Frames of HTTP/2 made by hand, for what no client library agrees to send (RFC 9113 section 6).
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

const settleMs = 500
/** For those over which the connection must be ended: nothing of it says how soon. */
export const endMs = 10_000

const types = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  windowUpdate: 8,
  continuation: 9,
} as const

export type FrameType = keyof typeof types

export const flags = { endStream: 1, ack: 1, endHeaders: 4 } as const

export function frame(
  type: FrameType,
  flag: number,
  stream: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = types[type]
  head[4] = flag
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** Of the frames that have come whole. */
export function typesIn(bytes: Buffer): number[] {
  const found: number[] = []
  for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3))
    found.push(bytes[at + 3] as number)
  return found
}

export function number(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** A field that is indexed by nobody, by name and value (RFC 7541 section 6.2.2); both shorter than 127 octets. */
export function literal(name: string, value: string): Buffer {
  return Buffer.concat([
    Buffer.from([0, name.length]),
    Buffer.from(name),
    lengthOf(value),
    Buffer.from(value),
  ])
}

/** RFC 7541 section 5.1, with a prefix of 7 bits. */
function lengthOf(text: string): Buffer {
  if (text.length < 127) return Buffer.from([text.length])
  const octets = [127]
  let rest = text.length - 127
  for (; rest >= 128; rest >>= 7) octets.push((rest & 127) | 128)
  return Buffer.from([...octets, rest])
}

/** `GET /`, without an authority that means anything. */
export const getHead = Buffer.concat([Buffer.from([0x82, 0x86, 0x84]), literal(':authority', 'a')])

/** Connected, with the preface and empty settings sent; what comes is not looked at. */
export async function openHttp2(port: number, settings: Buffer = Buffer.alloc(0)): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  socket.resume()
  socket.write(
    Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame('settings', 0, 0, settings)]),
  )
  return socket
}

/** Writes until the other side has ended the connection, or so many times; at its pace. @returns whether it was ended. */
export async function flood(
  socket: Socket,
  times: number,
  next: (i: number) => Buffer,
  patienceMs = settleMs,
): Promise<boolean> {
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  const drained = () => new Promise<void>((resolve) => socket.once('drain', () => resolve()))
  for (let i = 0; i < times && !socket.destroyed; i++) {
    if (!socket.write(next(i))) await Promise.race([drained(), closed, pause(settleMs)])
  }
  // What was sent is taken in, or the connection is ended over it.
  await Promise.race([closed, pause(patienceMs)])
  return socket.destroyed || socket.readableEnded
}
