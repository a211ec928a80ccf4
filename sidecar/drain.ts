// Takes a sidecar out of service so that nothing under way is lost.
import type { Server } from 'node:http'
import type { Timeouts } from '../shared/config/mesh.ts'
import type { Admission } from './exchange.ts'
import { stopAccepting } from './http1/server.ts'
import type { Http2Server } from './http2/server.ts'
import type { Log } from './telemetry/log.ts'

/** So long connections that are idle stay open in the end. */
const farewellMs = 250

export interface Drained {
  readonly inbound: Admission
  readonly outbound: Admission
  readonly inboundServers: readonly Server[]
  readonly inboundHttp2: Http2Server
  readonly timeouts: Timeouts
  readonly log: Log
}

/**
 * Open connections are served on with `Connection: close`; idle ones stay for `drain_delay`; after
 * that new requests are `draining`. The outbound side serves until the requests that need it have ended.
 */
export async function drain(drained: Drained): Promise<void> {
  const { inbound, outbound, inboundServers, inboundHttp2, timeouts, log } = drained
  log.write('info', 'draining', {
    under_way: inbound.active + outbound.active,
    for_at_most_ms: timeouts.drainMs,
  })
  inbound.closing = true
  inboundHttp2.announceEnd()
  await sleep(timeouts.drainDelayMs)
  inbound.draining = true
  for (const server of inboundServers) stopAccepting(server)
  inboundHttp2.stopAccepting()
  // 0 means no limit, as everywhere in the mesh file.
  const late = timeouts.drainMs === 0 ? new AbortController().signal : AbortSignal.timeout(timeouts.drainMs)
  await untilIdle(inbound, late)
  outbound.closing = true
  await untilIdle(outbound, late)
  outbound.draining = true
  const left = inbound.active + outbound.active
  await untilConnectionsEnd(inboundServers)
  if (left > 0) log.write('warn', 'requests were still under way after timeouts.drain', { under_way: left })
}

/** A busy client's next request is told `draining`; its connection just ended would leave it in doubt. */
async function untilConnectionsEnd(servers: readonly Server[]): Promise<void> {
  const lateMs = performance.now() + farewellMs
  while (performance.now() < lateMs) {
    const open = await Promise.all(servers.map(countConnections))
    if (open.every((count) => count === 0)) return
    await sleep(10)
  }
}

function countConnections(server: Server): Promise<number> {
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
