// Takes each decision once, and derives from it all that is seen of it: ring, log, access log, counters.
import { causesOf, isAbout, type Decision } from '../../shared/decision.ts'
import type { Refusal, RefusalCode } from '../../shared/errors.ts'
import type { Mesh } from '../../shared/config/mesh.ts'
import { describeError, jsonLine, textLine, type Log, type LogFields, type LogOutput } from './log.ts'
import type { Counter, Metrics } from './metrics.ts'

const maxDecisions = 1_000

/** How a request ended, after its decision. */
export interface Ending {
  /** The status sent; undefined where the client left before. */
  readonly status: number | undefined
  readonly durationMs: number
  /** How often it was sent to the upstream again. */
  readonly repeated?: number
  /** A failure after the decision: the upstream's, or a limit. */
  readonly code?: RefusalCode
  /** For the log alone. */
  readonly error?: string
}

export interface RecorderOptions {
  readonly log: Log
  readonly metrics: Metrics
  readonly access: () => Mesh['log']['access']
  readonly output: LogOutput
}

export class Recorder {
  readonly #options: RecorderOptions
  readonly #ring: Decision[] = []
  #next = 0
  readonly #requests: Counter
  readonly #sources: Counter
  readonly #evidence: Counter
  readonly #ended: Counter
  readonly #repeated: Counter
  readonly #unreadable: Counter

  constructor(options: RecorderOptions) {
    this.#options = options
    const { metrics } = options
    this.#requests = metrics.counter(
      'onbehalf_decisions_total',
      'Requests decided, by outcome and refusal code.',
    )
    this.#sources = metrics.counter(
      'onbehalf_outbound_calls_total',
      'Calls to routes, by what caused them, by which source said so, and by outcome.',
    )
    this.#evidence = metrics.counter(
      'onbehalf_evidence_total',
      'Requests on behalf of a user, by what came of the evidence with them.',
    )
    this.#ended = metrics.counter(
      'onbehalf_responses_total',
      'Requests ended, by class of status and failure.',
    )
    this.#repeated = metrics.counter(
      'onbehalf_repeated_requests_total',
      'Times that a request was sent to its upstream again.',
    )
    this.#unreadable = metrics.counter(
      'onbehalf_unreadable_requests_total',
      'What arrived and was refused before it could be read as a request, by code.',
    )
  }

  /** What arrived and is no request: there is nothing to decide. */
  unreadable(direction: Decision['direction'], refusal: Refusal, peer: string, requestId: string): void {
    this.#unreadable.add({ direction, code: refusal.code })
    const { code, message, cause } = refusal
    this.#options.log.write('info', 'unreadable request', {
      direction,
      code,
      reason: message,
      ...(cause === undefined ? undefined : { cause: describeError(cause) }),
      peer,
      request_id: requestId,
    })
  }

  decided(decision: Decision): void {
    this.#ring[this.#next] = decision
    this.#next = (this.#next + 1) % maxDecisions
    const { direction, outcome, code = '', route = '', mode } = decision
    this.#requests.add({ direction, outcome, code, route, mode })
    if (decision.sources !== undefined) this.#sources.add({ ...causeLabels(decision), outcome, route })
    const evidence = evidenceLabel(decision)
    if (evidence !== undefined) this.#evidence.add({ result: evidence, route, mode })
    const { log } = this.#options
    if (outcome === 'refused') log.write('warn', 'refused', logFields(decision))
    else if (log.level === 'debug') log.write('debug', 'allowed', logFields(decision))
  }

  ended(decision: Decision, ending: Ending): void {
    const { direction } = decision
    const status = ending.status === undefined ? 'none' : `${Math.floor(ending.status / 100)}xx`
    this.#ended.add({ direction, status, code: ending.code ?? '' })
    const { repeated = 0 } = ending
    if (repeated > 0) this.#repeated.add({ direction, route: decision.route ?? '' }, repeated)
    if (ending.code !== undefined) {
      const { status: sent, error, code } = ending
      this.#options.log.write('warn', 'failed', { ...logFields(decision), code, status: sent, cause: error })
    }
    this.#writeAccess(decision, ending)
  }

  /**
   * Those of the last decisions that an id is about, the calls that those requests caused, also where an app carries no
   * trace into them, and what caused those calls; newest first.
   */
  about(id: string): readonly Decision[] {
    const all = this.recent()
    const asked = new Set(all.filter((decision) => isAbout(decision, id)).map(({ requestId }) => requestId))
    const found = all.filter(
      (decision) => asked.has(decision.requestId) || causesOf(decision).some((cause) => asked.has(cause)),
    )
    const wanted = new Set(found.flatMap((decision) => [decision.requestId, ...causesOf(decision)]))
    return all.filter(({ requestId }) => wanted.has(requestId))
  }

  /** The last decisions, newest first. */
  recent(): readonly Decision[] {
    const { length } = this.#ring
    return Array.from(
      { length },
      (_, i) => this.#ring[(this.#next - 1 - i + 2 * length) % length] as Decision,
    )
  }

  #writeAccess(decision: Decision, ending: Ending): void {
    const access = this.#options.access()
    if (access === 'off') return
    const format = access === 'json' ? jsonLine : textLine
    const fields = {
      ...logFields(decision),
      status: ending.status,
      duration_ms: Math.round(ending.durationMs * 10) / 10,
      repeated: ending.repeated || undefined,
    }
    this.#options.output.write(format(new Date(decision.atMs), 'info', 'access', fields))
  }
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

/** One spelling of a decision's fields, for every log. */
export function logFields(decision: Decision): LogFields {
  const { caller, originalUser } = decision
  return {
    request_id: decision.requestId,
    trace_id: decision.traceId,
    direction: decision.direction,
    outcome: decision.outcome,
    code: decision.code,
    reason: decision.reason,
    detail: decision.detail,
    method: decision.method,
    host: decision.host,
    path: decision.path,
    route: decision.route,
    peer: decision.peer,
    certificate: decision.certificate,
    caller: caller === undefined ? undefined : `${caller.issuer}/${caller.subject}`,
    original_user: originalUser === undefined ? undefined : `${originalUser.issuer}/${originalUser.subject}`,
    chain: decision.chain?.join(' '),
    txn: decision.txn,
    source: decision.source,
    sources: decision.sources?.map(({ name, says }) => `${name}=${says}`).join(' ') || undefined,
    caused_by: causesOf(decision)[0],
    mode: decision.mode === 'report' ? 'report' : undefined,
  }
}
