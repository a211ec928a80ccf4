// The Pod Security Standards, baseline and restricted: https://kubernetes.io/docs/concepts/security/pod-security-standards/.
import type { Fields } from './rules/structure.ts'

export type Level = 'baseline' | 'restricted'

interface Place {
  readonly path: string
  readonly fields: Fields
}

type Control = (pod: Place, containers: readonly Place[], metadata: Fields) => string[]

/** What of a pod the standard forbids, as `path: why`. */
export function violations(spec: object, level: Level, metadata: object = {}): string[] {
  const pod = { path: 'spec', fields: spec as Fields }
  const lists = ['initContainers', 'containers', 'ephemeralContainers'] as const
  const containers = lists.flatMap((list) =>
    asList(pod.fields[list]).map((fields, i) => ({ path: `${list}[${i}]`, fields })),
  )
  const controls = level === 'baseline' ? baseline : [...baseline, ...restricted]
  return controls.flatMap((control) => control(pod, containers, metadata as Fields))
}

function asList(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? (value as Fields[]) : []
}

/** The value at a path of names; undefined where one is missing. */
function at(fields: Fields, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>(
      (value, name) => (typeof value === 'object' && value !== null ? (value as Fields)[name] : undefined),
      fields,
    )
}

/** Of the pod and of each container. */
function everywhere(
  pod: Place,
  containers: readonly Place[],
  field: string,
  isAllowed: (value: unknown) => boolean,
): string[] {
  return [pod, ...containers].flatMap(({ path, fields }) => {
    const value = at(fields, field)
    return value === undefined || value === null || isAllowed(value)
      ? []
      : [`${path}.${field}: ${JSON.stringify(value)}`]
  })
}

const oneOf =
  (...values: readonly unknown[]) =>
  (value: unknown) =>
    values.includes(value)

const baselineCapabilities = new Set([
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
const safeSysctls = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
])
const appArmor = /^(runtime\/default|localhost\/.*)?$/

const baseline: readonly Control[] = [
  (pod, containers) =>
    everywhere(pod, containers, 'securityContext.windowsOptions.hostProcess', oneOf(false)),
  ({ fields }) =>
    ['hostNetwork', 'hostPID', 'hostIPC']
      .filter((name) => fields[name] === true)
      .map((name) => `spec.${name}: true`),
  (_pod, containers) =>
    containers.flatMap(({ path, fields }) =>
      at(fields, 'securityContext.privileged') === true ? [`${path}.securityContext.privileged: true`] : [],
    ),
  (_pod, containers) => addedCapabilities(containers, baselineCapabilities),
  ({ fields }) =>
    asList(fields['volumes']).flatMap((volume, i) =>
      volume['hostPath'] === undefined ? [] : [`spec.volumes[${i}].hostPath`],
    ),
  (_pod, containers) =>
    containers.flatMap(({ path, fields }) =>
      asList(fields['ports']).flatMap(({ hostPort }, i) =>
        hostPort === undefined || hostPort === 0
          ? []
          : [`${path}.ports[${i}].hostPort: ${JSON.stringify(hostPort)}`],
      ),
    ),
  (_pod, containers) =>
    containers.flatMap(({ path, fields }) =>
      ['livenessProbe', 'readinessProbe', 'startupProbe', 'lifecycle.postStart', 'lifecycle.preStop'].flatMap(
        (handler) =>
          ['httpGet', 'tcpSocket'].flatMap((kind) => {
            const host = at(fields, `${handler}.${kind}.host`)
            return host === undefined || host === ''
              ? []
              : [`${path}.${handler}.${kind}.host: ${JSON.stringify(host)}`]
          }),
      ),
    ),
  (pod, containers) =>
    everywhere(pod, containers, 'securityContext.appArmorProfile.type', oneOf('RuntimeDefault', 'Localhost')),
  (_pod, _containers, metadata) =>
    Object.entries((metadata['annotations'] ?? {}) as Fields)
      .filter(
        ([name, value]) =>
          name.startsWith('container.apparmor.security.beta.kubernetes.io/') && !appArmor.test(String(value)),
      )
      .map(([name, value]) => `metadata.annotations[${name}]: ${JSON.stringify(value)}`),
  (pod, containers) =>
    everywhere(
      pod,
      containers,
      'securityContext.seLinuxOptions.type',
      oneOf('', 'container_t', 'container_init_t', 'container_kvm_t', 'container_engine_t'),
    ),
  (pod, containers) => everywhere(pod, containers, 'securityContext.seLinuxOptions.user', oneOf('')),
  (pod, containers) => everywhere(pod, containers, 'securityContext.seLinuxOptions.role', oneOf('')),
  (_pod, containers) =>
    containers.flatMap(({ path, fields }) => {
      const value = at(fields, 'securityContext.procMount')
      return value === undefined || value === 'Default'
        ? []
        : [`${path}.securityContext.procMount: ${JSON.stringify(value)}`]
    }),
  (pod, containers) =>
    everywhere(pod, containers, 'securityContext.seccompProfile.type', oneOf('RuntimeDefault', 'Localhost')),
  ({ fields }) =>
    asList(at(fields, 'securityContext.sysctls'))
      .filter(({ name }) => !safeSysctls.has(String(name)))
      .map(({ name }) => `spec.securityContext.sysctls: ${String(name)}`),
]

const restrictedVolumes = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'persistentVolumeClaim',
  'projected',
  'secret',
]

const restricted: readonly Control[] = [
  ({ fields }) =>
    asList(fields['volumes']).flatMap((volume, i) =>
      restrictedVolumes.some((kind) => volume[kind] !== undefined)
        ? []
        : [`spec.volumes[${i}]: is of a kind that is not allowed`],
    ),
  (_pod, containers) =>
    containers.flatMap(({ path, fields }) =>
      at(fields, 'securityContext.allowPrivilegeEscalation') === false
        ? []
        : [`${path}.securityContext.allowPrivilegeEscalation: is not false`],
    ),
  (pod, containers) =>
    containers.flatMap(({ path, fields }) => {
      const own = at(fields, 'securityContext.runAsNonRoot')
      return (own ?? at(pod.fields, 'securityContext.runAsNonRoot')) === true
        ? []
        : [`${path}.securityContext.runAsNonRoot: is not true`]
    }),
  (pod, containers) => everywhere(pod, containers, 'securityContext.runAsUser', (value) => value !== 0),
  (pod, containers) =>
    containers.flatMap(({ path, fields }) => {
      const own = at(fields, 'securityContext.seccompProfile.type')
      const type = own ?? at(pod.fields, 'securityContext.seccompProfile.type')
      return type === 'RuntimeDefault' || type === 'Localhost'
        ? []
        : [`${path}.securityContext.seccompProfile: is missing`]
    }),
  (_pod, containers) =>
    containers.flatMap(({ path, fields }) => {
      const dropped = at(fields, 'securityContext.capabilities.drop')
      return Array.isArray(dropped) && dropped.includes('ALL')
        ? []
        : [`${path}.securityContext.capabilities.drop: is without ALL`]
    }),
  (_pod, containers) => addedCapabilities(containers, new Set(['NET_BIND_SERVICE'])),
]

function addedCapabilities(containers: readonly Place[], allowed: ReadonlySet<string>): string[] {
  return containers.flatMap(({ path, fields }) => {
    const added = at(fields, 'securityContext.capabilities.add')
    const bad = (Array.isArray(added) ? (added as string[]) : []).filter((name) => !allowed.has(name))
    return bad.map((name) => `${path}.securityContext.capabilities.add: ${name}`)
  })
}
