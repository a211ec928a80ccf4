// Starts OpenTelemetry's SDK for the signals that are to be exported, and stops it again within a bound.
import { NodeSDK } from '@opentelemetry/sdk-node'
import type { LogLevel } from '../../../shared/config/mesh.ts'
import type { Naming } from '../../../shared/pseudonyms.ts'
import { version } from '../../version.ts'
import type { OwnLog } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Sampling } from '../sampling.ts'
import { givenAttributes, resourceAttributes, type TelemetrySettings } from '../telemetry-settings.ts'
import type { Tracing } from '../tracing.ts'
import { diag, DiagLogLevel, logs, metrics, SamplingDecision, trace, type DiagLogger } from './api.ts'
import { exportLogs } from './logs.ts'
import { exportMetrics } from './metrics.ts'
import { createSpans } from './spans.ts'

/** What is still to be sent when the sidecar stops has so long. */
const shutdownMs = 3_000

export interface OpenTelemetryOptions {
  readonly settings: TelemetrySettings
  readonly service: string
  readonly env: NodeJS.ProcessEnv
  readonly log: OwnLog
  readonly naming: () => Naming
  readonly sampling: Sampling
  /** For what is not traced. */
  readonly passive: Tracing
}

export interface OpenTelemetry {
  readonly tracing: Tracing
  /** To be called once all instruments are there. */
  exportMetrics(from: Metrics): void
  shutdown(): Promise<void>
}

export function startOpenTelemetry(options: OpenTelemetryOptions): OpenTelemetry {
  const { settings, service, env, log, naming, sampling, passive } = options
  diag.setLogger(diagnostics(log), { logLevel: diagnosticsLevel(env) })
  if (givenAttributes(env) === undefined) {
    log.write(
      'warn',
      'OTEL_RESOURCE_ATTRIBUTES cannot be read, and does not count: it must be name=value,…',
      {},
    )
  }
  if (settings.traces && sampling.fault !== undefined) log.write('warn', sampling.fault, {})
  const sdk = startSdk(settings, resourceAttributes(service, version, env))
  if (settings.logs) exportLogs(log, logs.getLogger('onbehalf', version))
  const tracer = trace.getTracer('onbehalf', version)
  return {
    tracing: settings.traces ? createSpans({ tracer, settings, sampling, naming, passive }) : passive,
    exportMetrics(from) {
      if (settings.metrics) exportMetrics(from, metrics.getMeter('onbehalf', version))
    },
    shutdown: () => withinBound(sdk.shutdown(), log),
  }
}

/** The SDK takes nearly all from the environment, of which it is told what it cannot know. */
function startSdk(settings: TelemetrySettings, attributes: Readonly<Record<string, string>>): NodeSDK {
  const pairs = Object.entries(attributes).map((pair) => pair.map(encodeURIComponent).join('='))
  process.env['OTEL_RESOURCE_ATTRIBUTES'] = pairs.join(',')
  // Not the process: its command line is nobody's business.
  process.env['OTEL_NODE_RESOURCE_DETECTORS'] ??= 'env,host,serviceinstance'
  const sdk = new NodeSDK({
    // A span is begun only where it is to be recorded.
    sampler: { shouldSample: () => ({ decision: SamplingDecision.RECORD_AND_SAMPLED }) },
    ...(settings.traces ? undefined : { spanProcessors: [] }),
    ...(settings.metrics ? undefined : { metricReaders: [] }),
    ...(settings.logs ? undefined : { logRecordProcessors: [] }),
  })
  sdk.start()
  return sdk
}

const maxDiagnosticLength = 300

/** What the SDK has to say, such as that a collector does not answer. */
function diagnostics(log: OwnLog): DiagLogger {
  const at = (level: LogLevel) => (message: string) =>
    log.write(level, 'telemetry', { cause: wordsOf(message).slice(0, maxDiagnosticLength) })
  const debug = at('debug')
  return { error: at('warn'), warn: at('warn'), info: at('info'), debug, verbose: debug }
}

/** Errors come as JSON, with their stack. */
function wordsOf(message: string): string {
  return /"message":"((?:[^"\\]|\\.)*)"/.exec(message)?.[1] ?? message
}

/** The SDK would write to standard output by itself where it finds OTEL_LOG_LEVEL. */
function diagnosticsLevel(env: NodeJS.ProcessEnv): DiagLogLevel {
  const name = (env['OTEL_LOG_LEVEL'] ?? '').trim().toUpperCase()
  delete process.env['OTEL_LOG_LEVEL']
  return name in DiagLogLevel ? DiagLogLevel[name as keyof typeof DiagLogLevel] : DiagLogLevel.WARN
}

async function withinBound(done: Promise<void>, log: OwnLog): Promise<void> {
  const late = Promise.withResolvers<'late'>()
  const timer = setTimeout(() => late.resolve('late'), shutdownMs)
  const outcome = await Promise.race([done.catch(() => 'failed' as const), late.promise])
  clearTimeout(timer)
  if (outcome !== undefined) log.write('warn', 'telemetry that was not sent is lost', { outcome })
}
