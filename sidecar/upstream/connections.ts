// Connections to upstreams, each request in the version of HTTP that is due.
import { BoundedMap } from '../../shared/bounded-map.ts'
import type { Refusal } from '../../shared/errors.ts'
import { unreachable, unreadable } from '../http/failures.ts'
import type { Connections, Sent } from '../http/forwarding.ts'
import { LateOutgoing, type Found } from '../http/late-outgoing.ts'
import type { Outgoing, OutgoingEvents } from '../http/outgoing.ts'
import { nextVersion } from '../http/version.ts'
import { openHttp1 } from '../http1/outgoing.ts'
import { Http1Pool } from '../http1/pool.ts'
import { openHttp2 } from '../http2/outgoing.ts'
import { Http2Sessions, NotHttp2, type Dialled } from '../http2/sessions.ts'
import { BalancedOutgoing } from './balanced.ts'
import { connectedEvent, Dialler, isElsewhere, wantsOtherProtocol, keyOf, type Destination } from './dial.ts'

/** So long an upstream that speaks one version alone is not asked for the other. */
const answerMs = 10 * 60_000
const maxAnswers = 1_000

export function createConnections(): Connections {
  const dialler = new Dialler()
  const pool = new Http1Pool(dialler)
  const sessions = new Http2Sessions()
  const only = new OneVersion()

  async function inHttp2(sent: Sent, key: string): Promise<Found> {
    const { forwarding, onNewConnection } = sent
    const dial = () => dialHttp2(dialler, forwarding)
    const { connectMs } = forwarding.timeouts
    const limits = { readyMs: forwarding.dialMs ?? connectMs, pingMs: connectMs }
    const lease = await sessions.acquire(key, dial, limits, onNewConnection)
    return { open: (events) => openHttp2(sent, lease, events), drop: () => lease.release() }
  }

  async function asAsked(sent: Sent, key: string): Promise<Found> {
    const found: Found = { open: (events) => inHttp1(sent, key, events), drop: () => undefined }
    if (only.of(key) === '1.1') return found
    try {
      return await inHttp2(sent, key)
    } catch (error) {
      if (!(error instanceof NotHttp2)) throw error
      if (error.hasSpoken) only.set(key, '1.1')
      return found
    }
  }

  /** Who speaks HTTP/2 alone says so when TLS is agreed on; nothing was sent then, and the next attempt is in it. */
  function inHttp1(sent: Sent, key: string, events: OutgoingEvents): Outgoing {
    const onFailure = (refusal: Refusal) => {
      if (wantsOtherProtocol(refusal.cause)) only.set(key, '2.0')
      events.onFailure(refusal)
    }
    return openHttp1(sent, pool, key, sent.forwarding.upstream.tls ? { ...events, onFailure } : events)
  }

  function open(sent: Sent, events: OutgoingEvents): Outgoing {
    const { upstream, incoming } = sent.forwarding
    const key = keyOf(sent.forwarding)
    const isHttp2 = upstream.tls && incoming.upgrade === undefined && only.of(key) === '2.0'
    const version = isHttp2 ? '2.0' : nextVersion(upstream, incoming)
    if (version === '1.1') return inHttp1(sent, key, events)
    return new LateOutgoing(version === '2.0' ? inHttp2(sent, key) : asAsked(sent, key), events, asRefusal)
  }

  return {
    open(sent, events) {
      const { balancer } = sent.forwarding
      if (balancer === undefined) return open(sent, events)
      return new BalancedOutgoing({ sent, balancer, events, open, asRefusal })
    },
    close() {
      pool.destroy()
      sessions.close()
    },
  }
}

/** What upstreams speak that speak one version alone, by what was last seen. */
class OneVersion {
  readonly #seen = new BoundedMap<string, { readonly version: '1.1' | '2.0'; readonly untilMs: number }>(
    maxAnswers,
  )

  set(key: string, version: '1.1' | '2.0'): void {
    this.#seen.set(key, { version, untilMs: performance.now() + answerMs })
  }

  of(key: string): '1.1' | '2.0' | undefined {
    const seen = this.#seen.get(key)
    return seen !== undefined && seen.untilMs > performance.now() ? seen.version : undefined
  }
}

/** @throws {NotHttp2}; what it cannot be connected for; `upstream_timeout`. */
function dialHttp2(dialler: Dialler, destination: Destination): Promise<Dialled> {
  const socket = dialler.dial(destination, ['h2', 'http/1.1'])
  const { promise, resolve, reject } = Promise.withResolvers<Dialled>()
  socket.once(connectedEvent(socket), () => {
    const dialled = { socket, isElsewhere: isElsewhere(socket, destination) }
    if (!('alpnProtocol' in socket) || socket.alpnProtocol === 'h2') resolve(dialled)
    else socket.destroy(new NotHttp2(true, 'it chose HTTP/1.1'))
  })
  socket.once('error', reject)
  return promise.finally(() => socket.off('error', reject))
}

function asRefusal(error: unknown) {
  if (error instanceof NotHttp2 && error.hasSpoken) return unreadable('2', error)
  if (error instanceof NotHttp2) return unreachable(error, true)
  const { code } = error as NodeJS.ErrnoException
  return unreachable(error, code === 'ECONNREFUSED' || code === 'ECONNRESET' || code === 'EPIPE')
}
