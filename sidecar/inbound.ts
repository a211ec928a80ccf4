// The inbound side: any caller → this service's app. Decide, keep a session, forward.
import type { Endpoint } from '../shared/config/mesh.ts'
import { makeDecision, type Decision } from '../shared/decision.ts'
import { Refusal } from '../shared/errors.ts'
import type { Assertion } from '../shared/identity.ts'
import { siftResponseHeaders, siftTrailers } from '../shared/headers/firewall.ts'
import { withForwarded, withVia } from '../shared/headers/forwarding.ts'
import type { TraceParent } from '../shared/headers/trace-context.ts'
import {
  decideInbound,
  inboundHeaders,
  reportable,
  type InboundAnswer,
  type InboundFindings,
} from '../shared/inbound.ts'
import type { ConnectedPeer } from '../shared/peer.ts'
import { targetOf } from '../shared/target.ts'
import { asking } from './asking.ts'
import { isSelf } from './egress.ts'
import { makeHopName, protocolOf, type Admission, type Exchange, type Side } from './exchange.ts'
import { forward } from './http/forward.ts'
import { createConnections } from './upstream/connections.ts'
import type { OriginalDestination } from './interception/original-destination.ts'
import { carriedBy, type Carried, type OpenExchange } from './open-exchanges.ts'
import type { Current, Runtime } from './runtime.ts'
import type { KeptSession } from './sessions.ts'
import { untraced, type RequestTrace } from './telemetry/tracing.ts'

export function createInbound(runtime: Runtime, admission: Admission): Side & { close(): void } {
  const connections = createConnections()
  const { recorder } = runtime
  const isClosing = () => admission.closing

  async function serve(exchange: Exchange): Promise<number> {
    refuseOwnPort(runtime, exchange.originalDestination)
    const peer = { address: exchange.hop.peer, shown: exchange.incoming.connection.shown }
    // All of a turn are decided before one of them goes on.
    const { current, answer: decided } = await decide(runtime, exchange, peer)
    const trace = traceOf(runtime, exchange, decided)
    const { answer, sending } = plan(runtime, current, decided, exchange, trace)
    // The trace that was started for the app, too: its log knows the request by that.
    const traced = { isOwnSpan: trace.isOwnSpan, context: sending?.parent ?? trace.context }
    exchange.record(decisionOf(exchange, current, peer, runtime.now(), answer, traced), trace)
    if (sending === undefined) throw answer.refusal
    const { mesh } = current.snapshot
    const { session } = sending
    const given = inboundHeaders(answer.findings, current.snapshot, session.handle, sending.parent)
    const headers = trace.otherFormats?.(given) ?? given
    let open: OpenExchange | undefined
    try {
      open = runtime.exchanges.open('inbound', carriedIn(answer.findings))
      return await forward({
        incoming: exchange.incoming,
        upstream: sending.app,
        connections,
        path: answer.findings.target?.originForm ?? exchange.head.target,
        headers: withVia(withForwarded(headers, exchange.hop), exchange.hop),
        isAwaited: true,
        siftResponse: siftAppResponse,
        siftTrailers: (raw) => siftTrailers(raw, mesh.claimHeaderNames),
        isClosing,
        interruption: open.interruption,
        onRepeat: exchange.onRepeat,
        limits: mesh.limits,
        timeouts: mesh.timeouts,
      })
    } finally {
      open?.close()
      session.end()
    }
  }

  return {
    name: makeHopName(),
    admission,
    recorder,
    now: runtime.now,
    limits: () => runtime.current().snapshot.mesh.limits,
    refusedUnseen(exchange, refusal) {
      const peer = { address: exchange.hop.peer }
      const target = targetOf(exchange.head)
      const answer = { permitted: false, findings: target === undefined ? {} : { target }, refusal } as const
      return decisionOf(exchange, runtime.current(), peer, runtime.now(), answer, untraced)
    },
    serve,
    close: () => connections.close(),
  }
}

interface Decided {
  readonly current: Current
  readonly answer: InboundAnswer
}

/** Decides, on what is in effect when all that could be asked for was asked for. */
function decide(runtime: Runtime, exchange: Exchange, peer: ConnectedPeer): Decided | Promise<Decided> {
  const { head } = exchange
  const { revocations } = runtime
  return asking(runtime.ask, (missing) => {
    const current = runtime.current()
    const { snapshot } = current
    const answer = decideInbound({ head, peer, snapshot, revocations, nowMs: runtime.now(), missing })
    return { current, answer }
  })
}

/** No sidecar answers before the app. */
const siftAppResponse = (raw: readonly string[]) => siftResponseHeaders(raw, false)

function carriedIn({ caller, originalUser, evidence }: InboundFindings): Carried {
  const carried: Carried[number][] = carriedBy(evidence)
  if (originalUser !== undefined) carried.unshift(['original_user', originalUser])
  if (caller !== undefined) carried.unshift(['assertion', caller])
  return carried
}

type Permitted = Extract<InboundAnswer, { permitted: true }>
type Refused = Extract<InboundAnswer, { permitted: false }>

