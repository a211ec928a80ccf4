// The outbound side: this service's app → anyone. Decide, attach the credential, carry the original user, forward.
import { isIP } from 'node:net'
import type { Route, Timeouts } from '../shared/config/mesh.ts'
import { makeDecision, type Decision } from '../shared/decision.ts'
import { Refusal } from '../shared/errors.ts'
import { filterHeaders, headerValues } from '../shared/head.ts'
import { headerNames } from '../shared/headers/names.ts'
import { siftResponseHeaders, siftTrailers } from '../shared/headers/firewall.ts'
import { withVia } from '../shared/headers/forwarding.ts'
import { withTraceParent } from '../shared/headers/trace-context.ts'
import {
  decideOutbound,
  outboundHeaders,
  type OutboundAnswer,
  type OutboundFindings,
} from '../shared/outbound.ts'
import { changedPath, changedRequest, changedResponse, type RouteChanges } from '../shared/route-changes.ts'
import { targetOf, type RequestTarget } from '../shared/target.ts'
import { asking } from './asking.ts'
import type { Certificates } from './certificates.ts'
import { judgeAddress, judgingLookup, refuseSelf, type EgressRule } from './egress.ts'
import { makeHopName, protocolOf, type Admission, type Exchange, type Side } from './exchange.ts'
import { startTimer } from './http/failures.ts'
import { forward } from './http/forward.ts'
import { Interruption } from './http/interruption.ts'
import { Balancers, type BalancerEvents } from './upstream/balancers.ts'
import { createConnections } from './upstream/connections.ts'
import type { Connections, Forwarding } from './http/forwarding.ts'
import type { Answer } from './http/outgoing.ts'
import type { OriginalDestination } from './interception/original-destination.ts'
import { carriedBy } from './open-exchanges.ts'
import type { Current, Runtime } from './runtime.ts'
import { untraced, type RequestTrace } from './telemetry/tracing.ts'

/** In report mode a refused call goes out, but as nobody: a call that lost its user must not gain the service's right. */
const reportable: ReadonlySet<number> = new Set([401, 403, 503])

export function createOutbound(
  runtime: Runtime,
  admission: Admission,
  events: BalancerEvents,
): Side & { close(): void } {
  const balancers = new Balancers(events)
  // Connections to unlisted hosts were judged when they were made, by the rule of then; those to routes were not.
  const toRoutes = createConnections()
  const toOthers = { allow: createConnections(), deny: createConnections() }
  const { recorder } = runtime

  async function serve(exchange: Exchange): Promise<number> {
    const rule = runtime.egressRule()
    const { originalDestination } = exchange
    if (originalDestination !== undefined) {
      refuseSelf(originalDestination.address, originalDestination.port, rule)
    }
    // All of a turn are decided before one of them goes on.
    const { current, answer: decided } = await decide(runtime, exchange)
    const { certificates } = runtime
    const { mesh } = current.snapshot
    const { answer, sending } = plan(current, certificates, decided, (findings) => {
      if (findings.route !== undefined) return toRoute(findings, balancers, current, toRoutes)
      const connections = toOthers[rule.local]
      if (originalDestination === undefined) return toOther(findings, rule, connections)
      return toOriginal(originalDestination, exchange.head.target, rule, connections)
    })
    const trace = traceOf(runtime, exchange, answer)
    exchange.record(decisionOf(exchange, current, runtime.now(), answer, trace), trace)
    if (sending === undefined) throw answer.refusal
    const { headers, amend, ...destination } = sending
    const { route } = answer.findings
    const finished = (given: readonly string[]) => {
      const traced = inTrace(given, answer.findings, trace)
      // Others are told nothing of us; and many a server compresses nothing for who comes by way of a proxy.
      return route === undefined
        ? [...traced, ...forOtherProxy(exchange, answer.findings)]
        : withVia(traced, exchange.hop)
    }
    const carried = answer.permitted ? answer.findings.originalUser : undefined
    const links = carriedBy(answer.findings.passage?.evidence)
    const open = carried && runtime.exchanges.open('outbound', [['original_user', carried], ...links])
    const interruption = open?.interruption ?? new Interruption()
    const { totalMs } = limitsOf(route)
    // A change of protocol has no answer that could be whole.
    const isLimited = exchange.incoming.upgrade === undefined
    const timer = isLimited ? startTimer(totalMs, () => interruption.interrupt(tookTooLong())) : undefined
    return forward({
      incoming: exchange.incoming,
      ...destination,
      headers: finished(headers),
      ...(amend === undefined ? undefined : { amend: amending(amend, finished) }),
      siftTrailers: (raw) => siftTrailers(raw, mesh.claimHeaderNames),
      isClosing: () => admission.closing,
      interruption,
      onRepeat: exchange.onRepeat,
      limits: mesh.limits,
      timeouts: timeoutsFor(route, mesh.timeouts),
    }).finally(() => {
      clearTimeout(timer)
      open?.close()
    })
  }

  return {
    name: makeHopName(),
    admission,
    recorder,
    now: runtime.now,
    limits: () => runtime.current().snapshot.mesh.limits,
    refusedUnseen(exchange, refusal) {
      const target = targetOf(exchange.head)
      const answer = { permitted: false, findings: target === undefined ? {} : { target }, refusal } as const
      return decisionOf(exchange, runtime.current(), runtime.now(), answer, untraced)
    },
    serve,
    close() {
      for (const connections of [toRoutes, toOthers.allow, toOthers.deny]) connections.close()
    },
  }
}

