// What the API server asks of a pod's specification (pkg/apis/core/validation: ValidatePodSpec), wherever it stands.
import { containerProblems, idProblems, profileProblems } from './containers.ts'
import { declaredPortProblems, handlersProblems } from './handlers.ts'
import { podResourceProblems } from './pod-resources.ts'
import { duplicates, isDataKey, isLabel, isSubdomain, parseQuantity } from './text.ts'
import {
  containersOf,
  isRestartable,
  type ContainerPort,
  type PodSecurityContext,
  type PodSpec,
  type Placed,
  type Volume,
} from './types.ts'

const defaultGraceSeconds = 30

/** @param claims the names of a StatefulSet's `volumeClaimTemplates`, which are volumes too. */
export function podProblems(spec: PodSpec, path: string, claims: readonly string[] = []): string[] {
  const { volumes = [], securityContext = {}, terminationGracePeriodSeconds: grace } = spec
  const placed = containersOf(spec, path)
  const names = new Set([...volumes.map(({ name }) => name), ...claims])
  return [
    ...(spec.containers.length === 0 ? [`${path}.containers: is required`] : []),
    ...((spec.ephemeralContainers ?? []).length > 0
      ? [`${path}.ephemeralContainers: only a pod that runs may get them`]
      : []),
    ...namesProblems(spec, path),
    ...duplicates(placed.map(({ container }) => container.name)).map(
      (name) => `${path}.containers: two are named "${name}"`,
    ),
    ...duplicates(volumes.map(({ name }) => name)).map((name) => `${path}.volumes: two are named "${name}"`),
    ...volumes.flatMap((volume, i) => volumeProblems(volume, `${path}.volumes[${i}]`)),
    ...hostPortProblems(spec, path),
    ...podResourceProblems(spec, path),
    ...podSecurityProblems(spec, securityContext, path),
    ...(grace !== undefined && grace < 0 ? [`${path}.terminationGracePeriodSeconds: is negative`] : []),
    ...placed.flatMap((each) => [
      ...restartProblems(each),
      ...containerProblems(each.container, each.path, names, securityContext),
      ...declaredPortProblems(each.container, each.path),
      ...handlersProblems(each, grace ?? defaultGraceSeconds),
    ]),
  ]
}

function namesProblems(spec: PodSpec, path: string): string[] {
  const { serviceAccountName: account, hostname, subdomain, imagePullSecrets = [] } = spec
  return [
    ...(account === undefined || account === '' || isSubdomain(account)
      ? []
      : [`${path}.serviceAccountName: "${account}" is no name`]),
    ...[hostname, subdomain]
      .filter((name) => name !== undefined && !isLabel(name))
      .map((name) => `${path}.hostname: "${name}" is no name`),
    ...imagePullSecrets
      .filter(({ name = '' }) => !isSubdomain(name))
      .map(({ name = '' }) => `${path}.imagePullSecrets: "${name}" is no name`),
  ]
}

/** validateInitContainers; per-container policies of other containers (1.34, alpha) are refused by most clusters. */
function restartProblems({ container: { restartPolicy }, path, isInit }: Placed): string[] {
  if (restartPolicy === undefined) return []
  if (!isInit) return [`${path}.restartPolicy: may not be set for non-init containers`]
  return restartPolicy === 'Always' ? [] : [`${path}.restartPolicy: is not Always`]
}

/** checkHostPortConflicts: init containers run one by one, but for those that stay. */
function hostPortProblems(spec: PodSpec, path: string): string[] {
  const { containers, initContainers = [], hostNetwork = false } = spec
  const together = [...initContainers.filter(isRestartable), ...containers]
  const alone = initContainers.filter((container) => !isRestartable(container))
  const groups = [together, ...alone.map((container) => [container])]
  const clashes = groups.flatMap((group) =>
    duplicates(group.flatMap(({ ports = [] }) => ports.flatMap((port) => hostPortOf(port, hostNetwork)))),
  )
  const differing = [...initContainers, ...containers]
    .flatMap(({ ports = [] }) => ports)
    .filter(({ containerPort, hostPort = containerPort }) => hostNetwork && hostPort !== containerPort)
  return [
    ...clashes.map((port) => `${path}.containers: two ports are the node's ${port}`),
    ...differing.map(
      ({ hostPort }) =>
        `${path}.containers: with hostNetwork, hostPort ${hostPort} must be the containerPort`,
    ),
  ]
}

function hostPortOf({ containerPort, hostPort = 0, hostIP = '', protocol }: ContainerPort, isHost: boolean) {
  const port = isHost ? containerPort : hostPort
  return port === 0 ? [] : [`${protocol ?? 'TCP'}/${hostIP}/${port}`]
}

