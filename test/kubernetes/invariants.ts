// What an injection may do to what a pod already has, and whether it did more.
import { isDeepStrictEqual } from 'node:util'
import { ports, redirectName, sidecarName } from '../../deploy/kubernetes/injection/names.ts'
import type {
  Container,
  EnvironmentVariable,
  Lifecycle,
  Metadata,
  PodSpec,
  PodTemplate,
  VolumeMount,
} from '../../deploy/kubernetes/injection/pod.ts'

type Fields = Readonly<Record<string, unknown>>

/**
 * What was done beyond what an injection may do, as `path: what`. It may add its own containers, and volumes, labels and
 * annotations; to containers that are there it may add variables and mounts, append to `NODE_OPTIONS`, turn handlers of
 * probes and hooks to the sidecar, and give a `preStop` that waits for the drain where there is none.
 */
export function touched(before: PodTemplate, after: PodTemplate): string[] {
  return [
    ...changedFields(before, after, ['metadata', 'spec'], ''),
    ...touchedMetadata(before.metadata ?? {}, after.metadata ?? {}),
    ...touchedSpec(before.spec, after.spec),
  ]
}

function touchedMetadata(before: Metadata, after: Metadata): string[] {
  const marks = ['labels', 'annotations'] as const
  const changed = marks.flatMap((key) => {
    const [old, now] = [fieldsOf(before[key]), fieldsOf(after[key])]
    return Object.keys(old)
      .filter((name) => old[name] !== now[name])
      .map((name) => `metadata.${key}[${name}]: was ${name in now ? 'changed' : 'removed'}`)
  })
  return [...changedFields(before, after, marks, 'metadata.'), ...changed]
}

function touchedSpec(before: PodSpec, after: PodSpec): string[] {
  const lists = ['containers', 'initContainers'] as const
  return [
    ...changedFields(before, after, [...lists, 'volumes'], 'spec.'),
    ...keptInOrder(before.volumes, after.volumes, 'spec.volumes'),
    ...lists.flatMap((key) => touchedContainers(before[key] ?? [], after[key] ?? [], `spec.${key}`)),
  ]
}

/** The fields but those named are as they were, and no new one is there. */
function changedFields(before: object, after: object, others: readonly string[], path: string): string[] {
  const [old, now] = [fieldsOf(before), fieldsOf(after)]
  return [...new Set([...Object.keys(old), ...Object.keys(now)])]
    .filter((key) => !others.includes(key) && !isDeepStrictEqual(old[key], now[key]))
    .map((key) => `${path}${key}: was ${key in old ? 'changed' : 'added'}`)
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {}
}

type Named = readonly { readonly name: string }[] | null | undefined

/** Each that was there is there as it was, and in the same order; what is new may stand between. */
function keptInOrder(before: Named, after: Named, path: string): string[] {
  return [
    ...outOfOrder(before, after, path),
    ...(before ?? []).flatMap((old) => {
      const now = after?.filter(({ name }) => name === old.name) ?? []
      return now.some((each) => isDeepStrictEqual(each, old)) ? [] : [`${path}[${old.name}]: was changed`]
    }),
  ]
}

function outOfOrder(before: Named, after: Named, path: string): string[] {
  const names = (before ?? []).map(({ name }) => name)
  const kept = (after ?? []).map(({ name }) => name).filter((name) => names.includes(name))
  return isDeepStrictEqual(names, kept) ? [] : [`${path}: ${names.join(', ')} became ${kept.join(', ')}`]
}

const ours: ReadonlySet<string> = new Set([sidecarName, redirectName])

function touchedContainers(
  before: readonly Container[],
  after: readonly Container[],
  path: string,
): string[] {
  const names = new Set(before.map(({ name }) => name))
  return [
    ...outOfOrder(before, after, path),
    ...after
      .filter(({ name }) => !names.has(name) && !ours.has(name))
      .map(({ name }) => `${path}[${name}]: was added`),
    ...before.flatMap((old) => {
      const now = after.find(({ name }) => name === old.name)
      return now === undefined ? [] : touchedContainer(old, now, `${path}[${old.name}]`)
    }),
  ]
}

const probeKinds = ['startupProbe', 'readinessProbe', 'livenessProbe'] as const
const hookKinds = ['postStart', 'preStop'] as const

