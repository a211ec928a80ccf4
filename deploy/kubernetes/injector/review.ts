// AdmissionReview admission.k8s.io/v1: what is asked by the API server, and the answer. Pure.
import { injectPod, isAskedFor, type Injection } from '../injection/inject.ts'
import type { PodTemplate } from '../injection/pod.ts'
import type { Settings } from '../injection/settings.ts'
import { nestsDeeply } from './nesting.ts'
import { cut, shownReasons, shownWarnings, withoutControls } from './warnings.ts'

export const outcomes = ['injected', 'unchanged', 'refused', 'failed'] as const
export type Outcome = (typeof outcomes)[number]

export interface Reviewed {
  /** Of HTTP. */
  readonly status: 200 | 400
  /** JSON. */
  readonly body: string
  readonly outcome: Outcome
  /** Whom it was about, as a log may say it. */
  readonly namespace: string
  readonly pod: string
  readonly isDryRun: boolean
  /** Why it is not injected, or what weakens its injection. */
  readonly reasons: readonly string[]
}

const apiVersion = 'admission.k8s.io/v1'

/** Never throws: what goes wrong is an answer that does not let the pod in. */
export function review(text: string, settings: Settings): Reviewed {
  const request = requestOf(text)
  if (typeof request === 'string') return notUnderstood(request)
  const about = { namespace: textOf(request.namespace), pod: nameOf(request) }
  const { decided, body } = answer(request, settings, about.pod)
  return {
    status: 200,
    body,
    outcome: decided.kind,
    ...about,
    isDryRun: request.dryRun === true,
    reasons: reasonsOf(decided),
  }
}

interface Request {
  readonly uid: string
  readonly namespace?: unknown
  readonly name?: unknown
  readonly operation?: unknown
  readonly subResource?: unknown
  readonly dryRun?: unknown
  readonly kind?: { readonly group?: unknown; readonly version?: unknown; readonly kind?: unknown } | null
  readonly object?: PodTemplate | null
}

type Decided = Injection | { readonly kind: 'failed'; readonly reasons: readonly string[] }

/** A string says what is wrong. */
function requestOf(text: string): Request | string {
  if (nestsDeeply(text)) return 'The body nests deeper than any review.'
  const read = parse(text)
  if (read === undefined) return 'The body is no JSON object.'
  if (read.apiVersion !== apiVersion || read.kind !== 'AdmissionReview')
    return `The body is no AdmissionReview of ${apiVersion}.`
  const { request } = read
  if (typeof request?.uid !== 'string' || request.uid === '') return 'The review has no request with a uid.'
  return { ...request, uid: request.uid }
}

interface Review {
  readonly apiVersion?: unknown
  readonly kind?: unknown
  readonly request?: Partial<Request> | null
}

function parse(text: string): Review | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

interface Answered {
  readonly decided: Decided
  readonly body: string
}

function answer(request: Request, settings: Settings, pod: string): Answered {
  const answerBy = (decided: Decided): Answered => ({ decided, body: bodyOf(request.uid, decided, pod) })
  try {
    return answerBy(decide(request, settings))
  } catch (error) {
    const why = error instanceof Error ? error.message : 'unknown'
    return answerBy({ kind: 'failed', reasons: [`the injection failed: ${why}`] })
  }
}

function bodyOf(uid: string, decided: Decided, pod: string): string {
  const response = { uid, ...responseTo(decided, pod) }
  return JSON.stringify({ apiVersion, kind: 'AdmissionReview', response })
}

function decide(request: Request, settings: Settings): Decided {
  if (!isCreationOfPod(request)) return { kind: 'unchanged', why: 'only the creation of pods is looked at' }
  return decidePod(request.object, settings)
}

function isCreationOfPod({ kind, operation, subResource = '' }: Request): boolean {
  const isPod = kind?.group === '' && kind.version === 'v1' && kind.kind === 'Pod'
  return isPod && operation === 'CREATE' && subResource === ''
}

function decidePod(pod: Request['object'], settings: Settings): Decided {
  const containers: unknown = pod?.spec.containers
  if (pod === undefined || pod === null || (containers ?? undefined) === undefined || !isList(containers))
    return { kind: 'failed', reasons: ['the request holds no pod'] }
  // A classic sidecar would make a pod of it that is let in.
  if (containers.length === 0) return { kind: 'unchanged', why: 'it has no containers, so nobody lets it in' }
  return injectPod(pod, settings, isAskedFor(pod))
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value)
}

/** A pod of a ReplicaSet has no name before it is let in. */
function nameOf({ name, object }: Request): string {
  const { name: own, generateName } = object?.metadata ?? {}
  return textOf(name) || textOf(own) || (textOf(generateName) && `${textOf(generateName)}*`)
}

/** No name of Kubernetes is longer. */
const longestName = 253

function textOf(value: unknown): string {
  return typeof value === 'string' ? cut(value, longestName) : ''
}

function reasonsOf(decided: Decided): readonly string[] {
  switch (decided.kind) {
    case 'injected':
      return shownReasons(decided.warnings)
    case 'unchanged':
      return [decided.why]
    case 'refused':
    case 'failed':
      return shownReasons(decided.reasons)
  }
}

function responseTo(decided: Decided, pod: string): object {
  switch (decided.kind) {
    case 'unchanged':
      return { allowed: true }
    case 'injected': {
      const patch = Buffer.from(JSON.stringify(decided.operations)).toString('base64')
      const warnings = shownWarnings(decided.warnings)
      return {
        allowed: true,
        patchType: 'JSONPatch',
        patch,
        ...(warnings.length === 0 ? {} : { warnings }),
      }
    }
    case 'refused':
      return notAllowed(422, 'Invalid', decided.reasons, pod)
    case 'failed':
      return notAllowed(500, 'InternalError', decided.reasons, pod)
  }
}

function notAllowed(code: number, reason: string, reasons: readonly string[], pod: string): object {
  const why = shownReasons(reasons).join('; ')
  const message = withoutControls(`onbehalf: no sidecar can stand beside pod ${pod}: ${why}`)
  return { allowed: false, status: { status: 'Failure', code, reason, message } }
}

function notUnderstood(reason: string): Reviewed {
  return {
    status: 400,
    body: `${reason}\n`,
    outcome: 'failed',
    namespace: '',
    pod: '',
    isDryRun: false,
    reasons: [reason],
  }
}
