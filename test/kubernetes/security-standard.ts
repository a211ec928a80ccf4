// The Pod Security Standards as Kubernetes 1.34 enforces them (pod-security-admission/policy, each check_*.go), without its relaxations.
import {
  containersOf,
  type Container,
  type Hook,
  type Lifecycle,
  type PodSpec,
  type Probe,
  type SecurityContext,
} from './rules/types.ts'

export type Standard = 'baseline' | 'restricted'

interface Pod {
  readonly spec: PodSpec
  readonly annotations: Readonly<Record<string, string>>
  readonly containers: readonly Placed[]
  readonly isWindows: boolean
}

interface Placed {
  readonly container: Container
  readonly security: SecurityContext
  readonly path: string
}

type Control = (pod: Pod) => string[]

/**
 * What a pod does that a standard forbids, as `path: why`; restricted includes baseline.
 *
 * @param spec of a pod or a template; shown to be one by its schema.
 * @param metadata whose annotations may name AppArmor profiles.
 */
export function violations(
  spec: object,
  standard: Standard,
  metadata?: { readonly annotations?: Readonly<Record<string, string>> | null },
): string[] {
  const pod = readPod(spec as PodSpec, metadata?.annotations ?? {})
  const controls = standard === 'baseline' ? baseline : [...baseline, ...restricted]
  return controls.flatMap((control) => control(pod))
}

/** Native sidecars are init containers like others here. */
function readPod(spec: PodSpec, annotations: Readonly<Record<string, string>>): Pod {
  const ephemeral = (spec.ephemeralContainers ?? []).map((container, i) => ({
    container,
    path: `spec.ephemeralContainers[${i}]`,
  }))
  const containers = [...containersOf(spec, 'spec'), ...ephemeral].map(({ container, path }) => ({
    container,
    path,
    security: container.securityContext ?? {},
  }))
  return { spec, annotations, containers, isWindows: spec.os?.name === 'windows' }
}

/** Of every security context: the pod's and the containers'. */
function inSecurity(
  { spec, containers }: Pod,
  read: (security: SecurityContext, path: string) => string[],
): string[] {
  const all = containers.map(({ security, path }) => ({ security, path }))
  return [{ security: (spec.securityContext ?? {}) as SecurityContext, path: 'spec' }, ...all].flatMap(
    ({ security, path }) => read(security, `${path}.securityContext`),
  )
}

const hostProcess: Control = (pod) =>
  inSecurity(pod, ({ windowsOptions }, path) =>
    windowsOptions?.hostProcess === true ? [`${path}.windowsOptions.hostProcess: is true`] : [],
  )

const hostNamespaces: Control = ({ spec }) =>
  (['hostNetwork', 'hostPID', 'hostIPC'] as const)
    .filter((key) => spec[key] === true)
    .map((key) => `spec.${key}: is true`)

const privileged: Control = ({ containers }) =>
  containers
    .filter(({ security }) => security.privileged === true)
    .map(({ path }) => `${path}.securityContext.privileged: is true`)

const addable: ReadonlySet<string> = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
])

const addedCapabilities: Control = ({ containers }) =>
  containers.flatMap(({ security, path }) =>
    (security.capabilities?.add ?? [])
      .filter((name) => !addable.has(name))
      .map((name) => `${path}.securityContext.capabilities.add: ${name}`),
  )

const hostPaths: Control = ({ spec }) =>
  (spec.volumes ?? [])
    .filter(({ hostPath }) => isGiven(hostPath))
    .map(({ name }) => `spec.volumes[${name}].hostPath: is set`)

const hostPorts: Control = ({ containers }) =>
  containers.flatMap(({ container, path }) =>
    (container.ports ?? [])
      .filter(({ hostPort }) => (hostPort ?? 0) !== 0)
      .map(({ hostPort }) => `${path}.ports.hostPort: ${hostPort}`),
  )

/** Since 1.34 (KEP-4940): the kubelet asks no other host than the pod. */
const hostProbes: Control = ({ containers }) =>
  containers.flatMap(({ container, path }) => {
    const { livenessProbe, readinessProbe, startupProbe, lifecycle } = container
    const { postStart, preStop }: Lifecycle = lifecycle ?? {}
    const handlers = { livenessProbe, readinessProbe, startupProbe }
    return [
      ...Object.entries(handlers).flatMap(([key, probe]) => hostOf(probe, `${path}.${key}`)),
      ...Object.entries({ postStart, preStop }).flatMap(([key, hook]) =>
        hostOf(hook, `${path}.lifecycle.${key}`),
      ),
    ]
  })

function hostOf(handler: Probe | Hook | undefined, path: string): string[] {
  return (['httpGet', 'tcpSocket'] as const)
    .filter((kind) => (handler?.[kind]?.host ?? '') !== '')
    .map((kind) => `${path}.${kind}.host: is set`)
}

const appArmorKey = 'container.apparmor.security.beta.kubernetes.io/'