function touchedContainer(before: Container, after: Container, path: string): string[] {
  const lifecycle = [before.lifecycle ?? {}, after.lifecycle ?? {}] as const
  return [
    ...changedFields(before, after, [...probeKinds, 'lifecycle', 'env', 'volumeMounts'], `${path}.`),
    ...probeKinds.flatMap((kind) => touchedHandler(before[kind], after[kind], `${path}.${kind}`)),
    ...touchedLifecycle(...lifecycle, `${path}.lifecycle`),
    ...touchedVariables(before.env ?? [], after.env ?? [], `${path}.env`),
    ...touchedMounts(before.volumeMounts ?? [], after.volumeMounts ?? [], `${path}.volumeMounts`),
  ]
}

const hold = { httpGet: { path: '/drained', port: ports.probes } }

function touchedLifecycle(before: Lifecycle, after: Lifecycle, path: string): string[] {
  const isHeld = !isGiven(before.preStop) && isDeepStrictEqual(after.preStop, hold)
  return [
    ...changedFields(before, after, hookKinds, `${path}.`),
    ...hookKinds
      .filter((kind) => kind !== 'preStop' || !isHeld)
      .flatMap((kind) => touchedHandler(before[kind], after[kind], `${path}.${kind}`)),
  ]
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null
}

/** Of a probe or a hook: it is as it was, or asks the sidecar at the same times. */
function touchedHandler(before: unknown, after: unknown, path: string): string[] {
  if (isDeepStrictEqual(before, after)) return []
  if (!isGiven(before)) return [`${path}: was added`]
  if (!isGiven(after)) return [`${path}: was removed`]
  const { httpGet, tcpSocket, grpc, ...rest } = fieldsOf(before)
  const { httpGet: now, ...left } = fieldsOf(after)
  const isNetwork = isGiven(httpGet) || isGiven(tcpSocket) || isGiven(grpc)
  if (!isNetwork) return [`${path}: was changed, though nothing is asked by network`]
  if (!isOfSidecar(now)) return [`${path}: asks neither as before nor the sidecar`]
  return isDeepStrictEqual(rest, left) ? [] : [`${path}: has other times or handlers`]
}

/** In clear text, of the pod itself, with nothing of the app's. */
function isOfSidecar(httpGet: unknown): boolean {
  const { path, port, ...more } = fieldsOf(httpGet)
  const isAsked = typeof path === 'string' && /^\/app-(probes|lifecycle)\//.test(path)
  return port === ports.probes && isAsked && Object.keys(more).length === 0
}

function touchedVariables(
  before: readonly EnvironmentVariable[],
  after: readonly EnvironmentVariable[],
  path: string,
): string[] {
  const added = after.slice(before.length)
  const given = new Set(before.map(({ name }) => name))
  return [
    ...before
      .filter((old, i) => !isSameOrLonger(old, after[i]))
      .map(({ name }) => `${path}[${name}]: was changed, moved or removed`),
    // The last of two counts.
    ...added.filter(({ name }) => given.has(name)).map(({ name }) => `${path}[${name}]: was overridden`),
  ]
}

function isSameOrLonger(before: EnvironmentVariable, after: EnvironmentVariable | undefined): boolean {
  if (isDeepStrictEqual(before, after)) return true
  const { value: old = '', ...rest } = before
  const { value: now = '', ...left } = after ?? { name: '' }
  const isAppended = old === '' || now.startsWith(`${old} `)
  return (
    before.name === 'NODE_OPTIONS' && !('valueFrom' in rest) && isAppended && isDeepStrictEqual(rest, left)
  )
}

function touchedMounts(
  before: readonly VolumeMount[],
  after: readonly VolumeMount[],
  path: string,
): string[] {
  const places = before.map(({ mountPath }) => mountPath)
  const covered = after
    .slice(before.length)
    .flatMap((mount) => places.filter((place) => isWithin(place, mount.mountPath)))
  return [
    ...before
      .filter((old, i) => !isDeepStrictEqual(old, after[i]))
      .map(({ mountPath }) => `${path}[${mountPath}]: was changed, moved or removed`),
    ...covered.map((place) => `${path}[${place}]: was covered`),
  ]
}

function isWithin(place: string, folder: string): boolean {
  return place === folder || place.startsWith(`${folder}/`)
}
