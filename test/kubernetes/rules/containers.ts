// What the API server asks of one container (pkg/apis/core/validation: validateContainerCommon), and what the kubelet refuses to start.
import { isLabel, isEnvironmentName, duplicates, isQualifiedName, parseQuantity } from './text.ts'
import type {
  Container,
  EnvironmentVariable,
  PodSecurityContext,
  Resources,
  SecurityContext,
  VolumeMount,
} from './types.ts'

/** @param volumes the names that its mounts may use. */
export function containerProblems(
  container: Container,
  path: string,
  volumes: ReadonlySet<string>,
  pod: PodSecurityContext,
): string[] {
  const { name, image = '', env = [], envFrom = [], resources = {}, volumeMounts = [] } = container
  return [
    ...(isLabel(name) ? [] : [`${path}.name: "${name}" is no name of a container`]),
    ...(image === '' || image.trim() !== image
      ? [`${path}.image: is required, without space around it`]
      : []),
    ...env.flatMap((variable, i) => variableProblems(variable, `${path}.env[${i}]`)),
    ...envFrom.flatMap((source, i) =>
      oneSource(source, ['configMapRef', 'secretRef'], `${path}.envFrom[${i}]`),
    ),
    ...mountProblems(container, path, volumes),
    ...volumeMounts.flatMap((mount, i) => subPathProblems(mount, `${path}.volumeMounts[${i}]`)),
    ...resourceProblems(resources, `${path}.resources`),
    ...securityProblems(container.securityContext ?? {}, pod, `${path}.securityContext`),
  ]
}

