// What becomes of a pod: the containers and volumes that are added, what changes in the app's own, and what stands against it.
import { posix } from 'node:path'
import { addToApp, hiddenProxies, otherProxies } from './app-containers.ts'
import type { Wishes } from './annotations.ts'
import { findAppPort } from './app-port.ts'
import { places } from './names.ts'
import { pointer, type Operation } from './patch.ts'
import type { Container, EnvironmentVariable, PodSpec, PodTemplate } from './pod.ts'
import { rewriteProbes, type Questions } from './probes.ts'
import { redirectContainer } from './redirect-container.ts'
import { resourceProblems, resourceWarnings } from './resources.ts'
import type { Settings } from './settings.ts'
import { drainSeconds, sidecarContainer } from './sidecar-container.ts'
import { telemetryVariables } from './telemetry-variables.ts'
import { volumesFor } from './volumes.ts'

export interface Plan extends Pick<Settings, 'sidecar' | 'intercept'> {
  readonly version: string
  readonly sidecarContainer: Container
  readonly redirect: Container | undefined
  readonly volumes: ReturnType<typeof volumesFor>
  readonly appOperations: readonly Operation[]
  readonly warnings: readonly string[]
  readonly problems: readonly string[]
}

export function makePlan({ metadata, spec }: PodTemplate, settings: Settings, wishes: Wishes): Plan {
  const intercept = wishes.intercept ?? settings.intercept
  const form = wishes.sidecar ?? settings.sidecar
  const certificate = wishes.certificate ?? settings.certificate
  const service = wishes.service ?? metadata?.labels?.['app.kubernetes.io/name']
  const preloaded = preloadedContainers(spec, wishes)
  const app = findAppPort(spec, wishes)
  const probes = wishes['rewrite-probes'] === false ? noProbes : rewriteAll(spec, wishes)
  const telemetry = telemetryVariables(spec.containers, settings.environment)
  const isProxied = wishes.proxy ?? intercept === 'none'
  const volumes = volumesFor({
    mesh: wishes.mesh ?? settings.mesh,
    certificate,
    secrets: wishes.secrets ?? [],
    tokenAudience: wishes['token-audience'],
    preload: preloaded.names.size > 0,
  })
  const additions = spec.containers.flatMap((container, i) =>
    addToApp(container, pointer('spec', 'containers', i), {
      preload: preloaded.names.has(container.name),
      proxy: isProxied,
      hold: wishes['hold-app'] ?? true,
    }),
  )
  return {
    sidecar: form,
    intercept,
    version: settings.version,
    sidecarContainer: sidecarContainer({
      image: settings.image,
      form,
      service: service ?? '',
      appPort: app.port,
      hasCertificate: certificate.kind !== 'none',
      wishes,
      spec,
      questions: probes.questions,
      telemetry: telemetry.variables,
      mounts: volumes.map(({ mount }) => mount),
      preload: preloaded.names.size > 0,
    }),
    redirect: intercept === 'redirect' ? redirectContainer(settings.redirectImage, wishes, spec) : undefined,
    volumes,
    appOperations: [...probes.operations, ...additions],
    warnings: [
      ...telemetry.warnings,
      ...app.warnings,
      ...preloaded.warnings,
      ...(isProxied
        ? [...spec.containers.flatMap(otherProxies), ...spec.containers.flatMap(hiddenProxies)]
        : []),
      ...graceWarnings(spec, wishes),
      ...resourceWarnings(wishes),
    ],
    problems: [
      ...(service === undefined
        ? [
            'annotation onbehalf.dev/service: is missing, and there is no label app.kubernetes.io/name: name the service of the mesh file, or leave the pod out by onbehalf.dev/inject: "false"',
          ]
        : []),
      ...app.problems,
      ...preloaded.problems,
      ...probes.problems,
      ...resourceProblems(wishes),
    ],
  }
}

const noProbes = { operations: [], questions: {}, problems: [] }

function rewriteAll(spec: PodSpec, wishes: Wishes) {
  const excluded: ReadonlySet<number> = new Set(wishes['exclude-inbound-ports'] ?? [])
  const lists = [
    ['initContainers', spec.initContainers ?? []],
    ['containers', spec.containers],
  ] as const
  const rewritten = lists.flatMap(([key, containers]) =>
    containers.map((container, i) => rewriteProbes(container, pointer('spec', key, i), excluded)),
  )
  const questions: Questions = Object.assign({}, ...rewritten.map((each) => each.questions)) as Questions
  return {
    questions,
    operations: rewritten.flatMap(({ operations }) => operations),
    problems: rewritten.flatMap(({ problems }) => problems),
  }
}

interface Preloaded {
  readonly names: ReadonlySet<string>
  readonly warnings: readonly string[]
  readonly problems: readonly string[]
}

function preloadedContainers(spec: PodSpec, { preload = 'false' }: Wishes): Preloaded {
  const existing = new Set(spec.containers.map(({ name }) => name))
  const asked =
    preload === 'false'
      ? []
      : preload === 'true'
        ? [...existing]
        : preload.split(',').map((name) => name.trim())
  const names = new Set(asked)
  const chosen = spec.containers.filter(({ name }) => names.has(name))
  return {
    names,
    warnings: chosen
      .filter((container) => (container.envFrom ?? []).length > 0 && nodeOptions(container) === undefined)
      .map(
        ({ name }) => `container ${name}: a NODE_OPTIONS that comes by envFrom is replaced by the preload's`,
      ),
    problems: [
      ...asked
        .filter((name) => !existing.has(name))
        .map((name) => `annotation onbehalf.dev/preload: there is no container "${name}"`),
      ...chosen
        .filter((container) => nodeOptions(container)?.valueFrom !== undefined)
        .map(
          ({ name }) =>
            `container ${name}: NODE_OPTIONS comes from elsewhere, so the preload cannot be added to it`,
        ),
      ...chosen
        .filter(({ volumeMounts }) =>
          volumeMounts?.some(({ mountPath }) => isWithin(mountPath, places.preload)),
        )
        .map(({ name }) => `container ${name}: mounts something at ${places.preload} already`),
    ],
  }
}

/** Beneath what is mounted read-only nothing can be mounted. */
function isWithin(place: string, folder: string): boolean {
  return `${posix.normalize(place)}/`.startsWith(`${folder}/`)
}

function nodeOptions({ env }: Container): EnvironmentVariable | undefined {
  return env?.findLast(({ name }) => name === 'NODE_OPTIONS')
}

function graceWarnings(spec: PodSpec, wishes: Wishes): string[] {
  const delay = wishes['drain-delay'] ?? 5
  return drainSeconds(spec, delay) > 1
    ? []
    : [`terminationGracePeriodSeconds: leaves no time to drain after onbehalf.dev/drain-delay (${delay}s)`]
}
