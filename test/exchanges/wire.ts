// A raw connection that keeps every byte it got, and a bell that rings whenever anything happened on any of them.
import type { Socket } from 'node:net'
import type { Bytes, Step } from './row.ts'

/** Long enough for a loaded machine, short enough to say that something hangs. */
const deadlineMs = 10_000

/** Wakes who waits for what may have happened. */
export class Bell {
  readonly #deadlineMs: number
  readonly #waiting = new Set<() => void>()

  constructor(ms = deadlineMs) {
    this.#deadlineMs = ms
  }

  ring(): void {
    for (const look of this.#waiting) look()
  }

  /** @throws {Error} the condition does not hold in time. */
  async until(what: string, condition: () => boolean): Promise<void> {
    if (condition()) return
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const look = () => {
      if (condition()) resolve()
    }
    const timer = setTimeout(() => reject(new Error(`not in time: ${what}`)), this.#deadlineMs)
    this.#waiting.add(look)
    try {
      await promise
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(look)
    }
  }
}

export class Wire {
  readonly socket: Socket
  /** All that came, as latin1. */
  bytes = ''
  /** The other side ended its half. */
  ended = false
  closed = false
  /** The connection broke. */
  broken = false

  constructor(socket: Socket, bell: () => Bell, onChange: () => void = () => undefined) {
    this.socket = socket
    const changed = () => {
      onChange()
      bell().ring()
    }
    socket.setNoDelay(true).setEncoding('latin1')
    socket.on('data', (part: string) => {
      this.bytes += part
      changed()
    })
    socket.on('end', () => {
      this.ended = true
      changed()
    })
    socket.on('error', () => {
      this.broken = true
    })
    socket.on('close', () => {
      this.closed = true
      changed()
    })
  }
}

/** What steps other than bytes need to know. */
export interface Surroundings {
  readonly bell: Bell
  readonly has: (where: 'client' | 'upstream', text: string) => boolean
  readonly roundTrip: () => Promise<void>
}

/** Does what a row says on one side of it. */
export async function perform(socket: Socket, bytes: Bytes, around: Surroundings): Promise<void> {
  for (const step of typeof bytes === 'string' ? [bytes] : bytes) await performOne(socket, step, around)
}

async function performOne(socket: Socket, step: Step, around: Surroundings): Promise<void> {
  if (typeof step === 'string') return write(socket, step)
  if ('byteByByte' in step) {
    for (const byte of step.byteByByte) await write(socket, byte)
    return
  }
  if ('until' in step) {
    const what = `${JSON.stringify(step.has.slice(0, 60))} at the ${step.until}`
    return around.bell.until(what, () => around.has(step.until, step.has))
  }
  if (step.act === 'round trip') return around.roundTrip()
  if (step.act === 'end') socket.end()
  else socket.resetAndDestroy()
}

/** Resolves when the bytes are on their way, so that what is written next is apart from them. */
async function write(socket: Socket, text: string): Promise<void> {
  if (!socket.writable) return
  await new Promise<void>((resolve) => {
    socket.once('close', resolve)
    socket.write(text, 'latin1', () => {
      socket.off('close', resolve)
      setImmediate(resolve)
    })
  })
}
