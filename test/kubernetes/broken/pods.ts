// Pods that no server takes or no kubelet starts, and some that look alike and are taken.
import { long, type Break } from './broken.ts'

const pod = 'spec/template/spec'
const app = `${pod}/containers/0`
const migrate = `${pod}/initContainers/0`
const proxy = `${pod}/initContainers/1`

/** Of the good Deployment; the problem without `spec.template.spec.` before it. */
const breaks: readonly (readonly [path: string, value: unknown, problem?: string])[] = [
  [`${pod}/containers`, [], 'containers: is required'],
  [`${pod}/ephemeralContainers`, [{ name: 'x' }], 'ephemeralContainers: only a pod that runs may get them'],
  [`${pod}/serviceAccountName`, 'A', 'serviceAccountName: "A" is no name'],
  [`${pod}/hostname`, 'a.b', 'hostname: "a.b" is no name'],
  [`${pod}/subdomain`, 'A', 'hostname: "A" is no name'],
  [`${pod}/imagePullSecrets/0/name`, 'A', 'imagePullSecrets: "A" is no name'],
  [`${pod}/shareProcessNamespace`, true],
  [`${pod}/terminationGracePeriodSeconds`, 5],
  [`${pod}/securityContext/fsGroup`, -1, 'securityContext.fsGroup: is negative'],
  [`${pod}/securityContext/runAsGroup`, 2 ** 31, 'securityContext.runAsGroup: is no group'],
  [
    `${pod}/securityContext/seccompProfile/type`,
    'Localhost',
    'securityContext.seccompProfile.localhostProfile: is required with type Localhost',
  ],
  [`${pod}/resources`, { requests: { cpu: '2', memory: '2Gi' }, limits: { cpu: '2' } }],
  [
    `${pod}/resources`,
    { requests: { memory: '1Mi' } },
    'resources.requests: memory is less than its containers ask for',
  ],
  [
    `${pod}/resources`,
    { limits: { memory: '1Mi' } },
    "containers[0].resources.limits: memory is more than the pod's",
  ],
  // Containers.
  [`${migrate}/name`, 'app', 'containers: two are named "app"'],
  [`${app}/name`, 'App', 'containers[0].name: "App" is no name of a container'],
  [`${app}/name`, long(64), `containers[0].name: "${long(64)}" is no name of a container`],
  [`${app}/image`, ' x', 'containers[0].image: is required, without space around it'],
  [`${app}/image`, undefined, 'containers[0].image: is required, without space around it'],
  [`${app}/restartPolicy`, 'Always', 'containers[0].restartPolicy: may not be set for non-init containers'],
  [`${migrate}/restartPolicy`, 'Never', 'initContainers[0].restartPolicy: is not Always'],
  // Ports.
  [`${app}/ports/1/name`, 'http', 'containers[0].ports: two are named "http"'],
  [
    `${app}/ports/1/name`,
    'a-long-port-name',
    'containers[0].ports[1].name: "a-long-port-name" is no name of a port',
  ],
  [`${app}/ports/1/name`, '9090', 'containers[0].ports[1].name: "9090" is no name of a port'],
  [`${app}/ports/1/name`, 'a--b', 'containers[0].ports[1].name: "a--b" is no name of a port'],
  [`${app}/ports/1/containerPort`, 0, 'containers[0].ports[1].containerPort: is no port'],
  [`${app}/ports/1/hostPort`, 70_000, 'containers[0].ports[1].hostPort: is no port'],
  [
    `${app}/ports`,
    [
      { name: 'http', containerPort: 1, hostPort: 80 },
      { containerPort: 2, hostPort: 80 },
    ],
    "containers: two ports are the node's TCP//80",
  ],
  [
    `${app}/ports`,
    [
      { name: 'http', containerPort: 1, hostPort: 80 },
      { containerPort: 2, hostPort: 80, protocol: 'UDP' },
      { containerPort: 3, hostPort: 80, hostIP: '10.0.0.1' },
    ],
  ],
  // Environment.
  [`${app}/env/0/name`, '1ST', 'containers[0].env[0].name: "1ST" is no name of a variable'],
  [`${app}/env/3/value`, 'x', 'containers[0].env[3].valueFrom: may not stand beside a value'],
  [`${app}/env/3/valueFrom`, {}, 'containers[0].env[3].valueFrom: must name one source, not 0'],
  [
    `${app}/env/3/valueFrom/secretKeyRef`,
    { key: 'a', name: 'b' },
    'containers[0].env[3].valueFrom: must name one source, not 2',
  ],
  [
    `${app}/env/3/valueFrom/fieldRef/fieldPath`,
    'status.phase',
    'containers[0].env[3].valueFrom.fieldRef.fieldPath: "status.phase" is none for a variable',
  ],
  [
    `${app}/env/5/valueFrom/resourceFieldRef/resource`,
    'cpu',
    'containers[0].env[5].valueFrom.resourceFieldRef.resource: "cpu" is none',
  ],
  [`${app}/envFrom/0/configMapRef`, undefined, 'containers[0].envFrom[0]: must name one source, not 0'],
  // Mounts and volumes.
  [`${app}/volumeMounts/0/name`, 'none', 'containers[0].volumeMounts: there is no volume "none"'],
  [`${app}/volumeMounts/0/mountPath`, '/etc/orders', 'containers[0].volumeMounts: two are at "/etc/orders"'],
  [`${app}/volumeMounts/0/mountPath`, '/a:b', 'containers[0].volumeMounts: "/a:b" is no place to mount at'],
  [
    `${app}/volumeMounts/0/mountPropagation`,
    'Bidirectional',
    'containers[0].volumeMounts: "scratch" is Bidirectional in a container without privileges',
  ],
  [`${app}/volumeMounts/2/subPath`, 'a/../../b', 'containers[0].volumeMounts[2].subPath: leaves the volume'],
  [
    `${app}/volumeMounts/2/subPathExpr`,
    '$(A)',
    'containers[0].volumeMounts[2].subPathExpr: may not stand beside subPath',
  ],
  [`${pod}/volumes/1/name`, 'scratch', 'volumes: two are named "scratch"'],
  [`${pod}/volumes/1/name`, 'a.b', 'volumes[1].name: "a.b" is no name of a volume'],
  [
    `${pod}/volumes/0/secret`,
    { secretName: 'a' },
    'volumes[0]: may not specify more than 1 volume type: emptyDir, secret',
  ],
  [`${pod}/volumes/0/emptyDir/sizeLimit`, '-1Mi', 'volumes[0].emptyDir.sizeLimit: is no quantity'],
  [`${pod}/volumes/2/configMap/name`, undefined, 'volumes[2].configMap.name: is required'],
  [`${pod}/volumes/2/configMap/items/0/key`, 'a/b', 'volumes[2].items: "a/b" is no key'],
  [`${pod}/volumes/2/configMap/items/0/path`, '../a', 'volumes[2].items: "../a" leaves the volume'],
  [`${pod}/volumes/2/configMap/items/0/mode`, 444],
  [`${pod}/volumes/2/configMap/items/0/mode`, 777, 'volumes[2]: mode 777 is not between 0 and 0777 (octal)'],
  [`${pod}/volumes/3/secret/secretName`, '', 'volumes[3].secret.secretName: is required'],
  [`${pod}/volumes/3/secret/defaultMode`, 1000, 'volumes[3]: mode 1000 is not between 0 and 0777 (octal)'],
  [`${pod}/volumes/4/csi/driver`, 'a/b', 'volumes[4].csi.driver: "a/b" is no name of a driver'],
  [`${pod}/volumes/4/csi/nodePublishSecretRef`, {}, 'volumes[4].csi.nodePublishSecretRef.name: is required'],
  [`${pod}/volumes/1/hostPath`, { path: '/a/../b' }, 'volumes[1].hostPath.path: has a ..'],
  [
    `${pod}/volumes/5/projected/sources/0/serviceAccountToken/expirationSeconds`,
    60,
    'volumes[5].projected.sources[0].serviceAccountToken.expirationSeconds: is not at least 600',
  ],
  [`${pod}/volumes/5/projected/sources/0`, {}, 'volumes[5].projected.sources[0]: must name one source'],
  [
    `${pod}/volumes/5/projected/sources/1/downwardAPI/items/0/path`,
    'token',
    'volumes[5].projected: two sources write "token"',
  ],
  [
    `${pod}/volumes/5/projected/sources/1/downwardAPI/items/0/path`,
    '/a',
    'volumes[5].projected: "/a" leaves the volume',
  ],
  // Probes and hooks.
  [
    `${migrate}/readinessProbe`,
    { exec: { command: ['a'] } },
    'initContainers[0].readinessProbe: may not be set for init containers without restartPolicy Always',
  ],
  [
    `${migrate}/lifecycle`,
    {},
    'initContainers[0].lifecycle: may not be set for init containers without restartPolicy Always',
  ],
  [`${proxy}/startupProbe/httpGet`, undefined, 'initContainers[1].startupProbe: must specify a handler type'],
  [
    `${app}/startupProbe/exec`,
    { command: ['a'] },
    'containers[0].startupProbe: may not specify more than 1 handler type: exec, tcpSocket',
  ],
  [
    `${app}/startupProbe/tcpSocket/port`,
    'https',
    'containers[0].startupProbe.tcpSocket.port: no port of the container is named "https"',
  ],
  [
    `${app}/startupProbe/tcpSocket/port`,
    '8080',
    'containers[0].startupProbe.tcpSocket.port: "8080" is no name of a port',
  ],
  [`${app}/readinessProbe/httpGet/port`, 0, 'containers[0].readinessProbe.httpGet.port: 0 is no port'],
  [
    `${app}/readinessProbe/httpGet/httpHeaders/0/name`,
    'X Probe',
    'containers[0].readinessProbe.httpGet.httpHeaders: "X Probe" is no name of a header',
  ],
  [`${app}/livenessProbe/grpc/port`, 70_000, 'containers[0].livenessProbe.grpc.port: is no port'],
  [`${app}/livenessProbe/successThreshold`, 2, 'containers[0].livenessProbe.successThreshold: must be 1'],
  [`${app}/startupProbe/successThreshold`, 2, 'containers[0].startupProbe.successThreshold: must be 1'],
  [`${app}/startupProbe/periodSeconds`, -1, 'containers[0].startupProbe.periodSeconds: is negative'],
  [
    `${app}/readinessProbe/terminationGracePeriodSeconds`,
    1,
    'containers[0].readinessProbe.terminationGracePeriodSeconds: must not be set for readiness probes',
  ],
  [
    `${app}/livenessProbe/terminationGracePeriodSeconds`,
    0,
    'containers[0].livenessProbe.terminationGracePeriodSeconds: must be positive',
  ],
  [
    `${app}/lifecycle/postStart/exec/command`,
    [],
    'containers[0].lifecycle.postStart.exec.command: is required',
  ],
  [`${app}/lifecycle/preStop`, {}, 'containers[0].lifecycle.preStop: must specify a handler type'],
  [
    `${proxy}/lifecycle/preStop/sleep/seconds`,
    46,
    'initContainers[1].lifecycle.preStop.sleep.seconds: is not within the grace period of 45 s',
  ],
  // Resources.
  [`${app}/resources/requests/cpu`, 1],
  [`${app}/resources/requests/cpu`, '1001m', 'containers[0].resources.requests: cpu is not within the limit'],
  [
    `${app}/resources/requests/memory`,
    '513Mi',
    'containers[0].resources.requests: memory is not within the limit',
  ],
  [
    `${app}/resources`,
    { requests: { 'example.com/gpu': 1 }, limits: { 'example.com/gpu': 2 } },
    'containers[0].resources.requests: example.com/gpu is not within the limit',
  ],
  [`${app}/resources/limits/memory`, '1.5d', 'containers[0].resources: memory "1.5d" is no quantity'],
  [`${app}/resources/requests/gpu`, 1, 'containers[0].resources: "gpu" is no resource'],
  // Security.
  [
    `${app}/securityContext/runAsUser`,
    0,
    'containers[0].securityContext: runAsNonRoot is true and runAsUser is 0',
  ],
  [`${app}/securityContext/runAsUser`, -1, 'containers[0].securityContext.runAsUser: is no user'],
  [
    `${app}/securityContext/privileged`,
    true,
    'containers[0].securityContext: allowPrivilegeEscalation is false and privileged is true',
  ],
  [
    `${app}/securityContext/capabilities/add`,
    ['SYS_ADMIN'],
    'containers[0].securityContext: allowPrivilegeEscalation is false and CAP_SYS_ADMIN is added',
  ],
  [
    `${app}/securityContext/seccompProfile`,
    { type: 'RuntimeDefault', localhostProfile: 'a' },
    'containers[0].securityContext.seccompProfile.localhostProfile: may stand only with type Localhost',
  ],
]

export const pods: readonly Break[] = breaks.map(([path, value, problem]) => [
  'Deployment',
  path,
  value,
  problem === undefined ? undefined : `${pod.replaceAll('/', '.')}.${problem}`,
])
