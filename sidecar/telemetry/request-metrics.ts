// What is counted of requests: OpenTelemetry's HTTP metrics, and ours; all labels are from closed sets.
import type { Decision } from '../../shared/decision.ts'
import type { RefusalCode } from '../../shared/errors.ts'
import { stepsOf, type Step } from '../../shared/steps.ts'
import type { Ending } from './ending.ts'
import type { Metrics } from './metrics.ts'
import { durationBounds, durationLabels, knownMethod } from './semantic.ts'

type Direction = Decision['direction']

export interface RequestMetrics {
  unreadable(direction: Direction, code: RefusalCode): void
  fault(ended: 'connection' | 'request'): void
  decided(decision: Decision): void
  ended(decision: Decision, ending: Ending): void
}

export function createRequestMetrics(metrics: Metrics): RequestMetrics {
  const ours = countersOf(metrics)
  const unit = 's'
  const durations = {
    inbound: metrics.histogram(
      { name: 'http.server.request.duration', unit, help: 'Duration of HTTP server requests.' },
      durationBounds,
    ),
    outbound: metrics.histogram(
      { name: 'http.client.request.duration', unit, help: 'Duration of HTTP client requests.' },
      durationBounds,
    ),
  }
  const active = {
    inbound: metrics.upDownCounter({
      name: 'http.server.active_requests',
      unit: '{request}',
      help: 'Number of active HTTP server requests.',
    }),
    outbound: metrics.upDownCounter({
      name: 'http.client.active_requests',
      unit: '{request}',
      help: 'Number of active HTTP client requests.',
    }),
  }
  return {
    unreadable(direction, code) {
      ours.unreadable.add({ direction, code })
      if (isShed(code)) ours.shed.add({ direction, code })
    },
    fault(ended) {
      ours.faults.add({ ended })
    },
    decided(decision) {
      const { direction, outcome, code = '', route = '', mode } = decision
      ours.decisions.add({ direction, outcome, code, route, mode })
      if (decision.sources !== undefined) ours.calls.add({ ...causeLabels(decision), outcome, route })
      const evidence = evidenceLabel(decision)
      if (evidence !== undefined) ours.evidence.add({ result: evidence, route, mode })
      if (direction === 'inbound') countVerifications(ours.verifications, decision)
      if (isShed(code)) ours.shed.add({ direction, code })
      if (decision.protocol !== undefined) active[direction].add(activeLabels(decision))
    },
    ended(decision, ending) {
      const { direction, protocol, route = '' } = decision
      const status = ending.status === undefined ? 'none' : `${Math.floor(ending.status / 100)}xx`
      ours.responses.add({ direction, status, code: ending.code ?? '' })
      const { repeated = 0 } = ending
      if (repeated > 0) ours.repeated.add({ direction, route }, repeated)
      if (protocol === undefined) return
      active[direction].add(activeLabels(decision), -1)
      durations[direction].record(ending.durationMs / 1000, durationLabels(decision, ending))
    },
  }
}

function countersOf(metrics: Metrics) {
  const request = '{request}'
  return {
    decisions: metrics.counter({
      name: 'onbehalf.decisions',
      unit: request,
      help: 'Requests decided, by outcome and refusal code.',
    }),
    calls: metrics.counter({
      name: 'onbehalf.outbound_calls',
      unit: request,
      help: 'Calls to routes, by what caused them, by which source said so, and by outcome.',
    }),
    evidence: metrics.counter({
      name: 'onbehalf.evidence',
      unit: request,
      help: 'Requests on behalf of a user, by what came of the evidence with them.',
    }),
    verifications: metrics.counter({
      name: 'onbehalf.verifications',
      unit: request,
      help: 'What was verified of inbound requests, by what it was and what came of it.',
    }),
    shed: metrics.counter({
      name: 'onbehalf.shed_requests',
      unit: request,
      help: 'Requests refused for the sake of the others, or since the sidecar is stopping.',
    }),
    responses: metrics.counter({
      name: 'onbehalf.responses',
      unit: request,
      help: 'Requests ended, by class of status and failure.',
    }),
    repeated: metrics.counter({
      name: 'onbehalf.repeated_requests',
      unit: request,
      help: 'Times that a request was sent to its upstream again.',
    }),
    unreadable: metrics.counter({
      name: 'onbehalf.unreadable_requests',
      unit: request,
      help: 'What arrived and was refused before it could be read as a request, by code.',
    }),
    faults: metrics.counter({
      name: 'onbehalf.internal_errors',
      unit: '{error}',
      help: 'Errors of the sidecar itself that nobody foresaw, by what they ended.',
    }),
  }
}

function activeLabels({ method, protocol }: Decision) {
  return { 'http.request.method': knownMethod(method), 'url.scheme': protocol?.scheme ?? 'http' }
}

function isShed(code: string): boolean {
  return code === 'overloaded' || code === 'draining' || code === 'session_unavailable'
}

const verified: ReadonlySet<Step['name']> = new Set(['certificate', 'assertion', 'original_user', 'evidence'])

type Verifications = ReturnType<typeof countersOf>['verifications']

function countVerifications(counter: Verifications, decision: Decision): void {
  if (decision.outcome === 'allowed') countVerified(counter, decision)
  else countRefused(counter, decision)
}

/** What is there was verified; without the steps, for this is done for each request. */
function countVerified(counter: Verifications, { certificate, caller, originalUser, chain }: Decision): void {
  if (certificate !== undefined) counter.add(verifiedLabels.certificate)
  if (caller !== undefined) counter.add(verifiedLabels.assertion)
  if (originalUser !== undefined) counter.add(verifiedLabels.original_user)
  if (chain !== undefined) counter.add(verifiedLabels.evidence)
}

const verifiedLabels = {
  certificate: { of: 'certificate', result: 'verified' },
  assertion: { of: 'assertion', result: 'verified' },
  original_user: { of: 'original_user', result: 'verified' },
  evidence: { of: 'evidence', result: 'verified' },
} as const

function countRefused(counter: Verifications, decision: Decision): void {
  for (const { name, result, found } of stepsOf(decision)) {
    if (!verified.has(name)) continue
    if (result === 'passed') counter.add({ of: name, result: 'verified' })
    if (result === 'refused') counter.add({ of: name, result: withoutPrefix(found, name) })
  }
}

/** `assertion_expired` of an assertion is `expired`. */
function withoutPrefix(code: string, name: string): string {
  const prefix = name === 'certificate' ? 'client_certificate_' : `${name}_`
  return code.startsWith(prefix) ? code.slice(prefix.length) : code
}

/** Of a request without an original user, or whose evidence nobody came to look at, nothing. */
function evidenceLabel({ direction, code, chain, caller, originalUser }: Decision): string | undefined {
  if (direction !== 'inbound') return undefined
  if (code === 'evidence_missing' || code === 'evidence_invalid') return code.slice('evidence_'.length)
  if (chain !== undefined) return 'verified'
  return originalUser !== undefined && caller?.kind === 'service_account' ? 'none' : undefined
}

/** What is not the client's to choose: of a call whose cause could not be told, why not. */
function causeLabels({ cause, code, source, sources = [] }: Decision) {
  const untold = code === 'original_user_lost' ? 'lost' : 'ambiguous'
  return { cause: cause ?? untold, source: source ?? sources[0]?.name ?? 'assertion' }
}
