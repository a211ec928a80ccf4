// What leaves the sidecar beside its log and /metrics: traces, metrics and logs by OTLP, and the audit.
import type { Mesh } from '../../shared/config/mesh.ts'
import type { Naming } from '../../shared/pseudonyms.ts'
import { openAudit, type Audit } from './audit.ts'
import type { OwnLog } from './log.ts'
import type { Metrics } from './metrics.ts'
import { addProcessMetrics } from './process-metrics.ts'
import { readSampling } from './sampling.ts'
import { readTelemetrySettings } from './telemetry-settings.ts'
import { createTraceStart } from './trace-start.ts'
import { createPassiveTracing, type Tracing } from './tracing.ts'

export interface Telemetry {
  readonly tracing: Tracing
  readonly audit: Audit
  /** To be called once all instruments are there. */
  exportMetrics(): void
  /** Sends what is still to be sent, within a bound. */
  close(): Promise<void>
}

export interface TelemetryOptions {
  readonly mesh: Mesh
  readonly metrics: Metrics
  readonly log: OwnLog
  readonly env: NodeJS.ProcessEnv
  readonly naming: () => Naming
}

/** @throws {Error} the audit's file cannot be written. */
export async function openTelemetry({
  mesh,
  metrics,
  log,
  env,
  naming,
}: TelemetryOptions): Promise<Telemetry> {
  const audit = await openAudit({ settings: mesh.audit, metrics, log })
  const endMeasuring = addProcessMetrics(metrics)
  metrics.observedCounter(
    {
      name: 'onbehalf.logs_suppressed',
      unit: '{line}',
      help: 'Log lines left out, since there were too many of their kind.',
    },
    () => [[{}, log.suppressed]],
  )
  const sampling = readSampling(env)
  const passive = createPassiveTracing(createTraceStart(sampling))
  const settings = readTelemetrySettings(env)
  const sdk =
    settings.traces || settings.metrics || settings.logs
      ? (await import('./otel/start.ts')).startOpenTelemetry({
          settings,
          service: mesh.service,
          env,
          log,
          naming,
          sampling,
          passive,
        })
      : undefined
  return {
    tracing: sdk?.tracing ?? passive,
    audit,
    exportMetrics: () => sdk?.exportMetrics(metrics),
    async close() {
      endMeasuring()
      await Promise.all([audit.close(), sdk?.shutdown()])
    },
  }
}
