// The OTEL_* variables that the sidecar gets: those by which the app exports, and which pod it is.
import type { Container, EnvironmentVariable } from './pod.ts'

/** Where and how to export; not what an app's agent instruments, nor under which name the app goes. */
const isPassed = (name: string) =>
  /^OTEL_(EXPORTER|TRACES|METRICS|METRIC_EXPORT|LOGS|BSP|BLRP|PROPAGATORS$|SDK_DISABLED$)/.test(name)

const namesFile = /_(CERTIFICATE|CLIENT_KEY)$/

/** `$(NAME)` stands for a variable of that container, and a file is one of its own. */
function isBound({ name, value }: EnvironmentVariable): boolean {
  return namesFile.test(name) || value?.includes('$(') === true
}

export interface Passed {
  readonly variables: readonly EnvironmentVariable[]
  readonly warnings: readonly string[]
}

/** Those of the first container that has some; the settings' where none has. */
export function telemetryVariables(
  containers: readonly Container[],
  common: readonly EnvironmentVariable[],
): Passed {
  const source = containers.find(({ env }) => env?.some(({ name }) => isPassed(name)) === true)
  const own = (source?.env ?? []).filter(({ name }) => isPassed(name))
  const [bound, free] = partition(own, isBound)
  const names = new Set(own.map(({ name }) => name))
  const variables = [...common.filter(({ name }) => !names.has(name)), ...free]
  const warnings = bound.map(({ name }) =>
    namesFile.test(name)
      ? `container ${source?.name}: ${name} names a file of the container, so the sidecar does not get it`
      : `container ${source?.name}: ${name} refers to other variables, so the sidecar does not get it; write it out, or set it for the injector`,
  )
  return { variables: variables.length === 0 ? [] : [...place, ...variables], warnings }
}

function partition<T>(items: readonly T[], test: (item: T) => boolean): [T[], T[]] {
  return [items.filter(test), items.filter((item) => !test(item))]
}

const fromField = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } })

const place: readonly EnvironmentVariable[] = [
  fromField('POD_NAME', 'metadata.name'),
  fromField('POD_NAMESPACE', 'metadata.namespace'),
  fromField('NODE_NAME', 'spec.nodeName'),
  {
    name: 'OTEL_RESOURCE_ATTRIBUTES',
    value:
      'k8s.namespace.name=$(POD_NAMESPACE),k8s.pod.name=$(POD_NAME),k8s.node.name=$(NODE_NAME),k8s.container.name=onbehalf',
  },
]
