// Keeps one connection to the store alive, and knows when it is not: heartbeats, suspicion, reconnection.
import { deadlineMs } from './store.ts'
import type { RedisConnection } from './redis-connection.ts'
import { faultOf, RedisFault } from './redis-fault.ts'

/** Between two heartbeats: a server that is frozen, or behind a cut cable, closes nothing. */
const beatIntervalMs = 1_000
/** While a server is under suspicion. */
const suspectIntervalMs = 200
const firstDelayMs = 50
/** Short, since what a mesh does without its store is refuse: hundreds of sidecars may ask each second. */
const lastDelayMs = 1_000
/** A connection that lasted so long is not blamed for the ones before it. */
const settledMs = 5_000

export interface LinkOptions {
  /** @throws {RedisFault} */
  readonly open: () => Promise<RedisConnection>
  /** Makes the connection useful, before anybody sees it. @throws {RedisFault} it is given up. */
  readonly prepare: (connection: RedisConnection) => Promise<void>
  /** Asks whether the server is well. @throws {RedisFault} the connection is given up. */
  readonly beat: (connection: RedisConnection) => Promise<void>
  readonly onUp: (connection: RedisConnection) => void
  /** For each connection that ended or did not come about. */
  readonly onDown: (fault: RedisFault) => void
}

/** Live state: to be closed. */
export class RedisLink {
  readonly #options: LinkOptions
  #connection: RedisConnection | undefined
  #isSuspect = false
  #closed = false
  /** Why the connection is to be given up, until that is seen. */
  #fault: RedisFault | undefined
  #wake: () => void = () => undefined
  readonly #running: Promise<void>
  readonly #tried = Promise.withResolvers<void>()

  constructor(options: LinkOptions) {
    this.#options = options
    this.#running = this.#run()
  }

  /** Undefined while there is none that answers in time: then nobody shall wait. */
  get connection(): RedisConnection | undefined {
    return this.#isSuspect ? undefined : this.#connection
  }

  /** Resolves when the first attempt has ended, well or not. */
  get tried(): Promise<void> {
    return this.#tried.promise
  }

  /** The server did not answer in time: nobody asks it until a heartbeat says that it does. */
  suspect(): void {
    if (this.#isSuspect || this.#connection === undefined) return
    this.#isSuspect = true
    this.#wake()
  }

  /** Gives the connection up, for another one. */
  renew(connection: RedisConnection, fault: RedisFault): void {
    if (connection !== this.#connection) return
    this.#fault ??= fault
    this.#wake()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#wake()
    await this.#running
  }

  async #run(): Promise<void> {
    let failures = 0
    while (!this.#closed) {
      const startedMs = performance.now()
      const fault = await this.#connectOnce()
      this.#tried.resolve()
      if (this.#closed) return
      this.#options.onDown(fault)
      failures = performance.now() - startedMs > settledMs ? 0 : failures + 1
      await this.#pause(delayMs(failures))
    }
  }

  /** From the attempt to the end of the connection. Resolves with why it ended. */
  async #connectOnce(): Promise<RedisFault> {
    let connection: RedisConnection | undefined
    try {
      connection = await this.#options.open()
      await this.#options.prepare(connection)
      if (this.#closed) return new RedisFault('closed')
      this.#connection = connection
      this.#options.onUp(connection)
      this.#tried.resolve()
      return await this.#keep(connection)
    } catch (error) {
      return faultOf(error)
    } finally {
      this.#connection = undefined
      this.#fault = undefined
      this.#isSuspect = false
      connection?.drop()
    }
  }

  async #keep(connection: RedisConnection): Promise<RedisFault> {
    void connection.ended.then((fault) => this.renew(connection, fault))
    for (;;) {
      await this.#pause(this.#isSuspect ? suspectIntervalMs : beatIntervalMs)
      if (this.#closed) return new RedisFault('closed')
      if (this.#fault !== undefined) return this.#fault
      const startedMs = performance.now()
      await this.#options.beat(connection)
      // One that answers, but later than anybody waits, is left alone until it is quicker.
      if (performance.now() - startedMs <= deadlineMs) this.#isSuspect = false
    }
  }

  /** Until the time is over, or something is the matter. */
  async #pause(ms: number): Promise<void> {
    if (this.#closed || this.#fault !== undefined) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, ms)
    this.#wake = resolve
    await promise
    clearTimeout(timer)
    this.#wake = () => undefined
  }
}

/** Doubled with each failure, and spread, so that a mesh that lost its store does not come back in one moment. */
function delayMs(failures: number): number {
  const most = Math.min(lastDelayMs, firstDelayMs * 2 ** failures)
  return most * (0.5 + Math.random() * 0.5)
}
