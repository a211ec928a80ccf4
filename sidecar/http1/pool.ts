// Connections to upstreams that speak HTTP/1.1: kept, and used again by the requests to the same destination.
import type { Socket } from 'node:net'
import { connectedEvent, isElsewhere, type Destination, type Dialler } from '../upstream/dial.ts'
import { UpstreamConnection } from './upstream-connection.ts'

/** A connection on which nothing runs is closed after this. */
const idleMs = 60_000
/** More are not kept for one destination. */
const maxIdle = 256
/** An upstream that says how long it keeps a connection is believed but for this: its end could meet our next request. */
const hintMarginMs = 1_000
const sweepMs = 1_000

interface Idle {
  readonly connection: UpstreamConnection
  readonly untilMs: number
}

export class Http1Pool {
  readonly #dialler: Dialler
  /** By key, the one that was used last at the end. */
  readonly #idle = new Map<string, Idle[]>()
  readonly #all = new Set<UpstreamConnection>()
  readonly #elsewhere = new WeakSet<UpstreamConnection>()
  readonly #sweeper: NodeJS.Timeout

  constructor(dialler: Dialler) {
    this.#dialler = dialler
    this.#sweeper = setInterval(() => this.#sweep(), sweepMs).unref()
  }

  /** One that is there, or one under way. */
  take(destination: Destination, key: string): UpstreamConnection {
    const list = this.#idle.get(key)
    for (let last = list?.pop(); last !== undefined; last = list?.pop()) {
      const { connection, untilMs } = last
      if (connection.isUsable && performance.now() < untilMs) return connection
      connection.destroy()
    }
    return this.open(destination, key)
  }

  /** A connection of nobody else's. */
  open(destination: Destination, key: string): UpstreamConnection {
    const socket = this.#dialler.dial(destination, ['http/1.1'])
    const connection = new UpstreamConnection(socket, () => this.#forget(key, connection))
    this.#all.add(connection)
    socket.once('close', () => this.#all.delete(connection))
    this.#watchPlace(socket, destination, connection)
    return connection
  }

  /** @param hintMs how long the upstream says that it keeps it; `Infinity`: it does not say. */
  keep(key: string, connection: UpstreamConnection, hintMs: number): void {
    const list = this.#listOf(key)
    const lifeMs = Math.min(idleMs, hintMs - hintMarginMs)
    if (lifeMs <= 0 || list.length >= maxIdle || this.#elsewhere.has(connection)) {
      connection.destroy()
      return
    }
    connection.rest()
    list.push({ connection, untilMs: performance.now() + lifeMs })
  }

  destroy(): void {
    clearInterval(this.#sweeper)
    for (const connection of this.#all) connection.destroy()
  }

  #listOf(key: string): Idle[] {
    let list = this.#idle.get(key)
    if (list === undefined) this.#idle.set(key, (list = []))
    return list
  }

  #watchPlace(socket: Socket, destination: Destination, connection: UpstreamConnection): void {
    if (destination.choice === undefined) return
    socket.once(connectedEvent(socket), () => {
      if (isElsewhere(socket, destination)) this.#elsewhere.add(connection)
    })
  }

  #forget(key: string, connection: UpstreamConnection): void {
    const list = this.#idle.get(key)
    const at = list?.findIndex((idle) => idle.connection === connection) ?? -1
    if (at !== -1) list?.splice(at, 1)
  }

  #sweep(): void {
    const nowMs = performance.now()
    for (const [key, list] of this.#idle) {
      for (const { connection, untilMs } of list) if (untilMs <= nowMs) connection.destroy()
      const left = list.filter(({ untilMs }) => untilMs > nowMs)
      if (left.length === 0) this.#idle.delete(key)
      else this.#idle.set(key, left)
    }
  }
}
