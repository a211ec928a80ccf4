// One end of a connection that says bytes and keeps what it hears.
import { connect, type Socket } from 'node:net'

/** Long enough for a loaded machine, short enough to say what did not come. */
const deadlineMs = 20_000

/** Fails with what `failure` says, where an event does not come. */
export async function inTime<T>(event: Promise<T>, failure: () => string): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`not in time: ${failure()}`)), deadlineMs)
  return Promise.race([event, late.promise]).finally(() => clearTimeout(timer))
}

export class Talker {
  /** Each byte is a character. */
  heard = ''
  /** Ended by a reset, which nobody can take for a whole message. */
  wasReset = false
  readonly #socket: Socket
  readonly #isClosed: Promise<void>
  readonly #waiting = new Set<() => void>()

  constructor(socket: Socket) {
    this.#socket = socket
    this.#isClosed = new Promise((resolve) => socket.once('close', resolve))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.wasReset = error.code === 'ECONNRESET'
    })
    socket.setEncoding('latin1').on('data', (part: string) => {
      this.heard += part
      for (const check of this.#waiting) check()
    })
  }

  say(bytes: string): void {
    this.#socket.write(bytes, 'latin1')
  }

  /** Resolves when what was heard so far fits; fails where the connection ends before. */
  async hears(fits: (heard: string) => boolean, what: string): Promise<void> {
    const found = Promise.withResolvers<void>()
    const check = () => fits(this.heard) && found.resolve()
    this.#waiting.add(check)
    check()
    const ended = this.#isClosed.then(() => {
      if (!fits(this.heard)) throw new Error(`ended before ${what}: ${JSON.stringify(this.heard)}`)
    })
    const failure = () => `${what}; heard: ${JSON.stringify(this.heard.slice(-500))}`
    await inTime(Promise.race([found.promise, ended]), failure).finally(() => this.#waiting.delete(check))
  }

  /** Resolves when the connection is closed. */
  async closed(): Promise<void> {
    await inTime(this.#isClosed, () => `the end; heard: ${JSON.stringify(this.heard.slice(-500))}`)
  }

  /** Leaves: by FIN, or by RST. */
  leave(how: 'FIN' | 'RST'): void {
    if (how === 'FIN') this.#socket.destroy()
    else this.#socket.resetAndDestroy()
  }
}

export async function talkTo(port: number): Promise<Talker> {
  const socket = connect(port, '127.0.0.1')
  const talker = new Talker(socket)
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  return talker
}
