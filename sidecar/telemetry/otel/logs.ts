// Log lines as OpenTelemetry's log records, tied to the span that they are about.
import type { LogLevel } from '../../../shared/config/mesh.ts'
import type { LogFields, OwnLog } from '../log.ts'
import { ROOT_CONTEXT, SeverityNumber, trace, TraceFlags, type Attributes, type Logger } from './api.ts'

const severities: Readonly<Record<LogLevel, SeverityNumber>> = {
  debug: SeverityNumber.DEBUG,
  info: SeverityNumber.INFO,
  warn: SeverityNumber.WARN,
  error: SeverityNumber.ERROR,
}

export function exportLogs(log: OwnLog, logger: Logger): void {
  log.listen((level, message, fields, atMs) => {
    // What the exporter itself has to say would come back to it.
    if (message === 'telemetry') return
    logger.emit({
      timestamp: atMs,
      severityNumber: severities[level],
      severityText: level.toUpperCase(),
      body: message,
      attributes: attributesOf(fields),
      context: contextOf(fields),
    })
  })
}

/** As in the line, but for what a log record has a place of its own for. */
function attributesOf({
  trace_id: _trace,
  span_id: _span,
  trace_flags: _flags,
  ...fields
}: LogFields): Attributes {
  return Object.fromEntries(
    Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [
        name,
        typeof value === 'number' || typeof value === 'boolean' ? value : textOf(value),
      ]),
  )
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function contextOf({ trace_id: traceId, span_id: spanId, trace_flags: flags }: LogFields) {
  if (typeof traceId !== 'string' || typeof spanId !== 'string') return ROOT_CONTEXT
  const traceFlags = flags === '01' ? TraceFlags.SAMPLED : TraceFlags.NONE
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags })
}