/** Decides, on what is in effect when all that could be asked for was asked for. */
interface Decided {
  readonly current: Current
  readonly answer: OutboundAnswer
}

function decide(runtime: Runtime, { head }: Exchange): Decided | Promise<Decided> {
  const { sessions, revocations } = runtime
  return asking(runtime.ask, (missing) => {
    const current = runtime.current()
    const { snapshot } = current
    return { current, answer: decideOutbound({ head, snapshot, sessions, revocations, missing }) }
  })
}

type Permitted = Extract<OutboundAnswer, { permitted: true }>
type Refused = Extract<OutboundAnswer, { permitted: false }>
type Destination = Pick<
  Forwarding,
  'upstream' | 'balancer' | 'security' | 'connections' | 'path' | 'lookup' | 'isAwaited' | 'siftResponse'
>
type Sending = Destination & Pick<Forwarding, 'headers' | 'amend'>

/** What is done about a call: without `sending` nothing goes out. */
type Plan =
  | { readonly answer: Permitted; readonly sending: Sending }
  | { readonly answer: Refused; readonly sending: Sending }
  | { readonly answer: Refused; readonly sending: undefined }

function plan(
  current: Current,
  certificates: Certificates,
  decided: OutboundAnswer,
  where: (findings: OutboundFindings) => Destination,
): Plan {
  if (!decided.permitted) return refusedPlan(current, decided, where)
  const { findings } = decided
  try {
    const destination = where(findings)
    return {
      answer: decided,
      sending: { ...destination, ...identified(current, certificates, findings) },
    }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return refusedPlan(current, { permitted: false, findings, refusal: error }, where)
  }
}

/** The headers of a call, and how they are amended where the callee does not find our certificate. */
function identified(
  current: Current,
  certificates: Certificates,
  findings: OutboundFindings,
): Pick<Sending, 'headers' | 'amend'> {
  const { route } = findings
  if (route === undefined) return { headers: outboundHeaders(findings, []) }
  const headersWith = (withChain: boolean) => {
    const credential = current.credential.headersFor(route, withChain, findings.passage)
    return changed(findings, outboundHeaders(findings, credential))
  }
  if (certificates.travelsTo(route.host)) return { headers: headersWith(true) }
  const amend: Forwarding['amend'] = (answer) => {
    if (!isForWantOfCertificate(answer)) return undefined
    certificates.sendTo(route.host)
    return () => headersWith(true)
  }
  return { headers: headersWith(false), amend }
}

/** Codes with which a callee refuses what it would take with the certificate beside it. */
const wantsCertificate: ReadonlySet<string> = new Set([
  'keys_unavailable',
  'assertion_key_unknown',
  'evidence_invalid',
])

function isForWantOfCertificate({ headers }: Answer): boolean {
  return headerValues(headers, headerNames.error).some((code) => wantsCertificate.has(code))
}

function amending(
  amend: NonNullable<Forwarding['amend']>,
  finished: (headers: readonly string[]) => string[],
): NonNullable<Forwarding['amend']> {
  return (answer) => {
    const amended = amend(answer)
    return amended && (() => finished(amended()))
  }
}

function refusedPlan(current: Current, answer: Refused, where: Parameters<typeof plan>[3]): Plan {
  const sending = reported(current, answer, where)
  return sending === undefined ? { answer, sending } : { answer, sending }
}

/** In report mode a refused call goes out all the same, with no identity; never to where no call may go. */
function reported(
  current: Current,
  { findings, refusal }: Refused,
  where: (findings: OutboundFindings) => Destination,
): Sending | undefined {
  if (current.snapshot.mesh.mode !== 'report' || findings.target === undefined) return undefined
  if (!reportable.has(refusal.status)) return undefined
  try {
    return { ...where(findings), headers: changed(findings, findings.sifted?.passing ?? []) }
  } catch (error) {
    if (error instanceof Refusal) return undefined
    throw error
  }
}

function toRoute(
  { route, target }: OutboundFindings,
  balancers: Balancers,
  { tls }: Current,
  connections: Connections,
): Destination {
  const to = route as Route
  const { originForm } = target as RequestTarget
  const changes = changesOf(to)
  return {
    ...balancers.goalOf(to),
    security: to.via === 'mesh' ? tls.securityFor(to) : undefined,
    connections,
    path: changes === undefined ? originForm : changedPath(changes, originForm),
    isAwaited: true,
    siftResponse(headers) {
      const sifted = siftResponseHeaders(headers, true)
      return changes === undefined ? sifted : changedResponse(changes, sifted)
    },
  }
}

