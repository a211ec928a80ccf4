// Connections to upstreams that speak HTTP/2: kept, shared by requests, bounded.
import { connect, type ClientHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'

/** A connection on which nothing runs is closed after this. */
const idleMs = 60_000
/** More are not kept for one upstream; beyond, requests wait for none and are sent on the one with the fewest. */
const maxPerUpstream = 64
/** RFC 9113 section 6.5.2 recommends at least 100; what an upstream allows counts where it is less. */
const maxStreams = 100
/** For an answer to a PING, where the mesh file has no limit for connections. */
const longestPingMs = 10_000
const streamWindowBytes = 256 * 1024
const connectionWindowBytes = 4 * 1024 * 1024

export interface Dialled {
  readonly socket: Socket
  /** Whether it serves those alone who wait for it: it is to another address than was chosen. */
  readonly isElsewhere: boolean
}

/** Connects; in TLS, with HTTP/2 agreed on (RFC 7301). */
export type Dial = () => Promise<Dialled>

/** In milliseconds; 0: none. */
export interface SessionLimits {
  /** Until a new connection is ready. */
  readonly readyMs: number
  /** Until a PING is answered. */
  readonly pingMs: number
}

/** The upstream was connected, and does not speak HTTP/2. */
export class NotHttp2 extends Error {
  override readonly name = 'NotHttp2'
  /** Whether it said so, or something else; not where it just ended the connection. */
  readonly hasSpoken: boolean

  constructor(hasSpoken: boolean, message: string, options?: ErrorOptions) {
    super(message, options)
    this.hasSpoken = hasSpoken
  }
}

/** A connection for one request. */
export interface Lease {
  readonly session: ClientHttp2Session
  /** To be called when the request is over. */
  release(): void
  /** The upstream did not answer in time. Unless it shows that it is there, the connection is given up. */
  doubt(): void
}

interface Kept {
  readonly session: ClientHttp2Session
  streams: number
  /** Whether it has yet to show that somebody is at the other end: until then it gets no requests. */
  isDoubted: boolean
}

export class Http2Sessions {
  readonly #kept = new Map<string, Set<Kept>>()
  readonly #dialling = new Map<string, Promise<Kept>>()
  #isClosed = false

  /**
   * @param key all that a connection's verdict depends on.
   * @throws {NotHttp2}; what `dial` throws.
   */
  async acquire(key: string, dial: Dial, limits: SessionLimits, isNew: boolean): Promise<Lease> {
    const free = isNew ? undefined : this.#free(key)
    if (free !== undefined) return lease(free, limits.pingMs)
    // Those who come together share what is dialled, as far as it reaches.
    const pending = isNew ? undefined : this.#dialling.get(key)
    if (pending !== undefined) {
      await pending
      return this.acquire(key, dial, limits, false)
    }
    const dialling = this.#open(key, dial, limits.readyMs)
    this.#dialling.set(key, dialling)
    try {
      return lease(await dialling, limits.pingMs)
    } finally {
      if (this.#dialling.get(key) === dialling) this.#dialling.delete(key)
    }
  }

  /** The connection with the fewest streams that takes one more. */
  #free(key: string): Kept | undefined {
    const all = [...(this.#kept.get(key) ?? [])].sort((a, b) => a.streams - b.streams)
    const least = all.find(({ session, isDoubted }) => !session.closed && !session.destroyed && !isDoubted)
    if (least === undefined) return undefined
    const allowed = Math.min(maxStreams, least.session.remoteSettings.maxConcurrentStreams ?? maxStreams)
    return least.streams < allowed || all.length >= maxPerUpstream ? least : undefined
  }

  async #open(key: string, dial: Dial, readyMs: number): Promise<Kept> {
    const { socket, isElsewhere } = await dial()
    if (this.#isClosed) socket.destroy()
    const session = connect('http://upstream.invalid', {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: streamWindowBytes, maxHeaderListSize: 128 * 1024 },
      maxHeaderListPairs: 2_000,
      // As in the server; what @types/node has of clients lacks it.
      ...({ strictSingleValueFields: false } as object),
      maxSessionMemory: 64,
      peerMaxConcurrentStreams: maxStreams,
    })
    session.on('error', () => undefined)
    await ready(session, socket, readyMs)
    session.setLocalWindowSize(connectionWindowBytes)
    return this.#keep(key, session, isElsewhere)
  }

  #keep(key: string, session: ClientHttp2Session, isElsewhere: boolean): Kept {
    const kept: Kept = { session, streams: 0, isDoubted: false }
    const all = this.#kept.get(key) ?? new Set()
    this.#kept.set(key, all.add(kept))
    const forget = () => {
      all.delete(kept)
      if (all.size === 0 && this.#kept.get(key) === all) this.#kept.delete(key)
    }
    session.once('close', forget).once('goaway', forget)
    // Those who wait have it in this turn.
    if (isElsewhere) setImmediate(forget)
    session.setTimeout(idleMs, () => {
      if (kept.streams > 0) return
      forget()
      session.close()
    })
    return kept
  }

  close(): void {
    this.#isClosed = true
    for (const all of this.#kept.values()) for (const { session } of all) session.destroy()
  }
}

function lease(kept: Kept, pingMs: number): Lease {
  kept.streams++
  let isOver = false
  const release = () => {
    if (!isOver) kept.streams--
    isOver = true
  }
  return { session: kept.session, release, doubt: () => doubt(kept, pingMs) }
}

/** RFC 9113 section 6.7: whoever is there answers a PING, whatever else is under way. */
function doubt(kept: Kept, pingMs: number): void {
  const { session } = kept
  if (kept.isDoubted || session.destroyed) return
  kept.isDoubted = true
  const giveUp = () => session.destroy()
  const timer = setTimeout(giveUp, pingMs || longestPingMs)
  const stop = () => clearTimeout(timer)
  session.once('close', stop)
  session.ping((error) => {
    stop()
    session.off('close', stop)
    kept.isDoubted = false
    if (error !== null) giveUp()
  })
}

/** Whoever sends its settings speaks HTTP/2 (RFC 9113 section 3.4): no request goes to who does not. */
function ready(session: ClientHttp2Session, socket: Socket, limitMs: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = limitMs > 0 ? setTimeout(() => session.destroy(), limitMs) : undefined
  let cause: Error | undefined
  session.once('remoteSettings', () => resolve())
  session.once('error', (error) => (cause = error))
  session.once('close', () => {
    const message = 'the upstream does not answer in HTTP/2'
    reject(new NotHttp2(socket.bytesRead > 0, message, { cause }))
  })
  return promise.finally(() => clearTimeout(timer))
}
