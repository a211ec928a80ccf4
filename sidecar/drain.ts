// Takes a sidecar out of service so that nothing under way is lost.
import type { Timeouts } from '../shared/config/mesh.ts'
import type { Admission } from './exchange.ts'
import { stopAccepting, type Http1Server } from './http1/server.ts'
import type { Http2Server } from './http2/server.ts'
import type { Log } from './telemetry/log.ts'

/** So long connections that are idle stay open in the end. */
const farewellMs = 250

export interface Draining {
  readonly inbound: Admission
  readonly outbound: Admission
  readonly inboundServers: readonly Http1Server[]
  readonly inboundHttp2: Http2Server
  readonly timeouts: Timeouts
  readonly log: Log
}

/**
 * Takes the app out of service: open connections are served on with `Connection: close`, idle ones stay for
 * `drain_delay`; after that new requests are `draining`. The app can still call others: it may have to, to end.
 */
export async function drainInbound(draining: Draining): Promise<void> {
  const { inbound, outbound, inboundServers, inboundHttp2, timeouts, log } = draining
  log.write('info', 'draining', {
    under_way: inbound.active + outbound.active,
    for_at_most_ms: timeouts.drainMs,
  })
  inbound.closing = true
  inboundHttp2.announceEnd()
  await sleep(timeouts.drainDelayMs)
  inbound.draining = true
  for (const server of inboundServers) {
    stopAccepting(server)
    // Who was busy has been told by now to close; who was idle for so long is hardly about to send.
    if (timeouts.drainDelayMs > 0) server.closeIdleConnections()
  }
  inboundHttp2.stopAccepting()
  await untilIdle(inbound, overAfter(timeouts.drainMs))
  sayWhatIsLeft('inbound', inbound, log)
}

/** Of a sidecar that ends, when its app is drained: what the app has begun to ask is served to its end. */
export async function drainOutbound(draining: Draining, late: AbortSignal): Promise<void> {
  const { outbound, inboundServers, log } = draining
  outbound.closing = true
  await untilIdle(outbound, late)
  outbound.draining = true
  await untilConnectionsEnd(inboundServers)
  sayWhatIsLeft('outbound', outbound, log)
}

/** 0 means no limit, as everywhere in the mesh file. */
export function overAfter(limitMs: number, moreMs = 0): AbortSignal {
  return limitMs === 0 ? new AbortController().signal : AbortSignal.timeout(limitMs + moreMs)
}

function sayWhatIsLeft(direction: 'inbound' | 'outbound', { active }: Admission, log: Log): void {
  if (active === 0) return
  log.write('warn', 'requests were still under way after timeouts.drain', { direction, under_way: active })
}

/** A busy client's next request is told `draining`; its connection just ended would leave it in doubt. */
async function untilConnectionsEnd(servers: readonly Http1Server[]): Promise<void> {
  const lateMs = performance.now() + farewellMs
  while (performance.now() < lateMs) {
    const open = await Promise.all(servers.map(countConnections))
    if (open.every((count) => count === 0)) return
    await sleep(10)
  }
}

function countConnections(server: Http1Server): Promise<number> {
  return new Promise((resolve) => server.getConnections((_error, count) => resolve(count)))
}

async function untilIdle(admission: Admission, late: AbortSignal): Promise<void> {
  if (late.aborted) return
  const isLate = new Promise<void>((resolve) =>
    late.addEventListener('abort', () => resolve(), { once: true }),
  )
  await Promise.race([admission.idle(), isLate])
}

async function sleep(delayMs: number): Promise<void> {
  if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs))
}
