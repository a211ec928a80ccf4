// A span for each request: begun where its trace is told to whoever comes next, ended from its decision's record.
import type { Decision } from '../../../shared/decision.ts'
import type { TraceParent } from '../../../shared/headers/trace-context.ts'
import type { Naming } from '../../../shared/pseudonyms.ts'
import { stepsOf } from '../../../shared/steps.ts'
import type { Ending } from '../ending.ts'
import { errorType, knownMethod } from '../semantic.ts'
import type { Sampling } from '../sampling.ts'
import type { TelemetrySettings } from '../telemetry-settings.ts'
import { passive as passOn, type RequestTrace, type TraceQuestion, type Tracing } from '../tracing.ts'
import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Attributes,
  type Context,
  type Span,
  type SpanContext,
  type Tracer,
} from './api.ts'
import { createFormats } from './formats.ts'

export interface SpanOptions {
  readonly tracer: Tracer
  readonly settings: TelemetrySettings
  readonly sampling: Sampling
  readonly naming: () => Naming
  readonly passive: Tracing
}

export function createSpans({ tracer, settings, sampling, naming, passive }: SpanOptions): Tracing {
  const formats = createFormats(settings.otherFormats)
  return {
    startTrace: () => passive.startTrace(),
    begin(question) {
      const came = question.parent ?? formats?.read(question.headers)
      const parent = came ?? question.cause
      const isContinued = question.parent !== undefined
      // Of what is not to be recorded nothing is made.
      if (parent === undefined) {
        const start = passive.startTrace()
        if (!start.isSampled) return passOn(start)
      } else if (sampling.isParentBased) {
        if (!parent.isSampled) return passive.begin(question)
      } else if (!sampling.isSampled(parent.traceId)) {
        return passOn({ ...parent, isSampled: false, isContinued })
      }
      const span = startSpan(tracer, question, parent)
      const { traceId, spanId } = span.spanContext()
      const context: TraceParent = { traceId, spanId, isSampled: true, isContinued }
      return {
        context,
        isOwnSpan: true,
        ...(formats === undefined
          ? undefined
          : { otherFormats: (headers) => formats.write(headers, context) }),
        end: (decision, ending) => endSpan(span, { decision, ending, naming: naming(), question }),
      } satisfies RequestTrace
    },
  }
}

function startSpan(tracer: Tracer, question: TraceQuestion, parent: TraceParent | undefined): Span {
  const { direction, method, startedAtMs, cause } = question
  const isRestarted = cause !== undefined && cause.traceId !== parent?.traceId
  return tracer.startSpan(
    knownMethod(method),
    {
      kind: direction === 'inbound' ? SpanKind.SERVER : SpanKind.CLIENT,
      startTime: startedAtMs,
      links: isRestarted ? [{ context: spanContextOf(cause) }] : [],
    },
    contextOf(parent),
  )
}

function contextOf(parent: TraceParent | undefined): Context {
  return parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, spanContextOf(parent))
}

function spanContextOf({ traceId, spanId, isSampled }: TraceParent): SpanContext {
  const traceFlags = isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE
  return { traceId, spanId, traceFlags, isRemote: true }
}

interface Ended {
  readonly decision: Decision
  readonly ending: Ending
  readonly naming: Naming
  readonly question: TraceQuestion
}

function endSpan(span: Span, ended: Ended): void {
  const { decision, ending, question } = ended
  const type = errorType(decision, ending)
  span.setAttributes({
    ...requestAttributes(decision, ending),
    ...identityAttributes(ended),
    'error.type': type,
  })
  for (const { name, result, found } of stepsOf(decision)) {
    if (result !== 'passed' && result !== 'refused') continue
    const code = result === 'refused' ? found : undefined
    span.addEvent(`onbehalf.${name}`, { 'onbehalf.result': result, 'onbehalf.code': code }, decision.atMs)
  }
  if (type !== undefined)
    span.setStatus({ code: SpanStatusCode.ERROR, message: ending.code ?? decision.code ?? '' })
  span.end(question.startedAtMs + ending.durationMs)
}

/** Paths without their query, where secrets travel. */
function requestAttributes(decision: Decision, { status, repeated = 0 }: Ending): Attributes {
  const { direction, method, protocol, host, port, path, peer } = decision
  const scheme = protocol?.scheme ?? 'http'
  const known = knownMethod(method)
  const authority = port === undefined ? host : `${host}:${port}`
  const common: Attributes = {
    'http.request.method': known,
    'http.request.method_original': known === method ? undefined : method.slice(0, 64),
    'http.response.status_code': status,
    'server.address': host,
    'server.port': port ?? (scheme === 'https' ? 443 : 80),
    'url.scheme': scheme,
  }
  return direction === 'inbound'
    ? {
        ...common,
        'url.path': path,
        'client.address': peer,
        'network.peer.address': peer,
        'network.protocol.version': protocol?.version,
      }
    : {
        ...common,
        'url.full': `${scheme}://${authority}${path}`,
        'http.request.resend_count': repeated > 0 ? repeated : undefined,
      }
}

function identityAttributes({ decision, naming }: Ended): Attributes {
  const { caller, originalUser } = decision
  const user = originalUser ?? (caller?.kind === 'user' ? caller : undefined)
  return {
    'onbehalf.request_id': decision.requestId,
    'onbehalf.outcome': decision.outcome,
    'onbehalf.code': decision.code,
    'onbehalf.route': decision.route,
    'onbehalf.mode': decision.mode === 'report' ? 'report' : undefined,
    'onbehalf.caller': caller?.kind === 'service_account' ? caller.subject : caller?.kind,
    'onbehalf.chain': decision.chain === undefined ? undefined : [...decision.chain],
    'onbehalf.txn': decision.txn,
    'onbehalf.cause': decision.cause,
    'onbehalf.source': decision.source,
    [naming.isPlain ? 'enduser.id' : 'enduser.pseudo.id']: user && naming.idOf(user),
  }
}
