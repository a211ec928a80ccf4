// Reads what the client of a redirected connection says first, and no more than is needed to tell what it speaks.
import type { Socket } from 'node:net'
import { protocolOf, type Protocol } from '../../shared/first-bytes.ts'

export interface Said {
  /** `gone`: the connection is closed. */
  readonly protocol: Protocol | 'gone'
  /** What was read; of HTTP nothing: it is there to be read again. */
  readonly bytes: Buffer
}

export interface Opening {
  readonly said: Promise<Said>
  hasBegun(): boolean
}

/** Leaves the client paused when it has said enough. */
export function readOpening(client: Socket, maxBytes: number): Opening {
  const { promise, resolve } = Promise.withResolvers<Said>()
  let bytes: Buffer = Buffer.alloc(0)
  const settle = (protocol: Said['protocol']) => {
    client.off('data', onData).off('end', onEnd).off('close', onClose)
    client.pause()
    // At once: with nothing left to read, a client that has ended its side would count as read to its end.
    if (protocol === 'http') client.unshift(bytes)
    resolve({ protocol, bytes: protocol === 'http' ? Buffer.alloc(0) : bytes })
  }
  const onData = (part: Buffer) => {
    bytes = Buffer.concat([bytes, part])
    const protocol = protocolOf(bytes, maxBytes)
    if (protocol !== undefined) settle(protocol)
  }
  // What ends before its first line is no request, and carries nothing.
  const onEnd = () => settle('other')
  const onClose = () => settle('gone')
  client.on('data', onData).on('end', onEnd).on('close', onClose)
  return { said: promise, hasBegun: () => bytes.length > 0 }
}
