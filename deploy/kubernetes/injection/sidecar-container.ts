// The sidecar's container.
import type { Wishes } from './annotations.ts'
import { places, portNames, ports, program, sidecarName, sidecarUid } from './names.ts'
import type { Container, EnvironmentVariable, Lifecycle, PodSpec, VolumeMount } from './pod.ts'
import type { Questions } from './probes.ts'
import { sidecarResources } from './resources.ts'
import type { SidecarForm } from './settings.ts'

export interface SidecarParts {
  readonly image: string
  readonly form: SidecarForm
  readonly service: string
  readonly appPort: number | undefined
  readonly hasCertificate: boolean
  readonly wishes: Wishes
  readonly spec: PodSpec
  readonly questions: Questions
  readonly telemetry: readonly EnvironmentVariable[]
  readonly mounts: readonly VolumeMount[]
  readonly preload: boolean
}

const secondsAfterDrain = 5
const graceSeconds = 30

export function sidecarContainer(parts: SidecarParts): Container {
  const { image, form, wishes, mounts, spec } = parts
  return {
    name: sidecarName,
    image,
    args: ['run'],
    ...(form === 'native' ? { restartPolicy: 'Always' } : {}),
    ports: [
      { name: portNames.inbound, containerPort: ports.inbound },
      { name: portNames.probes, containerPort: ports.probes },
    ],
    env: environment(parts),
    resources: sidecarResources(wishes, spec.resources),
    // It lives before its issuer answers: the app is not started for an outage's end.
    startupProbe: { httpGet: { path: '/livez', port: ports.probes }, periodSeconds: 1, failureThreshold: 60 },
    readinessProbe: { httpGet: { path: '/ready', port: ports.probes }, periodSeconds: 2, timeoutSeconds: 2 },
    livenessProbe: {
      httpGet: { path: '/livez', port: ports.probes },
      periodSeconds: 10,
      timeoutSeconds: 5,
      failureThreshold: 6,
    },
    lifecycle: lifecycle(form),
    securityContext: {
      runAsUser: sidecarUid,
      runAsGroup: sidecarUid,
      runAsNonRoot: true,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
    volumeMounts: mounts,
  }
}

/** The kubelet runs hooks of all containers at once; a classic sidecar would also be ended with them. */
function lifecycle(form: SidecarForm): Lifecycle {
  if (form === 'native') return { preStop: exec('drain', '--wait') }
  return { postStart: exec('wait'), preStop: exec('drain', '--wait', '--until-app-ends') }
}

function exec(...args: readonly string[]) {
  return { exec: { command: [...program, ...args] } }
}

function set(name: string, value: string | number | undefined): EnvironmentVariable[] {
  // The kubelet reads `$(NAME)` as another variable, and `$$` as `$`.
  return value === undefined
    ? []
    : [{ name: `ONBEHALF_${name}`, value: String(value).replaceAll('$', '$$$$') }]
}

function environment(parts: SidecarParts): EnvironmentVariable[] {
  const { service, appPort, hasCertificate, wishes, spec, questions, telemetry, preload } = parts
  const delay = wishes['drain-delay'] ?? 5
  const hasQuestions = Object.keys(questions).length > 0
  return [
    ...set('CONFIG', places.meshFile),
    ...set('SERVICE', service),
    ...set('APP', appPort === undefined ? undefined : `http://127.0.0.1:${appPort}`),
    ...set('LISTEN_INBOUND', both('0.0.0.0', '[::]', ports.inbound)),
    ...set('LISTEN_OUTBOUND', both('127.0.0.1', '[::1]', ports.outbound)),
    ...set('LISTEN_ADMIN', `127.0.0.1:${ports.admin}`),
    ...set('LISTEN_PROBES', both('0.0.0.0', '[::]', ports.probes)),
    ...set('LOG_FORMAT', 'json'),
    ...set('LOG_LEVEL', wishes['log-level']),
    ...set('CERTIFICATE', hasCertificate ? `${places.certificate}/tls.crt` : undefined),
    ...set('KEY', hasCertificate ? `${places.certificate}/tls.key` : undefined),
    ...set('TOKEN_FILE', wishes['token-audience'] === undefined ? undefined : `${places.token}/token`),
    ...set('DRAIN_DELAY', `${delay}s`),
    ...set('DRAIN', `${drainSeconds(spec, delay)}s`),
    ...set('PRELOAD_DIR', preload ? places.preload : undefined),
    ...set('APP_PROBES', hasQuestions ? JSON.stringify(questions) : undefined),
    ...(hasQuestions
      ? [{ name: 'ONBEHALF_POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }]
      : []),
    { name: 'XDG_RUNTIME_DIR', value: places.run },
    ...telemetry,
  ]
}

function both(ipv4: string, ipv6: string, port: number): string {
  return `${ipv4}:${port},${ipv6}:${port}`
}

/** What the pod's grace period leaves for requests under way, so that the app still has time to end by itself. */
export function drainSeconds(
  { terminationGracePeriodSeconds: grace }: PodSpec,
  delaySeconds: number,
): number {
  return Math.max(1, (grace ?? graceSeconds) - delaySeconds - secondsAfterDrain)
}
