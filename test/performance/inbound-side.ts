// The inbound side without its transport: requests that have come already, and answers that need no app.
import { siftResponseHeaders } from '../../shared/headers/firewall.ts'
import { eventLoop } from '../../sidecar/event-loop.ts'
import { Admission, handle, type Side } from '../../sidecar/exchange.ts'
import type { Incoming, ReplyHead } from '../../sidecar/http/incoming.ts'
import { LoadShedder } from '../../sidecar/load-shedder.ts'
import { createInbound } from '../../sidecar/inbound.ts'
import { OpenExchanges } from '../../sidecar/open-exchanges.ts'
import { RevocationList } from '../../sidecar/revocations.ts'
import type { Runtime } from '../../sidecar/runtime.ts'
import { Sessions } from '../../sidecar/sessions.ts'
import { noAudit } from '../../sidecar/telemetry/audit.ts'
import { createLog } from '../../sidecar/telemetry/log.ts'
import { Metrics } from '../../sidecar/telemetry/metrics.ts'
import { Recorder } from '../../sidecar/telemetry/recorder.ts'
import { readSampling } from '../../sidecar/telemetry/sampling.ts'
import { createTraceStart } from '../../sidecar/telemetry/trace-start.ts'
import { createPassiveTracing } from '../../sidecar/telemetry/tracing.ts'
import { Traffic } from '../../sidecar/telemetry/traffic.ts'
import { UsedTokens } from '../../sidecar/used-tokens.ts'
import { clockMs } from '../support/certificates.ts'
import { hosts, meshOf, policyOf, routeOf, snapshotOf, userToken } from '../support/tokens.ts'

const now = () => clockMs
/** So few that old ones make room for new ones, as they do under load. */
const sessionBytes = 8 * 1024 * 1024
const lingerMs = 30_000
const queueDelayMs = 50

export function makeInboundSide(): Side {
  const policy = policyOf({ policy: [{ allow: { or: [{ domain: { is: 'example.com' } }] } }] })
  const mesh = meshOf({ routes: [routeOf({ policy })], evidence: 'verify' })
  const naming = { isPlain: true, idOf: ({ subject }: { subject: string }) => subject }
  const current = { snapshot: snapshotOf({ mesh }), naming }
  const metrics = new Metrics()
  const output = { write: () => undefined }
  const revocations = new RevocationList({ now })
  const ended = metrics.counter({ name: 'ended', unit: '', help: '' })
  const recorder = new Recorder({
    log: createLog({ ...mesh.log, level: 'warn' }, output, now),
    metrics,
    access: () => 'off',
    output,
    naming: () => naming,
    audit: noAudit,
    traffic: new Traffic(() => mesh),
  })
  const runtime = {
    current: () => current,
    ask: {},
    sessions: new Sessions({
      service: mesh.service,
      now,
      maxBytes: () => sessionBytes,
      lingerMs: () => lingerMs,
    }),
    usedTokens: new UsedTokens(now),
    revocations,
    exchanges: new OpenExchanges(revocations, { endAt: () => 'revocation', graceMs: () => 0 }, ended),
    recorder,
    now,
    tracing: createPassiveTracing(createTraceStart(readSampling({}))),
  }
  const shedder = new LoadShedder({ loop: eventLoop, onChange: () => undefined })
  const admission = new Admission((nowMs, _none, connection) =>
    shedder.refusesRequest(nowMs, queueDelayMs, connection),
  )
  return createInbound(runtime as unknown as Runtime, admission)
}

/** A user's assertion of some 700 characters, another one for each number. */
export function tokenOf(user: number): string {
  const id = String(user).padStart(12, '0')
  const subject = `6f0c4b1e-3d52-4c1b-9a77-${id}`
  return userToken({
    aud: hosts.API,
    sub: subject,
    email: `user-${id}@example.com`,
    name: `User ${id}`,
    groups: ['Engineering', 'Everyone', 'Finance'],
    sid: `0d9e7a52-88f3-4e0f-b6c4-${id}`,
    jti: `f4f1cb12-7f8f-4b6e-a0a9-${id}`,
  })
}

/** What a browser sends by way of the edge. Who forwards it no further, as it asks, has answered it. */
function headersWith(token: string): string[] {
  return [
    ['Host', hosts.API],
    ['User-Agent', 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'],
    ['Accept', 'application/json, text/plain, */*'],
    ['Accept-Language', 'en-GB,en;q=0.7,de;q=0.3'],
    ['Accept-Encoding', 'gzip, deflate, br, zstd'],
    ['Referer', 'https://app.example.com/orders?page=2'],
    ['Cookie', `theme=dark; session=${'c'.repeat(400)}; locale=en`],
    ['Sec-Fetch-Dest', 'empty'],
    ['Sec-Fetch-Mode', 'cors'],
    ['Sec-Fetch-Site', 'same-origin'],
    ['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00'],
    ['X-Forwarded-For', '198.51.100.23'],
    ['X-Forwarded-Proto', 'https'],
    ['X-Pomerium-Jwt-Assertion', token],
    ['Max-Forwards', '0'],
  ].flat()
}

const answerHeaders = [
  ['Server', 'nginx'],
  ['Date', 'Thu, 15 Jan 2026 12:00:00 GMT'],
  ['Content-Type', 'application/json'],
  ['Content-Length', '60'],
  ['Connection', 'keep-alive'],
  ['Cache-Control', 'no-store'],
].flat()

export function incomingWith(token: string, reply: (head: ReplyHead) => void): Incoming {
  const connection = { peer: '192.0.2.7', localPort: 15_006, isTls: false }
  const incoming = {
    head: { method: 'OPTIONS', target: '/orders/4711?expand=lines', headers: headersWith(token) },
    version: '1.1',
    connection,
    framing: 'none',
    reply: { isGone: false, hasBegun: false, send: reply },
    refuseUnserved: () => undefined,
  }
  return incoming as unknown as Incoming
}

/** Takes the request, and sifts an answer's headers, as it would those of the app. */
export async function serve(side: Side, incoming: Incoming): Promise<void> {
  await handle(side, incoming)
  siftResponseHeaders(answerHeaders, false)
}
