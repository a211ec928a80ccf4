// What the API server asks of probes and lifecycle hooks (pkg/apis/core/validation: validateProbe, validateHandler, validateLifecycle).
import { duplicates, isPortName, isPortNumber } from './text.ts'
import { isRestartable, type Container, type Hook, type Placed, type Probe } from './types.ts'

type Handler = Probe & Hook

const handlerKinds = ['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep'] as const
const probeKinds = ['startupProbe', 'readinessProbe', 'livenessProbe'] as const
const hookKinds = ['postStart', 'preStop'] as const
const numbers = [
  'initialDelaySeconds',
  'timeoutSeconds',
  'periodSeconds',
  'successThreshold',
  'failureThreshold',
] as const

/** @param graceSeconds the pod's `terminationGracePeriodSeconds`. */
export function handlersProblems({ container, path, isInit }: Placed, graceSeconds: number): string[] {
  if (isInit && !isRestartable(container)) return forbidden(container, path)
  const probes = probeKinds.flatMap((kind) => {
    const probe = container[kind]
    return probe === undefined ? [] : probeProblems(probe, kind, container, `${path}.${kind}`)
  })
  const hooks = hookKinds.flatMap((kind) => {
    const hook = container.lifecycle?.[kind]
    return hook === undefined ? [] : hookProblems(hook, container, `${path}.lifecycle.${kind}`, graceSeconds)
  })
  return [...probes, ...hooks]
}

/** They end: nobody asks whether they are alive (validateInitContainers). */
function forbidden(container: Container, path: string): string[] {
  return [...probeKinds, 'lifecycle' as const]
    .filter((key) => container[key] !== undefined)
    .map((key) => `${path}.${key}: may not be set for init containers without restartPolicy Always`)
}

function probeProblems(
  probe: Probe,
  kind: (typeof probeKinds)[number],
  container: Container,
  path: string,
): string[] {
  const { successThreshold = 1, terminationGracePeriodSeconds: grace } = probe
  const isReadiness = kind === 'readinessProbe'
  return [
    ...handlerProblems(probe, container, path),
    ...numbers.filter((key) => (probe[key] ?? 0) < 0).map((key) => `${path}.${key}: is negative`),
    ...(!isReadiness && successThreshold > 1 ? [`${path}.successThreshold: must be 1`] : []),
    ...(isReadiness && grace !== undefined
      ? [`${path}.terminationGracePeriodSeconds: must not be set for readiness probes`]
      : []),
    ...(grace !== undefined && grace <= 0 ? [`${path}.terminationGracePeriodSeconds: must be positive`] : []),
  ]
}

function hookProblems(hook: Hook, container: Container, path: string, graceSeconds: number): string[] {
  const seconds = hook.sleep?.seconds
  const isTooLong = seconds !== undefined && (seconds < 0 || seconds > graceSeconds)
  return [
    ...handlerProblems(hook, container, path),
    ...(isTooLong ? [`${path}.sleep.seconds: is not within the grace period of ${graceSeconds} s`] : []),
  ]
}

function handlerProblems(handler: Handler, container: Container, path: string): string[] {
  const kinds = handlerKinds.filter((kind) => handler[kind] !== undefined)
  if (kinds.length === 0) return [`${path}: must specify a handler type`]
  if (kinds.length > 1) return [`${path}: may not specify more than 1 handler type: ${kinds.join(', ')}`]
  const { exec, httpGet, tcpSocket, grpc } = handler
  return [
    ...(exec !== undefined && (exec.command ?? []).length === 0 ? [`${path}.exec.command: is required`] : []),
    ...(httpGet === undefined ? [] : portProblems(httpGet.port, container, `${path}.httpGet.port`)),
    ...(httpGet?.httpHeaders ?? [])
      .filter(({ name }) => !/^[-A-Za-z0-9]+$/.test(name))
      .map(({ name }) => `${path}.httpGet.httpHeaders: "${name}" is no name of a header`),
    ...(tcpSocket === undefined ? [] : portProblems(tcpSocket.port, container, `${path}.tcpSocket.port`)),
    ...(grpc === undefined || isPortNumber(grpc.port) ? [] : [`${path}.grpc.port: is no port`]),
  ]
}

/** The server takes any name; one that is not declared fails at the kubelet (pkg/probe, ResolveContainerPort). */
function portProblems(port: number | string, { ports = [] }: Container, path: string): string[] {
  if (typeof port === 'number') return isPortNumber(port) ? [] : [`${path}: ${port} is no port`]
  if (!isPortName(port)) return [`${path}: "${port}" is no name of a port`]
  return ports.some(({ name }) => name === port)
    ? []
    : [`${path}: no port of the container is named "${port}"`]
}

/** Of the declared ports themselves (validateContainerPorts). */
export function declaredPortProblems({ ports = [] }: Container, path: string): string[] {
  const names = ports.flatMap(({ name }) => name ?? [])
  const own = ports.flatMap(({ name, containerPort, hostPort }, i) => [
    ...(name === undefined || name === '' || isPortName(name)
      ? []
      : [`${path}.ports[${i}].name: "${name}" is no name of a port`]),
    ...(isPortNumber(containerPort) ? [] : [`${path}.ports[${i}].containerPort: is no port`]),
    ...(hostPort === undefined || hostPort === 0 || isPortNumber(hostPort)
      ? []
      : [`${path}.ports[${i}].hostPort: is no port`]),
  ])
  return [...own, ...duplicates(names).map((name) => `${path}.ports: two are named "${name}"`)]
}
