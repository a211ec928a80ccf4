// Where a request stands in its trace, and its span in it. Without OpenTelemetry a trace is continued as it came.
import type { Decision } from '../../shared/decision.ts'
import type { HeaderList } from '../../shared/head.ts'
import type { TraceParent } from '../../shared/headers/trace-context.ts'
import type { Ending } from './ending.ts'

/** What is known of a request when its span begins. */
export interface TraceQuestion {
  readonly direction: Decision['direction']
  readonly method: string
  readonly headers: HeaderList
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number
  /** Of what it is a part, by its own `traceparent`. */
  readonly parent: TraceParent | undefined
  /** Outbound: the trace of the request that caused it, as its session has it. */
  readonly cause?: TraceParent | undefined
}

/** One request in its trace. */
export interface RequestTrace {
  /** What whoever comes next is told; undefined: the request is part of none, and starts none. */
  readonly context: TraceParent | undefined
  /** Whether the span that it names is ours. */
  readonly isOwnSpan: boolean
  /** What other formats than W3C's carry in it; names and values in turn, in place of what came. */
  readonly otherFormats?: (headers: HeaderList) => string[]
  end(decision: Decision, ending: Ending): void
}

export interface Tracing {
  begin(question: TraceQuestion): RequestTrace
  /** For a request to the app that is part of no trace: without one, an agent reads no trace context. */
  startTrace(): TraceParent
}

/** Nothing is recorded. */
export function createPassiveTracing(startTrace: () => TraceParent): Tracing {
  return {
    begin: ({ parent, cause }) => passive(parent ?? (cause && { ...cause, isContinued: false })),
    startTrace,
  }
}

export function passive(context: TraceParent | undefined): RequestTrace {
  return { context, isOwnSpan: false, end: nothing }
}

function nothing(): void {}

/** Of a request that nobody looked at. */
export const untraced: RequestTrace = passive(undefined)
