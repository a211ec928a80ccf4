// The outbound side: this service's app → anyone. Decide, attach the credential, carry the original user, forward.
import { Agent } from 'node:http'
import { Agent as TlsAgent } from 'node:https'
import { isIP } from 'node:net'
import type { Endpoint, Route } from '../shared/config/mesh.ts'
import { recordedPath, recordPrincipal, type Decision } from '../shared/decision.ts'
import { Refusal } from '../shared/errors.ts'
import { siftResponseHeaders } from '../shared/headers/firewall.ts'
import {
  decideOutbound,
  outboundHeaders,
  type OutboundAnswer,
  type OutboundFindings,
} from '../shared/outbound.ts'
import type { RequestTarget } from '../shared/target.ts'
import { judgeAddress, judgingLookup, type EgressRule } from './egress.ts'
import type { Admission, Exchange, Side } from './exchange.ts'
import { forward, type Forwarding } from './http/forward.ts'
import { peerAddress } from './http/server.ts'
import type { Current, Runtime } from './runtime.ts'

/** In report mode a refused call goes out, but as nobody: a call that lost its user must not gain the service's right. */
const reportable: ReadonlySet<number> = new Set([401, 403, 503])

interface Agents {
  readonly plain: Agent
  readonly tls: TlsAgent
}

export function createOutbound(runtime: Runtime, admission: Admission): Side & { close(): void } {
  // Connections to unlisted hosts were judged when they were made; those to routes were not, so they never mix.
  const toRoutes = createAgents()
  const toOthers = createAgents()
  const { recorder } = runtime

  async function serve(exchange: Exchange): Promise<number> {
    const current = runtime.current()
    const { snapshot } = current
    const { head } = exchange
    const answer = decideOutbound({ head, snapshot, sessions: runtime.sessions })
    const attached = await attach(current, answer)
    exchange.record(decisionOf(exchange, current, runtime.now(), attached))
    if (!attached.answer.permitted && !isReported(current, attached.answer)) throw attached.answer.refusal
    const { status } = await forward({
      request: exchange.request,
      response: exchange.response,
      headers: attached.headers,
      ...whereTo(runtime, current, answer.findings, toRoutes, toOthers),
      isClosing: () => admission.closing,
      limits: snapshot.mesh.limits,
      timeouts: snapshot.mesh.timeouts,
    })
    return status
  }

  return {
    admission,
    recorder,
    limits: () => runtime.current().snapshot.mesh.limits,
    refusedUnseen(exchange, refusal) {
      const answer = { permitted: false, findings: {}, refusal } as const
      return decisionOf(exchange, runtime.current(), runtime.now(), { answer, headers: [] })
    },
    serve,
    close() {
      for (const { plain, tls } of [toRoutes, toOthers]) {
        plain.destroy()
        tls.destroy()
      }
    },
  }
}

function createAgents(): Agents {
  const options = { keepAlive: true, maxFreeSockets: 256 }
  return { plain: new Agent(options), tls: new TlsAgent(options) }
}

interface Attached {
  readonly answer: OutboundAnswer
  readonly headers: readonly string[]
}

/** The headers that go out: with the credential where the call is permitted and a route is known, else with nothing. */
async function attach(current: Current, answer: OutboundAnswer): Promise<Attached> {
  const { findings } = answer
  const bare = findings.sifted?.passing ?? []
  if (!answer.permitted || findings.route === undefined) return { answer, headers: bare }
  try {
    const credential = await current.credential.headersFor(findings.route)
    return { answer, headers: outboundHeaders(findings, credential) }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return { answer: { permitted: false, findings, refusal: error }, headers: bare }
  }
}

function isReported(current: Current, answer: OutboundAnswer): boolean {
  if (answer.permitted || answer.findings.target === undefined) return false
  return current.snapshot.mesh.mode === 'report' && reportable.has(answer.refusal.status)
}

type Destination = Pick<Forwarding, 'upstream' | 'agent' | 'path' | 'lookup' | 'siftResponse'>

function whereTo(
  runtime: Runtime,
  current: Current,
  findings: OutboundFindings,
  toRoutes: Agents,
  toOthers: Agents,
): Destination {
  const target = findings.target as RequestTarget
  if (findings.route !== undefined) {
    const upstream = upstreamOf(findings.route)
    return {
      upstream,
      agent: upstream.tls ? toRoutes.tls : toRoutes.plain,
      path: target.originForm,
      siftResponse: (headers) => siftResponseHeaders(headers, true),
    }
  }
  const upstream = { tls: target.tls, host: target.host, port: target.port ?? (target.tls ? 443 : 80) }
  const rule = { local: current.snapshot.mesh.egress.local, ownPorts: runtime.ownPorts() }
  return {
    upstream,
    agent: upstream.tls ? toOthers.tls : toOthers.plain,
    path: target.originForm,
    lookup: judged(upstream, rule),
    siftResponse: (headers) => siftResponseHeaders(headers, false),
  }
}

/** Through a Pomerium the call goes to the route's public address, else straight to the sidecar at `to`. */
function upstreamOf(route: Route): Endpoint {
  return route.via === 'pomerium' ? route.from : route.to
}

/** An address is judged here, for it is never looked up; a name is judged when it is. */
function judged(upstream: Endpoint, rule: EgressRule) {
  if (isIP(upstream.host) !== 0) judgeAddress(upstream.host, upstream.port, rule)
  return judgingLookup(upstream.port, rule)
}

function decisionOf(exchange: Exchange, current: Current, atMs: number, attached: Attached): Decision {
  const { mesh } = current.snapshot
  const { answer } = attached
  const { findings } = answer
  const { cause, route } = findings
  return Object.freeze({
    requestId: exchange.requestId,
    direction: 'outbound',
    atMs,
    service: mesh.service,
    mode: mesh.mode,
    outcome: answer.permitted ? 'allowed' : 'refused',
    code: answer.permitted ? undefined : answer.refusal.code,
    reason: answer.permitted ? answer.reason : answer.refusal.message,
    method: exchange.head.method,
    host: findings.target?.host ?? '',
    path: recordedPath(findings.target?.originForm ?? exchange.head.target),
    route: route?.name,
    peer: peerAddress(exchange.request.socket),
    caller: undefined,
    originalUser: recordPrincipal(findings.originalUser),
    source:
      route === undefined || cause === undefined ? undefined : cause.kind === 'none' ? 'none' : cause.source,
  })
}