/** @throws {Refusal} `request_malformed` where what the route makes of it cannot be sent. */
function changed({ route, target }: OutboundFindings, headers: readonly string[]): readonly string[] {
  const changes = changesOf(route)
  return changes === undefined ? headers : changedRequest(changes, headers, target?.originForm ?? '*')
}

/** Where a Pomerium is on the way it makes them, and goes by its own times. */
function changesOf(route: Route | undefined): RouteChanges | undefined {
  return route?.via === 'mesh' ? route.changes : undefined
}

function limitsOf(route: Route | undefined): { totalMs: number; idleMs: number | undefined } {
  const { totalMs = 0, idleMs } = route?.via === 'mesh' ? route.timeouts : {}
  return { totalMs, idleMs }
}

function timeoutsFor(route: Route | undefined, timeouts: Timeouts): Timeouts {
  if (route?.via !== 'mesh') return timeouts
  const { totalMs, idleMs = timeouts.idleMs } = route.timeouts
  // A limit for the whole answer is one for its begin, too.
  return { ...timeouts, idleMs, responseMs: totalMs === undefined ? timeouts.responseMs : 0 }
}

function tookTooLong(): Refusal {
  return new Refusal('upstream_timeout', 'The answer took longer than the route allows (timeout).')
}

/** @throws {Refusal} what {@link judgeAddress} refuses. */
function toOther(findings: OutboundFindings, rule: EgressRule, connections: Connections): Destination {
  const target = findings.target as RequestTarget
  const upstream = { tls: target.tls, host: target.host, port: target.port ?? (target.tls ? 443 : 80) }
  // An address is judged here, for it is never looked up; a name is judged when it is.
  if (isIP(upstream.host) !== 0) judgeAddress(upstream.host, upstream.port, rule)
  return {
    upstream,
    connections,
    path: target.originForm,
    lookup: judgingLookup(upstream.port, rule),
    isAwaited: false,
    siftResponse: (headers) => siftResponseHeaders(headers, false),
  }
}

/**
 * Where a redirected call that no route names was going, whatever it says of itself: it may be for another proxy, so
 * its target stays as it came.
 * @throws {Refusal} what {@link judgeAddress} refuses.
 */
function toOriginal(
  { address, port }: OriginalDestination,
  target: string,
  rule: EgressRule,
  connections: Connections,
): Destination {
  judgeAddress(address, port, rule)
  return {
    upstream: { tls: false, host: address, port },
    connections,
    path: target,
    isAwaited: false,
    siftResponse: (headers) => [
      ...siftResponseHeaders(headers, false),
      ...filterHeaders(headers, (name) => name === 'proxy-authenticate'),
    ],
  }
}

/** The trace that the app says the call is part of; else that of the request that caused it, for calls to routes. */
function traceOf(
  runtime: Runtime,
  { head, startedAtMs }: Exchange,
  { permitted, findings }: OutboundAnswer,
): RequestTrace {
  const { route, reading, traceParent: parent } = findings
  const cause = permitted && route !== undefined ? reading?.sources[0]?.session?.trace : undefined
  const { method, headers } = head
  return runtime.tracing.begin({ direction: 'outbound', method, headers, startedAtMs, parent, cause })
}

/** Others are told of no trace that the app does not tell them of. */
function inTrace(
  headers: readonly string[],
  { route, traceParent }: OutboundFindings,
  { context, isOwnSpan, otherFormats }: RequestTrace,
): readonly string[] {
  if (context === undefined || (route === undefined && traceParent === undefined)) return headers
  if (!isOwnSpan && traceParent !== undefined) return headers
  const traced = withTraceParent(headers, context)
  return otherFormats?.(traced) ?? traced
}

/** A redirected call in the form for proxies is for another one; what the app says to that, passes. */
function forOtherProxy({ originalDestination, head }: Exchange, { target }: OutboundFindings): string[] {
  if (originalDestination === undefined || target?.absoluteForm !== true) return []
  return filterHeaders(head.headers, (name) => name === 'proxy-authorization')
}

function decisionOf(
  exchange: Exchange,
  current: Current,
  atMs: number,
  answer: OutboundAnswer,
  trace: RequestTrace,
): Decision {
  const { target, route, originalUser, passage, cause, reading } = answer.findings
  return makeDecision({
    requestId: exchange.requestId,
    trace: trace.context,
    isOwnSpan: trace.isOwnSpan,
    direction: 'outbound',
    atMs,
    mesh: current.snapshot.mesh,
    refusal: answer.permitted ? undefined : answer.refusal,
    reason: answer.permitted ? answer.reason : '',
    method: exchange.head.method,
    protocol: protocolOf(exchange),
    target,
    route,
    peer: exchange.hop.peer,
    caller: undefined,
    originalUser,
    evidence: passage?.evidence,
    cause,
    sources: reading?.sources,
  })
}
