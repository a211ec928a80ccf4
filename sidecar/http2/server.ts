// Serves HTTP/2 on connections that are known to speak it: limits, time, and a farewell.
import {
  constants,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { Socket } from 'node:net'
import type { Limits, Timeouts } from '../../shared/config/mesh.ts'
import { Refusal } from '../../shared/errors.ts'
import type { Connection } from '../http/connection.ts'
import { contained, type Contained } from '../http/containment.ts'
import type { Incoming } from '../http/incoming.ts'
import { refuse } from '../http/refuse.ts'
import { newRequestId } from '../request-id.ts'
import { Http2Incoming } from './incoming.ts'
import { breakOff, onSilence } from './stream.ts'

export interface Http2ServerOptions {
  readonly limits: Limits
  readonly timeouts: Timeouts
  readonly onRequest: (incoming: Incoming) => void
  /** What arrived cannot be read on: to be recorded. */
  readonly onUnreadable: (refusal: Refusal, peer: string, requestId: string) => void
  /** An error of our own has ended a stream. */
  readonly onFault: (error: unknown) => void
}

/** RFC 9113 section 6.5.2 recommends no less. */
const minStreams = 100
const maxStreams = 1_000
const streamWindowBytes = 256 * 1024
const connectionWindowBytes = 1024 * 1024
/** More than any client has headers; how many are served is counted where it can be refused with its code. */
const maxHeaderPairs = 2_000
/** What a connection may hold in memory, in MB as node:http2 takes it; beyond, new requests on it are turned away. */
const sessionMemory = 16
/** Requests that a client resets (CVE-2023-44487): so many at once, then so many in a second. */
const resets = { burst: 200, perSecond: 50 }
const maxInvalidFrames = 100

export class Http2Server {
  readonly #options: Http2ServerOptions
  /** Connections, each with its requests under way. */
  readonly #sessions = new Map<ServerHttp2Session, number>()

  constructor(options: Http2ServerOptions) {
    this.#options = options
  }

  /** @param socket at the connection preface (RFC 9113 section 3.4). */
  accept(socket: Socket, connection: Connection): void {
    const { limits, timeouts } = this.#options
    const session = performServerHandshake(socket, {
      settings: {
        enableConnectProtocol: true,
        initialWindowSize: streamWindowBytes,
        maxConcurrentStreams: clamp(limits.concurrentRequests || maxStreams, minStreams, maxStreams),
        maxHeaderListSize: limits.headerBytes || 1024 * 1024,
      },
      maxHeaderListPairs: maxHeaderPairs,
      // Whether a field may stand twice is not for who passes it on to say, and to throw would end the process.
      strictSingleValueFields: false,
      maxSessionMemory: sessionMemory,
      maxSessionInvalidFrames: maxInvalidFrames,
      maxSessionRejectedStreams: maxInvalidFrames,
      streamResetBurst: resets.burst,
      streamResetRate: resets.perSecond,
    })
    session.setLocalWindowSize(connectionWindowBytes)
    // Sockets of node:http's server stay half-open, and node:http2 does not watch for the end of what it was given.
    socket.once('end', () => session.destroy())
    this.#sessions.set(session, 0)
    session.once('close', () => this.#sessions.delete(session))
    session.on('error', (error) => this.#onUnreadable(error, connection))
    session.on('frameError', () => session.destroy())
    if (timeouts.idleMs > 0) session.setTimeout(timeouts.idleMs, () => this.#onIdle(session))
    this.#awaitFirst(session, timeouts.headersMs)
    session.on('stream', (stream, _headers, _flags, raw) => {
      this.#count(session, 1)
      stream.once('close', () => this.#count(session, -1))
      this.#serve(stream, raw, connection)
    })
  }

  #serve(stream: ServerHttp2Stream, raw: readonly string[], connection: Connection): void {
    const within: Contained = {
      fault: (error) => {
        breakOff(stream)
        this.#options.onFault(error)
      },
    }
    const serve = contained(within, () => {
      const incoming = new Http2Incoming(stream, raw, connection, within)
      const onIdle = contained(within, () => this.#onStreamIdle(incoming))
      onSilence(stream, this.#options.timeouts.idleMs, onIdle)
      this.#options.onRequest(incoming)
    })
    serve()
  }

  /** Who waits for an upstream is told by its timeout that it was that. */
  #onStreamIdle(incoming: Http2Incoming): void {
    const { body, reply, isComplete, connection } = incoming
    if (reply.hasBegun) reply.breakOff()
    else if (!isComplete && !body.isPaused()) {
      const refusal = new Refusal('request_malformed', 'The body did not arrive in time (timeouts.idle).')
      refuse(incoming, refusal, this.#record(refusal, connection))
    }
  }

  #count(session: ServerHttp2Session, more: 1 | -1): void {
    const streams = this.#sessions.get(session)
    if (streams !== undefined) this.#sessions.set(session, streams + more)
  }

  #onIdle(session: ServerHttp2Session): void {
    if (this.#sessions.get(session) === 0) session.close()
  }

  #awaitFirst(session: ServerHttp2Session, headersMs: number): void {
    if (headersMs === 0) return
    const timer = setTimeout(() => session.destroy(), headersMs)
    const stop = () => clearTimeout(timer)
    session.once('stream', stop).once('close', stop)
  }

  #onUnreadable(error: Error, connection: Connection): void {
    if ((error as NodeJS.ErrnoException).code === 'ECONNRESET') return
    this.#record(
      new Refusal('request_malformed', 'This is not HTTP/2 as it can be served.', { cause: error }),
      connection,
    )
  }

  #record(refusal: Refusal, { peer }: Connection): string {
    const requestId = newRequestId()
    this.#options.onUnreadable(refusal, peer, requestId)
    return requestId
  }

  /** Tells clients to send new requests elsewhere; what comes in the meantime is served (RFC 9113 section 6.8). */
  announceEnd(): void {
    for (const session of this.#sessions.keys()) {
      if (!session.destroyed) session.goaway(constants.NGHTTP2_NO_ERROR, 2 ** 31 - 1)
    }
  }

  /** Takes no more requests; those under way go on. */
  stopAccepting(): void {
    for (const session of this.#sessions.keys()) session.close()
  }

  close(): void {
    for (const session of this.#sessions.keys()) session.destroy()
  }
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most)
}