interface Sending {
  readonly app: Endpoint
  readonly session: KeptSession
  /** The trace that the request continues, or starts. */
  readonly parent: TraceParent
}

/** What is done about a request: without `sending` nothing reaches the app. */
type Plan =
  | { readonly answer: Permitted; readonly sending: Sending }
  | { readonly answer: Refused; readonly sending: Sending }
  | { readonly answer: Refused; readonly sending: undefined }

function plan(
  runtime: Runtime,
  current: Current,
  decided: InboundAnswer,
  exchange: Exchange,
  trace: RequestTrace,
): Plan {
  if (!decided.permitted) return planRefused(runtime, current, decided, exchange, trace)
  const { caller, originalUser, evidence } = decided.findings
  let session: KeptSession | undefined
  try {
    const app = appFor(current, calledPort(exchange))
    const parent = trace.context ?? runtime.tracing.startTrace()
    const { requestId } = exchange
    session = runtime.sessions.keep(caller, originalUser, { requestId, evidence, trace: parent })
    if (caller !== undefined) useUp(runtime, current, caller)
    return { answer: decided, sending: { app, session, parent } }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    session?.discard()
    // Nothing of a request whose assertion does not count is verified any more.
    const { caller: _caller, originalUser: _user, evidence: _evidence, ...findings } = decided.findings
    return planRefused(runtime, current, { permitted: false, findings, refusal: error }, exchange, trace)
  }
}

/** In report mode a refused request reaches the app all the same, with what of it was verified. */
function planRefused(
  runtime: Runtime,
  current: Current,
  answer: Refused,
  exchange: Exchange,
  trace: RequestTrace,
): Plan {
  const { findings, refusal } = answer
  const isReported = current.snapshot.mesh.mode === 'report' && reportable.has(refusal.status)
  if (!isReported || findings.sifted === undefined) return { answer, sending: undefined }
  const { caller, originalUser, evidence } = findings
  const isUserLost = findings.sifted.claimed.assertionFor !== undefined && originalUser === undefined
  const app = appFor(current, calledPort(exchange))
  const { requestId } = exchange
  const parent = trace.context ?? runtime.tracing.startTrace()
  const of = { requestId, isUserLost, evidence, trace: parent }
  const session = runtime.sessions.keep(caller, originalUser, of)
  return { answer, sending: { app, session, parent } }
}

/** The trace that the request is part of, or starts. */
function traceOf(
  runtime: Runtime,
  { head, startedAtMs }: Exchange,
  { findings }: InboundAnswer,
): RequestTrace {
  const { method, headers } = head
  return runtime.tracing.begin({
    direction: 'inbound',
    method,
    headers,
    startedAtMs,
    parent: findings.traceParent,
  })
}

/** A single-use assertion is used up when all else is decided, by the request that is let in. */
function useUp(runtime: Runtime, current: Current, caller: Assertion): void {
  const issuer = current.snapshot.mesh.issuers.find((entry) => entry.name === caller.principal.issuer)
  if (issuer?.singleUse === true) runtime.usedTokens.use(caller)
}

/** The port that the caller called, redirected or not. */
function calledPort({ originalDestination, incoming }: Exchange): number | undefined {
  return originalDestination?.port ?? incoming.connection.localPort
}

/**
 * What was redirected from another port of this sidecar must not reach the app in the place of that port.
 * @throws {Refusal} `route_not_found` (421).
 */
function refuseOwnPort(runtime: Runtime, destination: OriginalDestination | undefined): void {
  if (destination === undefined || !runtime.egressRule().ownPorts.has(destination.port)) return
  const { inbound } = runtime.current().snapshot.mesh.listen
  if (!inbound.some(({ port }) => port === destination.port)) throw isSelf()
}

function appFor(current: Current, port: number | undefined): Endpoint {
  const { appByPort, app } = current.snapshot.mesh
  const upstream = appByPort.get(port ?? 0) ?? app
  if (upstream !== undefined) return upstream
  throw new Refusal('upstream_refused', 'The mesh file names no app for this port (services: app).')
}

function decisionOf(
  exchange: Exchange,
  current: Current,
  peer: ConnectedPeer,
  atMs: number,
  answer: InboundAnswer,
  trace: Pick<RequestTrace, 'context' | 'isOwnSpan'>,
): Decision {
  const { target, route, caller, originalUser, evidence, peer: identity } = answer.findings
  return makeDecision({
    requestId: exchange.requestId,
    trace: trace.context,
    isOwnSpan: trace.isOwnSpan,
    direction: 'inbound',
    atMs,
    mesh: current.snapshot.mesh,
    refusal: answer.permitted ? undefined : answer.refusal,
    reason: answer.permitted ? answer.reason : '',
    method: exchange.head.method,
    protocol: protocolOf(exchange),
    target,
    route,
    peer: peer.address,
    certificate: identity?.kind === 'proven' ? identity.name.uri : undefined,
    caller,
    originalUser,
    evidence,
  })
}
