// What is used of OpenTelemetry's API; never loaded but by the files beside it.
export {
  diag,
  DiagLogLevel,
  logs,
  metrics,
  propagation,
  ROOT_CONTEXT,
  SamplingDecision,
  SeverityNumber,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
} from '@opentelemetry/api'
export type {
  Attributes,
  Context,
  DiagLogger,
  Link,
  Logger,
  Span,
  SpanContext,
  Tracer,
} from '@opentelemetry/api'
