// The connection on which messages come, and who is told of them: also that some may have been lost.
import { maxValueBytes, type Listener } from './store.ts'
import type { OnMessage, RedisConnection } from './redis-connection.ts'
import { faultOf, type RedisFault } from './redis-fault.ts'
import { RedisLink } from './redis-link.ts'
import { readCount } from './redis-replies.ts'
import { probeDeadlineMs } from './redis-server.ts'

export interface ChannelsOptions {
  readonly open: (onMessage: OnMessage) => Promise<RedisConnection>
  /** The full name of a channel. */
  readonly nameOf: (channel: string) => string
  readonly onUp: (connection: RedisConnection) => void
  readonly onDown: (fault: RedisFault) => void
  /** A listener threw. */
  readonly onError: (error: unknown) => void
}

/** Live state: to be closed. Connects when somebody listens. */
export class RedisChannels {
  readonly #options: ChannelsOptions
  readonly #listeners = new Map<string, Listener[]>()
  #link: RedisLink | undefined
  /** What the server was asked for on the connection that is there now. */
  #heard: ReadonlySet<string> = new Set()

  constructor(options: ChannelsOptions) {
    this.#options = options
  }

  subscribe(channel: string, listener: Listener): void {
    const name = this.#options.nameOf(channel)
    const others = this.#listeners.get(name) ?? []
    this.#listeners.set(name, [...others, listener])
    if (this.#link === undefined) this.#link = this.#connect()
    else void this.#join(this.#link, name, [listener])
  }

  /** Gives up the connection unless it is to that server. */
  follow(server: RedisConnection, fault: RedisFault): void {
    const { connection } = this.#link ?? {}
    if (connection === undefined) return
    const { host, port } = connection.address
    if (host !== server.address.host || port !== server.address.port) this.#link?.renew(connection, fault)
  }

  async close(): Promise<void> {
    this.#listeners.clear()
    await this.#link?.close()
  }

  #connect(): RedisLink {
    const link = new RedisLink({
      open: () => this.#options.open((name, message) => this.#tell(name, message)),
      prepare: async (connection) => {
        this.#heard = new Set(this.#listeners.keys())
        await subscribeAll(connection, this.#heard)
      },
      beat: async (connection) => void (await connection.call(probeDeadlineMs, 'ping')),
      onUp: (connection) => this.#welcome(link, connection),
      onDown: this.#options.onDown,
    })
    return link
  }

  #welcome(link: RedisLink, connection: RedisConnection): void {
    this.#options.onUp(connection)
    for (const [name, listeners] of this.#listeners) {
      // What was published before the server had our subscription, nobody told us.
      if (this.#heard.has(name)) this.#tell(name, undefined)
      // Added while it was being made ready.
      else void this.#join(link, name, listeners)
    }
  }

  async #join(link: RedisLink, name: string, listeners: readonly Listener[]): Promise<void> {
    const { connection } = link
    if (connection === undefined) return
    try {
      await subscribeAll(connection, [name])
      for (const listener of listeners) this.#call(listener, undefined)
    } catch (error) {
      link.renew(connection, faultOf(error))
    }
  }

  #tell(name: string, message: string | undefined): void {
    const isLost = message === '' || Buffer.byteLength(message ?? '') > maxValueBytes
    for (const listener of this.#listeners.get(name) ?? []) this.#call(listener, isLost ? undefined : message)
  }

  #call(listener: Listener, message: string | undefined): void {
    try {
      listener(message)
    } catch (error) {
      this.#options.onError(error)
    }
  }
}

async function subscribeAll(connection: RedisConnection, names: Iterable<string>): Promise<void> {
  for (const name of names) readCount(await connection.call(probeDeadlineMs, 'subscribe', name))
}
