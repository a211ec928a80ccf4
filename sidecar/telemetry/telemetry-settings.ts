// Which signals go out by OTLP, and as whom: read from the variables that OpenTelemetry defines.

export interface TelemetrySettings {
  readonly traces: boolean
  readonly metrics: boolean
  readonly logs: boolean
  /** What OTEL_PROPAGATORS names beside W3C's formats, which are always on. */
  readonly otherFormats: readonly string[]
}

const signals = { traces: 'TRACES', metrics: 'METRICS', logs: 'LOGS' } as const

/**
 * A signal is exported where its exporter is named, or an endpoint that takes it is; else nothing is loaded and nothing
 * is sent. OTEL_SDK_DISABLED turns all off, `none` one of them.
 */
export function readTelemetrySettings(env: NodeJS.ProcessEnv): TelemetrySettings {
  const value = (name: string) => (env[name] ?? '').trim()
  const isOff = value('OTEL_SDK_DISABLED').toLowerCase() === 'true'
  const isOn = (signal: keyof typeof signals): boolean => {
    const exporter = value(`OTEL_${signals[signal]}_EXPORTER`)
    if (isOff || exporter === 'none') return false
    if (exporter !== '') return true
    return ['OTEL_EXPORTER_OTLP_ENDPOINT', `OTEL_EXPORTER_OTLP_${signals[signal]}_ENDPOINT`].some(
      (name) => value(name) !== '',
    )
  }
  return {
    traces: isOn('traces'),
    metrics: isOn('metrics'),
    logs: isOn('logs'),
    otherFormats: value('OTEL_PROPAGATORS')
      .split(',')
      .map((name) => name.trim())
      .filter((name) => !['', 'none', 'tracecontext', 'baggage'].includes(name)),
  }
}

/** What a pod's environment says of where it is (OpenTelemetry's conventions for Kubernetes). */
export function kubernetesAttributes(env: NodeJS.ProcessEnv): Record<string, string> {
  if ((env['KUBERNETES_SERVICE_HOST'] ?? '') === '') return {}
  const attributes = {
    // A pod's host name is its own, unless it is given another one.
    'k8s.pod.name': env['POD_NAME'] ?? env['HOSTNAME'],
    'k8s.pod.uid': env['POD_UID'],
    'k8s.namespace.name': env['POD_NAMESPACE'],
    'k8s.node.name': env['NODE_NAME'],
    'k8s.container.name': env['CONTAINER_NAME'],
  }
  return Object.fromEntries(
    Object.entries(attributes).filter((entry): entry is [string, string] => (entry[1] ?? '') !== ''),
  )
}

/**
 * What OTEL_RESOURCE_ATTRIBUTES says. The SDK takes nothing at all of a value of which one pair cannot be read, and so
 * would not take ours beside it.
 * @returns undefined where it cannot be read.
 */
export function givenAttributes(env: NodeJS.ProcessEnv): Readonly<Record<string, string>> | undefined {
  const pairs = (env['OTEL_RESOURCE_ATTRIBUTES'] ?? '').split(',').filter((pair) => pair.trim() !== '')
  const attributes = pairs.map(readAttribute)
  return attributes.every((entry) => entry !== undefined) ? Object.fromEntries(attributes) : undefined
}

const maxAttributeLength = 255

function readAttribute(pair: string): [string, string] | undefined {
  const [name, value, ...more] = pair.split('=').map((part) => decoded(part.trim()))
  if (name === undefined || value === undefined || name === '' || more.length > 0) return undefined
  return Math.max(name.length, value.length) > maxAttributeLength ? undefined : [name, value]
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** What is said of this sidecar: what is given, and what it is where nothing else is said. OTEL_SERVICE_NAME comes first. */
export function resourceAttributes(
  service: string,
  version: string,
  env: NodeJS.ProcessEnv,
): Record<string, string> {
  return {
    'service.name': service,
    'onbehalf.version': version,
    ...kubernetesAttributes(env),
    ...givenAttributes(env),
  }
}
