// The inbound side: any caller → this service's app. Decide, keep a session, forward.
import { Agent } from 'node:http'
import { KeyNeeded, type MissingKeyRule } from '../shared/assertion/verify.ts'
import type { Endpoint, Issuer } from '../shared/config/mesh.ts'
import { recordedPath, recordPrincipal, type Decision } from '../shared/decision.ts'
import { Refusal } from '../shared/errors.ts'
import type { Peer } from '../shared/head.ts'
import { siftResponseHeaders } from '../shared/headers/firewall.ts'
import { decideInbound, inboundHeaders, type InboundAnswer, type InboundFindings } from '../shared/inbound.ts'
import type { Admission, Exchange, Side } from './exchange.ts'
import { forward } from './http/forward.ts'
import { peerAddress } from './http/server.ts'
import type { Current, Runtime } from './runtime.ts'

/** What report mode lets through all the same: verdicts on identity, never on the form of a request or on load. */
const reportable: ReadonlySet<number> = new Set([401, 403, 404])

export function createInbound(runtime: Runtime, admission: Admission): Side & { close(): void } {
  const agent = new Agent({ keepAlive: true, maxFreeSockets: 256 })
  const { recorder } = runtime

  async function serve(exchange: Exchange): Promise<number> {
    const peer = { address: peerAddress(exchange.request.socket) }
    const { current, answer } = await decide(runtime, exchange, peer)
    exchange.record(decisionOf(exchange, current, peer, runtime.now(), answer.findings, answer))
    if (!answer.permitted && !isReported(current, answer.refusal)) throw answer.refusal
    const { mesh } = current.snapshot
    const upstream = appFor(current, exchange.request.socket.localPort)
    const session = runtime.sessions.keep(answer.findings.caller, answer.findings.originalUser)
    try {
      const { status } = await forward({
        request: exchange.request,
        response: exchange.response,
        upstream,
        agent,
        path: answer.findings.target?.originForm ?? exchange.head.target,
        headers: inboundHeaders(answer.findings, current.snapshot, session.handle),
        siftResponse: (headers) => siftResponseHeaders(headers, false),
        isClosing: () => admission.closing,
        limits: mesh.limits,
        timeouts: mesh.timeouts,
      })
      return status
    } finally {
      session.end()
    }
  }

  return {
    admission,
    recorder,
    limits: () => runtime.current().snapshot.mesh.limits,
    refusedUnseen(exchange, refusal) {
      const peer = { address: peerAddress(exchange.request.socket) }
      const answer = { permitted: false, findings: {}, refusal } as const
      return decisionOf(exchange, runtime.current(), peer, runtime.now(), {}, answer)
    },
    serve,
    close: () => agent.destroy(),
  }
}

/** Decides; where a key is missing, asks each issuer once and decides again on what is in effect then. */
async function decide(
  runtime: Runtime,
  exchange: Exchange,
  peer: Peer,
): Promise<{ current: Current; answer: InboundAnswer }> {
  const asked = new Map<Issuer, 'unknown' | 'unavailable'>()
  const missingKey: MissingKeyRule = (issuers) => {
    const answers = issuers.map((issuer) => asked.get(issuer) ?? 'ask')
    return (
      answers.find((answer) => answer === 'ask') ??
      answers.find((answer) => answer === 'unavailable') ??
      'unknown'
    )
  }
  for (;;) {
    const current = runtime.current()
    const nowMs = runtime.now()
    const { revocations } = runtime
    try {
      const { snapshot } = current
      const answer = decideInbound({ head: exchange.head, peer, snapshot, revocations, nowMs, missingKey })
      return { current, answer: useUp(runtime, current, answer, nowMs) }
    } catch (error) {
      if (!(error instanceof KeyNeeded)) throw error
      for (const issuer of error.issuers) {
        const result = await runtime.refetchKeys(issuer)
        asked.set(issuer, result === 'unavailable' ? 'unavailable' : 'unknown')
      }
    }
  }
}

/** A single-use assertion is used up when all else is decided, and only by a request that is let in. */
function useUp(runtime: Runtime, current: Current, answer: InboundAnswer, nowMs: number): InboundAnswer {
  const { caller } = answer.findings
  if (!answer.permitted || caller === undefined) return answer
  const issuer = current.snapshot.mesh.issuers.find((entry) => entry.name === caller.principal.issuer)
  if (issuer?.singleUse !== true) return answer
  try {
    runtime.usedTokens.use(caller, nowMs)
    return answer
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    const { caller: _caller, originalUser: _user, ...findings } = answer.findings
    return { permitted: false, findings, refusal: error }
  }
}

function isReported(current: Current, refusal: Refusal): boolean {
  return current.snapshot.mesh.mode === 'report' && reportable.has(refusal.status)
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
  peer: Peer,
  atMs: number,
  findings: InboundFindings,
  answer: InboundAnswer,
): Decision {
  const { mesh } = current.snapshot
  return Object.freeze({
    requestId: exchange.requestId,
    direction: 'inbound',
    atMs,
    service: mesh.service,
    mode: mesh.mode,
    outcome: answer.permitted ? 'allowed' : 'refused',
    code: answer.permitted ? undefined : answer.refusal.code,
    reason: answer.permitted ? answer.reason : answer.refusal.message,
    method: exchange.head.method,
    host: findings.target?.host ?? '',
    path: recordedPath(findings.target?.originForm ?? exchange.head.target),
    route: findings.route?.name,
    peer: peer.address,
    caller: recordPrincipal(findings.caller),
    originalUser: recordPrincipal(findings.originalUser),
    source: undefined,
  })
}
