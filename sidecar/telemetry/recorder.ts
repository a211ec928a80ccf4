// Takes each decision once, and derives from it all that is seen of it: ring, log, access log, audit, metrics, edges.
import { causesOf, isAbout, type Decision } from '../../shared/decision.ts'
import type { Refusal } from '../../shared/errors.ts'
import type { Mesh } from '../../shared/config/mesh.ts'
import { nameOf, type Naming } from '../../shared/pseudonyms.ts'
import type { Audit } from './audit.ts'
import type { Ending } from './ending.ts'
import {
  describeError,
  describeStack,
  jsonLine,
  textLine,
  type Log,
  type LogFields,
  type LogOutput,
} from './log.ts'
import type { Metrics } from './metrics.ts'
import { createRequestMetrics, type RequestMetrics } from './request-metrics.ts'
import type { Traffic } from './traffic.ts'

const maxDecisions = 1_000

export interface RecorderOptions {
  readonly log: Log
  readonly metrics: Metrics
  readonly access: () => Mesh['log']['access']
  readonly output: LogOutput
  readonly naming: () => Naming
  readonly audit: Audit
  readonly traffic: Traffic
}

export class Recorder {
  readonly #options: RecorderOptions
  readonly #ring: Decision[] = []
  readonly #watchers = new Set<(decision: Decision) => void>()
  readonly #metrics: RequestMetrics
  #next = 0

  constructor(options: RecorderOptions) {
    this.#options = options
    this.#metrics = createRequestMetrics(options.metrics)
  }

  /** What arrived and is no request: there is nothing to decide. */
  unreadable(direction: Decision['direction'], refusal: Refusal, peer: string, requestId: string): void {
    this.#metrics.unreadable(direction, refusal.code)
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

  /** An error of our own, which nobody foresaw; `ended` is what it has ended. */
  fault(ended: 'connection' | 'request', error: unknown): void {
    this.#metrics.fault(ended)
    this.#options.log.write('error', 'the sidecar itself failed', {
      ended,
      cause: describeError(error),
      stack: describeStack(error),
    })
  }

  decided(decision: Decision): void {
    this.#ring[this.#next] = decision
    this.#next = (this.#next + 1) % maxDecisions
    this.#metrics.decided(decision)
    const { log, audit, naming } = this.#options
    audit.write(decision, naming())
    if (decision.outcome === 'refused') log.write('warn', 'refused', this.#fields(decision))
    else if (log.level === 'debug') log.write('debug', 'allowed', this.#fields(decision))
    for (const watcher of this.#watchers) watcher(decision)
  }

  ended(decision: Decision, ending: Ending): void {
    this.#metrics.ended(decision, ending)
    this.#options.traffic.count(decision, ending)
    if (ending.code !== undefined) {
      const { status, error, code } = ending
      this.#options.log.write('warn', 'failed', { ...this.#fields(decision), code, status, cause: error })
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

  /** Tells of each decision from now on. @returns what ends it. */
  watch(watcher: (decision: Decision) => void): () => void {
    this.#watchers.add(watcher)
    return () => void this.#watchers.delete(watcher)
  }

  #fields(decision: Decision): LogFields {
    return logFields(decision, this.#options.naming())
  }

  #writeAccess(decision: Decision, ending: Ending): void {
    const access = this.#options.access()
    if (access === 'off') return
    const format = access === 'json' ? jsonLine : textLine
    const fields = {
      ...this.#fields(decision),
      status: ending.status,
      duration_ms: Math.round(ending.durationMs * 10) / 10,
      repeated: ending.repeated || undefined,
    }
    this.#options.output.write(format(new Date(decision.atMs), 'info', 'access', fields))
  }
}

/** One spelling of a decision's fields, for every log. */
export function logFields(decision: Decision, naming: Naming): LogFields {
  const { caller, originalUser, isSampled } = decision
  return {
    request_id: decision.requestId,
    trace_id: decision.traceId,
    span_id: decision.spanId,
    trace_flags: isSampled === undefined ? undefined : `0${isSampled ? 1 : 0}`,
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
    caller: caller && nameOf(caller, naming),
    original_user: originalUser && nameOf(originalUser, naming),
    chain: decision.chain?.join(' '),
    txn: decision.txn,
    source: decision.source,
    sources: decision.sources?.map(({ name, says }) => `${name}=${says}`).join(' ') || undefined,
    caused_by: causesOf(decision)[0],
    mode: decision.mode === 'report' ? 'report' : undefined,
  }
}