const fieldPaths =
  /^(metadata\.(name|namespace|uid)|metadata\.(labels|annotations)\['[^']+'\]|spec\.(nodeName|serviceAccountName)|status\.(hostIP|hostIPs|podIP|podIPs))$/
const resourcePaths = /^(limits|requests)\.(cpu|memory|ephemeral-storage|hugepages-\w+)$/
const variableSources = [
  'fieldRef',
  'resourceFieldRef',
  'configMapKeyRef',
  'secretKeyRef',
  'fileKeyRef',
] as const

/** validateEnv, validateEnvVarValueFrom. */
function variableProblems({ name, value, valueFrom }: EnvironmentVariable, path: string): string[] {
  const wrongName = isEnvironmentName(name) ? [] : [`${path}.name: "${name}" is no name of a variable`]
  if (valueFrom === undefined) return wrongName
  const { fieldRef, resourceFieldRef } = valueFrom
  const field = fieldRef?.fieldPath
  const resource = resourceFieldRef?.resource
  return [
    ...wrongName,
    ...((value ?? '') === '' ? [] : [`${path}.valueFrom: may not stand beside a value`]),
    ...oneSource(valueFrom, variableSources, `${path}.valueFrom`),
    ...(field === undefined || fieldPaths.test(field)
      ? []
      : [`${path}.valueFrom.fieldRef.fieldPath: "${field}" is none for a variable`]),
    ...(resource === undefined || resourcePaths.test(resource)
      ? []
      : [`${path}.valueFrom.resourceFieldRef.resource: "${resource}" is none`]),
  ]
}

function oneSource<T extends object>(given: T, kinds: readonly (keyof T)[], path: string): string[] {
  const count = kinds.filter((kind) => given[kind] !== undefined).length
  return count === 1 ? [] : [`${path}: must name one source, not ${count}`]
}

/** ValidateVolumeMounts. */
function mountProblems(container: Container, path: string, volumes: ReadonlySet<string>): string[] {
  const { volumeMounts = [], volumeDevices = [] } = container
  const places = [
    ...volumeMounts.map(({ mountPath }) => mountPath),
    ...volumeDevices.map(({ devicePath }) => devicePath),
  ]
  const used = [...volumeMounts, ...volumeDevices]
  return [
    ...duplicates(places).map((place) => `${path}.volumeMounts: two are at "${place}"`),
    ...used
      .filter(({ name }) => !volumes.has(name))
      .map(({ name }) => `${path}.volumeMounts: there is no volume "${name}"`),
    ...volumeMounts
      .filter(({ mountPath }) => mountPath === '' || mountPath.includes(':'))
      .map(({ mountPath }) => `${path}.volumeMounts: "${mountPath}" is no place to mount at`),
    ...volumeMounts
      .filter(({ mountPropagation }) => mountPropagation === 'Bidirectional')
      .filter(() => container.securityContext?.privileged !== true)
      .map(
        ({ name }) => `${path}.volumeMounts: "${name}" is Bidirectional in a container without privileges`,
      ),
  ]
}

function subPathProblems({ subPath = '', subPathExpr = '' }: VolumeMount, path: string): string[] {
  return [
    ...(isWithin(subPath) && isWithin(subPathExpr) ? [] : [`${path}.subPath: leaves the volume`]),
    ...(subPath !== '' && subPathExpr !== '' ? [`${path}.subPathExpr: may not stand beside subPath`] : []),
  ]
}

function isWithin(place: string): boolean {
  return !place.startsWith('/') && !place.split('/').includes('..')
}

/** ValidateResourceRequirements, validateContainerResourceName. */
function resourceProblems({ limits = {}, requests = {} }: Resources, path: string): string[] {
  const named = [...Object.entries(limits), ...Object.entries(requests)]
  const above = Object.entries(requests).filter(([name, quantity]) => {
    const [request, limit] = [parseQuantity(quantity), parseQuantity(limits[name] ?? '')]
    if (request === undefined || limit === undefined) return false
    return isOvercommitted(name) ? request > limit : request !== limit
  })
  return [
    ...[...new Set(named.map(([name]) => name))]
      .filter((name) => !isResource(name))
      .map((name) => `${path}: "${name}" is no resource`),
    ...named
      .filter(([, quantity]) => (parseQuantity(quantity) ?? -1n) < 0n)
      .map(([name, quantity]) => `${path}: ${name} "${quantity}" is no quantity`),
    ...above.map(([name]) => `${path}.requests: ${name} is not within the limit`),
  ]
}

function isResource(name: string): boolean {
  const isStandard = /^(cpu|memory|ephemeral-storage|hugepages-.+)$/.test(name)
  return isStandard || (name.includes('/') && isQualifiedName(name))
}

/** Of huge pages and devices the request is the limit. */
function isOvercommitted(name: string): boolean {
  return !name.includes('/') && !name.startsWith('hugepages-')
}

/** ValidateSecurityContext; the last two rules are the kubelet's (verifyRunAsNonRoot), which then starts nothing. */
function securityProblems(given: SecurityContext, pod: PodSecurityContext, path: string): string[] {
  const { allowPrivilegeEscalation: escalation, capabilities, privileged, seccompProfile } = given
  const user = given.runAsUser ?? pod.runAsUser
  const isNonRoot = given.runAsNonRoot ?? pod.runAsNonRoot ?? false
  const isAdmin = (capabilities?.add ?? []).some((name) => name === 'SYS_ADMIN' || name === 'CAP_SYS_ADMIN')
  return [
    ...profileProblems(seccompProfile, `${path}.seccompProfile`),
    ...(escalation === false && privileged === true
      ? [`${path}: allowPrivilegeEscalation is false and privileged is true`]
      : []),
    ...(escalation === false && isAdmin
      ? [`${path}: allowPrivilegeEscalation is false and CAP_SYS_ADMIN is added`]
      : []),
    ...idProblems(given, path),
    ...(isNonRoot && user === 0 ? [`${path}: runAsNonRoot is true and runAsUser is 0`] : []),
  ]
}

/** Of a pod and of a container. */
export function idProblems(
  { runAsUser, runAsGroup }: { readonly runAsUser?: number; readonly runAsGroup?: number },
  path: string,
): string[] {
  return [
    ...(isId(runAsUser) ? [] : [`${path}.runAsUser: is no user`]),
    ...(isId(runAsGroup) ? [] : [`${path}.runAsGroup: is no group`]),
  ]
}

function isId(id: number | undefined): boolean {
  return id === undefined || (id >= 0 && id <= 2_147_483_647)
}

/** validateSeccompProfileField. */
export function profileProblems(profile: SecurityContext['seccompProfile'], path: string): string[] {
  if (profile === undefined) return []
  const isLocal = profile.type === 'Localhost'
  const isNamed = (profile.localhostProfile ?? '') !== ''
  if (isLocal === isNamed) return []
  return [`${path}.localhostProfile: ${isLocal ? 'is required with' : 'may stand only with'} type Localhost`]
}
