// Why a pod cannot be injected, and what of it weakens the injection.
import { portNames, ports, prefix, redirectName, sidecarName, sidecarUid } from './names.ts'
import type { Container, PodSpec } from './pod.ts'
import type { Intercept, SidecarForm } from './settings.ts'

export interface Manner {
  readonly intercept: Intercept
  readonly sidecar: SidecarForm
}

const otherMeshes: ReadonlySet<string> = new Set(['linkerd-proxy', 'consul-dataplane'])
/** They listen at 15001 and 15006, too, whether they redirect or not. */
const meshesAtOurPorts: ReadonlySet<string> = new Set(['istio-proxy', 'kuma-sidecar'])

const leaveOut = `leave the pod out by ${prefix}inject: "false"`

/** All of them, so that nobody mends one after the other. */
export function reasonsAgainst(spec: PodSpec, manner: Manner): string[] {
  const all = allContainers(spec)
  return [
    ...(spec.hostNetwork === true
      ? [`hostNetwork: the rules and the ports of the sidecar would be those of the node: ${leaveOut}`]
      : []),
    ...(isForWindows(spec) ? [`os: the sidecar runs on Linux: ${leaveOut}`] : []),
    ...clashingNames(spec, all),
    ...all.flatMap(clashingPorts),
    ...clashingMeshes(all),
    ...clashingUsers(spec, all, manner),
    ...(manner.intercept === 'redirect' ? otherRedirections(all) : []),
    ...(manner.sidecar === 'classic' && spec.restartPolicy !== undefined && spec.restartPolicy !== 'Always'
      ? [
          `restartPolicy ${spec.restartPolicy}: beside a classic sidecar the pod would never end; native sidecars let it`,
        ]
      : []),
    ...(manner.sidecar === 'classic' ? earlySidecars(spec) : []),
  ]
}

/** Most say so by the selector alone. */
function isForWindows({ os, nodeSelector }: PodSpec): boolean {
  return os?.name === 'windows' || nodeSelector?.['kubernetes.io/os'] === 'windows'
}

/** What starts before a classic sidecar cannot be asked by it. */
function earlySidecars({ initContainers }: PodSpec): string[] {
  return (initContainers ?? [])
    .filter(({ restartPolicy }) => restartPolicy === 'Always')
    .map(
      ({ name }) =>
        `init container ${name}: is a native sidecar and starts before a classic one: use onbehalf.dev/sidecar: native`,
    )
}

/** What the injection cannot mend. */
export function warningsAbout(spec: PodSpec, { intercept }: Manner): string[] {
  const able = allContainers(spec)
    .filter(canChangeRules)
    .map(({ name }) => name)
  return [
    ...(intercept === 'redirect' && able.length > 0
      ? [`${able.join(', ')}: may change the redirection (privileged, or NET_ADMIN)`]
      : []),
    ...(['shareProcessNamespace', 'hostPID'] as const)
      .filter((key) => spec[key] === true)
      .map(
        (key) =>
          `${key}: a container that runs as root, or as user ${sidecarUid}, can read the sidecar’s key`,
      ),
  ]
}

function allContainers({ containers, initContainers }: PodSpec): readonly Container[] {
  return [...(initContainers ?? []), ...containers]
}

function clashingNames({ volumes }: PodSpec, all: readonly Container[]): string[] {
  const taken = all.filter(({ name }) => name === sidecarName || name === redirectName)
  const volume = volumes?.find(({ name }) =>
    /^onbehalf-(mesh|run|certificate|token|preload|secret-\d+)$/.test(name),
  )
  return [
    ...taken.map(({ name }) => `a container is called ${name} already`),
    ...(volume === undefined ? [] : [`a volume is called ${volume.name} already`]),
  ]
}

/** Of two ports with one name a Service means the app's. */
function clashingPorts({ name, ports: declared }: Container): string[] {
  const own: ReadonlySet<number | string | undefined> = new Set<number | string>([
    ...Object.values(ports),
    ...Object.values(portNames),
  ])
  return (declared ?? [])
    .flatMap((port) => [port.containerPort, port.name])
    .filter((port) => own.has(port))
    .map(
      (port) => `container ${name}: port ${port} is one of the sidecar's own: let the app listen elsewhere`,
    )
}

function clashingMeshes(all: readonly Container[]): string[] {
  return all
    .filter(({ name }) => meshesAtOurPorts.has(name))
    .map(({ name }) => `${name} listens at ports of the sidecar: leave out one of the two`)
}

/** Whoever runs as the sidecar's user is not redirected. */
function clashingUsers(spec: PodSpec, all: readonly Container[], { intercept }: Manner): string[] {
  if (intercept !== 'redirect') return []
  const why = `is the sidecar's own user, whose connections go around the sidecar`
  return [
    ...(spec.securityContext?.runAsUser === sidecarUid
      ? [`securityContext: runAsUser ${sidecarUid} ${why}`]
      : []),
    ...all
      .filter(({ securityContext }) => securityContext?.runAsUser === sidecarUid)
      .map(({ name }) => `container ${name}: runAsUser ${sidecarUid} ${why}`),
  ]
}

function otherRedirections(all: readonly Container[]): string[] {
  return all
    .filter(({ name }) => otherMeshes.has(name))
    .map(({ name }) => `${name} redirects the pod's connections already: use onbehalf.dev/intercept: none`)
}

function canChangeRules({ securityContext }: Container): boolean {
  const added = securityContext?.capabilities?.add ?? []
  return (
    securityContext?.privileged === true ||
    added.some((name) => /^(CAP_)?(NET_ADMIN|SYS_ADMIN)$|^ALL$/.test(name))
  )
}
