// The OTEL_* variables that the sidecar gets: those by which the app exports, with what they refer to, and which pod it is.
import type { Container, EnvironmentVariable } from './pod.ts'
import { carry } from './references.ts'

/** Where and how to export; not what an app's agent instruments, nor under which name the app goes. */
const isPassed = (name: string) =>
  /^OTEL_(EXPORTER|TRACES|METRICS|METRIC_EXPORT|LOGS|BSP|BLRP|PROPAGATORS$|SDK_DISABLED$)/.test(name)

const namesFile = /_(CERTIFICATE|CLIENT_KEY)$/

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
  const { variables: own, left } = carry(source?.env ?? [], (name) => isPassed(name) && !namesFile.test(name))
  const given = (source?.env ?? []).map(({ name }) => name).filter(isPassed)
  const variables = [...common.filter(({ name }) => !given.includes(name)), ...own]
  const files = given.filter((name) => namesFile.test(name))
  const warnings = [
    ...files.map((name) => `${name} names a file of the container, so the sidecar does not get it`),
    ...left.map(({ name, missing }) => `${name} ${whyLeft(name, missing)}`),
  ].map((warning) => `container ${source?.name}: ${warning}`)
  return { variables: variables.length === 0 ? [] : [...place, ...variables], warnings }
}

function whyLeft(name: string, missing: string): string {
  const what =
    name === missing ? 'is the container’s alone' : `refers to ${missing}, which is the container’s alone`
  return `${what}, so the sidecar does not get it; write it out`
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
