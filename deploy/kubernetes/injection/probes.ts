// The app's probes and hooks, asked for by the sidecar: the kubelet carries no assertion, and no path of the app is exempt.
import { ports } from './names.ts'
import { pointer, type Operation } from './patch.ts'
import type { Container, Handler, Probe } from './pod.ts'

/** As the sidecar reads it in ONBEHALF_APP_PROBES. */
interface Question {
  readonly http?: {
    readonly port: number
    readonly path: string
    readonly scheme: string
    readonly host?: string
    readonly headers: readonly (readonly [string, string])[]
  }
  readonly grpc?: { readonly port: number; readonly service: string }
  readonly tcp?: { readonly port: number }
  readonly timeoutSeconds: number
}

/** By the path at which the sidecar answers. */
export type Questions = Readonly<Record<string, Question>>

export interface Rewritten {
  readonly operations: readonly Operation[]
  readonly questions: Questions
  readonly problems: readonly string[]
}

const probeKinds = [
  ['startupProbe', 'startup'],
  ['readinessProbe', 'readiness'],
  ['livenessProbe', 'liveness'],
] as const
const hookKinds = [
  ['postStart', 'post-start'],
  ['preStop', 'pre-stop'],
] as const
/** Kubernetes' default, also for 0; hooks have none of their own. */
const probeTimeoutSeconds = 1
const hookTimeoutSeconds = 30
/** More is none for the sidecar. */
const maxTimeoutSeconds = 3_600

/** @param at the container's place in the pod. */
export function rewriteProbes(container: Container, at: string, excluded: ReadonlySet<number>): Rewritten {
  const operations: Operation[] = []
  const questions: Record<string, Question> = {}
  const problems: string[] = []
  const rewrite = (
    given: Handler | null | undefined,
    place: string,
    path: string,
    timeoutSeconds: number,
  ) => {
    if (given === null || given === undefined) return
    const asked = questionOf(given, container)
    if (asked === undefined) return
    if (typeof asked === 'string') {
      problems.push(`container ${container.name}: ${place.replaceAll('/', '.').slice(1)} ${asked}`)
      return
    }
    if (excluded.has(portOf(asked))) return
    questions[path] = { ...asked, timeoutSeconds }
    operations.push({ op: 'replace', path: at + place, value: withHandler(given, path) })
  }
  for (const [key, word] of probeKinds) {
    const probe = container[key]
    const timeout = Math.min(probe?.timeoutSeconds || probeTimeoutSeconds, maxTimeoutSeconds)
    rewrite(probe, pointer(key), `/app-probes/${container.name}/${word}`, timeout)
  }
  for (const [key, word] of hookKinds) {
    const hook = container.lifecycle?.[key]
    // The kubelet does nothing for a TCP hook.
    if (!isGiven(hook?.httpGet)) continue
    rewrite(hook, pointer('lifecycle', key), `/app-lifecycle/${container.name}/${word}`, hookTimeoutSeconds)
  }
  return { operations, questions, problems }
}

type Asked = Omit<Question, 'timeoutSeconds'>

/** Undefined for what the kubelet does not ask of the pod by network; a string for what is wrong. */
function questionOf({ httpGet, grpc, tcpSocket }: Handler, container: Container): Asked | string | undefined {
  if (isGiven(httpGet)) {
    if ((httpGet.host ?? '') !== '') return undefined
    const port = resolvePort(httpGet.port, container)
    if (typeof port === 'string') return port
    const headers = (httpGet.httpHeaders ?? []).map(({ name, value }) => [name, value] as const)
    return { http: { port, path: httpGet.path || '/', scheme: httpGet.scheme || 'HTTP', headers } }
  }
  if (isGiven(grpc)) return { grpc: { port: grpc.port, service: grpc.service ?? '' } }
  if (!isGiven(tcpSocket) || (tcpSocket.host ?? '') !== '') return undefined
  const port = resolvePort(tcpSocket.port, container)
  return typeof port === 'string' ? port : { tcp: { port } }
}

/** A file may hold null. */
function isGiven<T>(value: T): value is NonNullable<T> {
  return value !== undefined && value !== null
}

function portOf({ http, grpc, tcp }: Asked): number {
  return (http ?? grpc ?? tcp)?.port ?? 0
}

function resolvePort(port: number | string, container: Container): number | string {
  if (typeof port === 'number') return port
  const named = container.ports?.find(({ name }) => name === port)
  return named?.containerPort ?? `names the port "${port}", which the container does not declare`
}

/** Times and thresholds stay as they are. */
function withHandler(given: Handler, path: string): Probe {
  const { httpGet: _http, tcpSocket: _tcp, grpc: _grpc, ...rest } = given
  return { httpGet: { path, port: ports.probes }, ...rest }
}