/** ValidatePodSecurityContext. */
function podSecurityProblems(spec: PodSpec, given: PodSecurityContext, path: string): string[] {
  return [
    ...(spec.hostPID === true && spec.shareProcessNamespace === true
      ? [`${path}.shareProcessNamespace: may not stand beside hostPID`]
      : []),
    ...idProblems(given, `${path}.securityContext`),
    ...profileProblems(given.seccompProfile, `${path}.securityContext.seccompProfile`),
    ...(given.fsGroup !== undefined && given.fsGroup < 0
      ? [`${path}.securityContext.fsGroup: is negative`]
      : []),
  ]
}

/** ValidateVolumes. A volume without a source is an emptyDir (pkg/apis/core/v1/defaults.go). */
function volumeProblems(volume: Volume, path: string): string[] {
  const { name, ...sources } = volume
  const kinds = Object.keys(sources)
  return [
    ...(isLabel(name) ? [] : [`${path}.name: "${name}" is no name of a volume`]),
    ...(kinds.length > 1 ? [`${path}: may not specify more than 1 volume type: ${kinds.join(', ')}`] : []),
    ...referenceProblems(volume, path),
    ...modeProblems(volume, path),
    ...itemProblems(volume, path),
    ...projectionProblems(volume, path),
    ...(volume.emptyDir?.sizeLimit === undefined || (parseQuantity(volume.emptyDir.sizeLimit) ?? -1n) >= 0n
      ? []
      : [`${path}.emptyDir.sizeLimit: is no quantity`]),
  ]
}

function referenceProblems({ secret, configMap, hostPath, csi }: Volume, path: string): string[] {
  const { nodePublishSecretRef: published } = csi ?? {}
  return [
    ...(secret !== undefined && (secret.secretName ?? '') === ''
      ? [`${path}.secret.secretName: is required`]
      : []),
    ...(configMap !== undefined && (configMap.name ?? '') === ''
      ? [`${path}.configMap.name: is required`]
      : []),
    ...(hostPath?.path.split('/').includes('..') === true ? [`${path}.hostPath.path: has a ..`] : []),
    ...(csi !== undefined && !/^[a-zA-Z0-9]([-a-zA-Z0-9.]{0,61}[a-zA-Z0-9])?$/.test(csi.driver)
      ? [`${path}.csi.driver: "${csi.driver}" is no name of a driver`]
      : []),
    ...(published !== undefined && (published.name ?? '') === ''
      ? [`${path}.csi.nodePublishSecretRef.name: is required`]
      : []),
  ]
}

function modeProblems({ secret, configMap, projected, downwardAPI }: Volume, path: string): string[] {
  const modes = [secret, configMap, projected, downwardAPI].flatMap((source) => source?.defaultMode ?? [])
  const items = [secret, configMap, downwardAPI].flatMap((source) =>
    (source?.items ?? []).flatMap(({ mode }) => mode ?? []),
  )
  return [...modes, ...items]
    .filter((mode) => mode < 0 || mode > 0o777)
    .map((mode) => `${path}: mode ${mode} is not between 0 and 0777 (octal)`)
}

/** validateLocalNonReservedPath, of the files in a volume. */
function itemProblems({ secret, configMap }: Volume, path: string): string[] {
  const items = [secret, configMap].flatMap((source) => source?.items ?? [])
  return [
    ...items.filter(({ key }) => !isDataKey(key)).map(({ key }) => `${path}.items: "${key}" is no key`),
    ...items
      .filter((item) => !isInside(item.path))
      .map((item) => `${path}.items: "${item.path}" leaves the volume`),
  ]
}

function isInside(place: string): boolean {
  return place !== '' && !place.startsWith('/') && !place.split('/').includes('..') && !place.startsWith('..')
}

const tokenSeconds = { least: 600, most: 2 ** 32 }

/** validateProjectionSources. */
function projectionProblems({ projected }: Volume, path: string): string[] {
  const sources = projected?.sources ?? []
  const files = sources.flatMap(({ serviceAccountToken, secret, configMap, downwardAPI }) => [
    ...(serviceAccountToken === undefined ? [] : [serviceAccountToken.path]),
    ...[secret, configMap, downwardAPI].flatMap((source) => (source?.items ?? []).map((item) => item.path)),
  ])
  const own = sources.flatMap((source, i) => {
    const at = `${path}.projected.sources[${i}]`
    const seconds = source.serviceAccountToken?.expirationSeconds
    return [
      ...(Object.keys(source).length === 1 ? [] : [`${at}: must name one source`]),
      ...(seconds === undefined || (seconds >= tokenSeconds.least && seconds <= tokenSeconds.most)
        ? []
        : [`${at}.serviceAccountToken.expirationSeconds: is not at least ${tokenSeconds.least}`]),
    ]
  })
  return [
    ...own,
    ...duplicates(files).map((file) => `${path}.projected: two sources write "${file}"`),
    ...files
      .filter((file) => !isInside(file))
      .map((file) => `${path}.projected: "${file}" leaves the volume`),
  ]
}