const appArmor: Control = (pod) => [
  ...inSecurity(pod, ({ appArmorProfile }, path) =>
    isProfile(appArmorProfile?.type) ? [] : [`${path}.appArmorProfile.type: ${appArmorProfile?.type}`],
  ),
  ...Object.entries(pod.annotations)
    .filter(
      ([key, value]) => key.startsWith(appArmorKey) && !/^(runtime\/default|localhost\/.*)?$/.test(value),
    )
    .map(([key, value]) => `metadata.annotations[${key}]: ${value}`),
]

/** Of AppArmor and seccomp alike. */
function isProfile(type: string | null | undefined): boolean {
  return !isGiven(type) || type === 'RuntimeDefault' || type === 'Localhost'
}

const seLinuxTypes: ReadonlySet<string> = new Set([
  '',
  'container_t',
  'container_init_t',
  'container_kvm_t',
  'container_engine_t',
])

const seLinux: Control = (pod) =>
  inSecurity(pod, ({ seLinuxOptions }, path) => [
    ...(seLinuxTypes.has(seLinuxOptions?.type ?? '')
      ? []
      : [`${path}.seLinuxOptions.type: ${seLinuxOptions?.type}`]),
    ...(['user', 'role'] as const)
      .filter((key) => (seLinuxOptions?.[key] ?? '') !== '')
      .map((key) => `${path}.seLinuxOptions.${key}: is set`),
  ])

const procMount: Control = ({ containers }) =>
  containers
    .filter(({ security }) => (security.procMount ?? 'Default') !== 'Default')
    .map(({ path, security }) => `${path}.securityContext.procMount: ${security.procMount}`)

const seccomp: Control = (pod) =>
  inSecurity(pod, ({ seccompProfile }, path) =>
    isProfile(seccompProfile?.type) ? [] : [`${path}.seccompProfile.type: ${seccompProfile?.type}`],
  )

const safeSysctls: ReadonlySet<string> = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ping_group_range',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.tcp_wmem',
])

const sysctls: Control = ({ spec }) =>
  (spec.securityContext?.sysctls ?? [])
    .filter(({ name }) => !safeSysctls.has(name))
    .map(({ name }) => `spec.securityContext.sysctls: ${name}`)

const baseline: readonly Control[] = [
  hostProcess,
  hostNamespaces,
  privileged,
  addedCapabilities,
  hostPaths,
  hostPorts,
  hostProbes,
  appArmor,
  seLinux,
  procMount,
  seccomp,
  sysctls,
]

/** A volume without a source is an emptyDir by then. */
const volumeTypes: ReadonlySet<string> = new Set([
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
])

const restrictedVolumes: Control = ({ spec }) =>
  (spec.volumes ?? []).flatMap(({ name, ...sources }) =>
    Object.entries(sources)
      .filter(([type, source]) => isGiven(source) && !volumeTypes.has(type))
      .map(([type]) => `spec.volumes[${name}]: ${type}`),
  )

const privilegeEscalation: Control = ({ containers, isWindows }) =>
  containers
    .filter(({ security }) => !isWindows && security.allowPrivilegeEscalation !== false)
    .map(({ path }) => `${path}.securityContext.allowPrivilegeEscalation: is not false`)

const nonRoot: Control = ({ spec, containers }) => {
  const ofPod = spec.securityContext?.runAsNonRoot
  return [
    ...(ofPod === false ? ['spec.securityContext.runAsNonRoot: is false'] : []),
    ...containers
      .filter(({ security }) => (security.runAsNonRoot ?? ofPod) !== true)
      .map(({ path }) => `${path}.securityContext.runAsNonRoot: is not true`),
  ]
}

const rootUser: Control = (pod) =>
  inSecurity(pod, ({ runAsUser }, path) => (runAsUser === 0 ? [`${path}.runAsUser: is 0`] : []))

const requiredSeccomp: Control = ({ spec, containers, isWindows }) =>
  containers
    .filter(({ security }) => {
      const type = security.seccompProfile?.type ?? spec.securityContext?.seccompProfile?.type
      return !isWindows && !isGiven(type)
    })
    .map(({ path }) => `${path}.securityContext.seccompProfile.type: is required`)

const fewCapabilities: Control = ({ containers, isWindows }) =>
  containers.flatMap(({ security, path }) => {
    if (isWindows) return []
    const { add, drop } = security.capabilities ?? {}
    return [
      ...((drop ?? []).includes('ALL') ? [] : [`${path}.securityContext.capabilities.drop: lacks ALL`]),
      ...(add ?? [])
        .filter((name) => name !== 'NET_BIND_SERVICE' && addable.has(name))
        .map((name) => `${path}.securityContext.capabilities.add: ${name}`),
    ]
  })

const restricted: readonly Control[] = [
  restrictedVolumes,
  privilegeEscalation,
  nonRoot,
  rootUser,
  requiredSeccomp,
  fewCapabilities,
]

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null
}
