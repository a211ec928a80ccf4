// Connections to upstreams, each request in the version of HTTP that is due.
import { connect, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import { BoundedMap } from '../shared/bounded-map.ts'
import { startTimer, timedOut, unreachable, unreadable } from './http/failures.ts'
import type { Connections, Forwarding, Sent } from './http/forwarding.ts'
import { LateOutgoing, type Found } from './http/late-outgoing.ts'
import { nextVersion } from './http/version.ts'
import { createAgents, openHttp1 } from './http1/outgoing.ts'
import { openHttp2 } from './http2/outgoing.ts'
import { Http2Sessions, NotHttp2 } from './http2/sessions.ts'

/** So long an upstream that does not speak HTTP/2 is not asked again. */
const answerMs = 10 * 60_000
const maxAnswers = 1_000

export function createConnections(): Connections {
  const agents = createAgents()
  const sessions = new Http2Sessions()
  /** Until when, by the clock of the process, an upstream is taken to speak HTTP/1.1 alone. */
  const http1Until = new BoundedMap<string, number>(maxAnswers)

  async function inHttp2(sent: Sent): Promise<Found> {
    const { forwarding, onNewConnection } = sent
    const { connectMs } = forwarding.timeouts
    const lease = await sessions.acquire(
      keyOf(forwarding),
      () => dial(forwarding),
      connectMs,
      onNewConnection,
    )
    return { open: (events) => openHttp2(sent, lease, events), drop: () => lease.release() }
  }

  async function asAsked(sent: Sent): Promise<Found> {
    const key = keyOf(sent.forwarding)
    const inHttp1: Found = { open: (events) => openHttp1(sent, agents, events), drop: () => undefined }
    if ((http1Until.get(key) ?? 0) > performance.now()) return inHttp1
    try {
      return await inHttp2(sent)
    } catch (error) {
      if (!(error instanceof NotHttp2)) throw error
      if (error.hasSpoken) http1Until.set(key, performance.now() + answerMs)
      return inHttp1
    }
  }

  return {
    open(sent, events) {
      const { upstream, incoming } = sent.forwarding
      const version = nextVersion(upstream, incoming)
      if (version === '1.1') return openHttp1(sent, agents, events)
      return new LateOutgoing(version === '2.0' ? inHttp2(sent) : asAsked(sent), events, asRefusal)
    },
    close() {
      agents.plain.destroy()
      agents.tls.destroy()
      sessions.close()
    },
  }
}

function keyOf({ upstream }: Forwarding): string {
  return `${upstream.tls ? 'https' : 'http'}://${upstream.host}:${upstream.port}`
}

/** @throws {NotHttp2}; what it cannot be connected for; `upstream_timeout`. */
function dial({ upstream, lookup, timeouts }: Forwarding): Promise<Socket> {
  const { host, port } = upstream
  const where: ConnectionOptions = { host, port, ...(lookup === undefined ? undefined : { lookup }) }
  const socket = upstream.tls
    ? connectTls({ ...where, ALPNProtocols: ['h2', 'http/1.1'], rejectUnauthorized: true })
    : connect({ host, port, noDelay: true, ...(lookup === undefined ? undefined : { lookup }) })
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  const timer = startTimer(timeouts.connectMs, () => socket.destroy(timedOut('connect')))
  socket.once('secureConnect' in socket || upstream.tls ? 'secureConnect' : 'connect', () => {
    if (!('alpnProtocol' in socket) || socket.alpnProtocol === 'h2') resolve(socket)
    else socket.destroy(new NotHttp2(true, 'it chose HTTP/1.1'))
  })
  socket.once('error', reject)
  return promise.finally(() => {
    clearTimeout(timer)
    socket.off('error', reject)
  })
}

function asRefusal(error: unknown) {
  if (error instanceof NotHttp2 && error.hasSpoken) return unreadable('2', error)
  if (error instanceof NotHttp2) return unreachable(error, true)
  const { code } = error as NodeJS.ErrnoException
  return unreachable(error, code === 'ECONNREFUSED' || code === 'ECONNRESET' || code === 'EPIPE')
}
