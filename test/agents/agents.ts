// The agents beside which an app runs, each loaded as its documentation says for apps whose code is not touched.

export interface Agent {
  /** As in the table of the documentation. */
  readonly name: string
  /** Of Node, before the app's own. */
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Which of the two places an agent can carry a handle in it does carry. */
  readonly carries: 'both' | 'tracestate' | 'baggage' | 'neither'
  /** Calls that gather before a gRPC channel is open all leave in the context of the first. */
  readonly mixesColdChannels?: true
}

/** Nobody listens there: what an agent would report goes nowhere. */
const nowhere = 'http://127.0.0.1:9'

function openTelemetry(name: string, carries: Agent['carries'], env: Agent['env'] = {}): Agent {
  return {
    name,
    args: ['--require', '@opentelemetry/auto-instrumentations-node/register'],
    env: {
      OTEL_TRACES_EXPORTER: 'none',
      OTEL_METRICS_EXPORTER: 'none',
      OTEL_LOGS_EXPORTER: 'none',
      OTEL_NODE_RESOURCE_DETECTORS: 'none',
      ...env,
    },
    carries,
  }
}

/** OpenTelemetry as it comes. */
export const plainOpenTelemetry = openTelemetry('OpenTelemetry', 'both')

/** Whether and what OpenTelemetry samples; none of it changes what it carries. */
export const samplers: readonly Agent[] = [
  openTelemetry('OpenTelemetry, sampler `always_off`', 'both', { OTEL_TRACES_SAMPLER: 'always_off' }),
  openTelemetry('OpenTelemetry, sampler `traceidratio` 0.1', 'both', {
    OTEL_TRACES_SAMPLER: 'traceidratio',
    OTEL_TRACES_SAMPLER_ARG: '0.1',
  }),
]

/** The settings that do change it. */
export const propagators: readonly Agent[] = [
  openTelemetry('OpenTelemetry, propagators `tracecontext`', 'tracestate', {
    OTEL_PROPAGATORS: 'tracecontext',
  }),
  openTelemetry('OpenTelemetry, propagators `b3,baggage`', 'baggage', { OTEL_PROPAGATORS: 'b3,baggage' }),
  openTelemetry('OpenTelemetry, propagators `b3`', 'neither', { OTEL_PROPAGATORS: 'b3' }),
  openTelemetry('OpenTelemetry, propagators `none`', 'neither', { OTEL_PROPAGATORS: 'none' }),
]

export const datadog: Agent = {
  name: 'dd-trace',
  args: ['--require', 'dd-trace/init'],
  env: {
    DD_TRACE_AGENT_URL: nowhere,
    DD_INSTRUMENTATION_TELEMETRY_ENABLED: 'false',
    DD_REMOTE_CONFIGURATION_ENABLED: 'false',
  },
  carries: 'both',
  mixesColdChannels: true,
}

export const elastic: Agent = {
  name: 'Elastic APM',
  args: ['--require', 'elastic-apm-node/start'],
  env: { ELASTIC_APM_DISABLE_SEND: 'true', ELASTIC_APM_LOG_LEVEL: 'off' },
  carries: 'tracestate',
  mixesColdChannels: true,
}

export const sentry: Agent = {
  name: 'Sentry alone',
  args: ['--import', './agents/sentry.mjs'],
  env: {},
  carries: 'neither',
}

export const none: Agent = { name: 'no agent', args: [], env: {}, carries: 'neither' }

/** In the order of the table. */
export const agents: readonly Agent[] = [
  plainOpenTelemetry,
  ...samplers,
  ...propagators,
  datadog,
  elastic,
  sentry,
  none,
]
