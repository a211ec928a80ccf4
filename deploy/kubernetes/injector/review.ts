// AdmissionReview admission.k8s.io/v1: what is asked by the API server, and the answer. Pure.
import { injectPod, type Injection } from '../injection/inject.ts'
import type { PodTemplate } from '../injection/pod.ts'
import type { Settings } from '../injection/settings.ts'

export type Outcome = 'injected' | 'unchanged' | 'refused' | 'failed'

export interface Reviewed {
  /** Of HTTP. */
  readonly status: 200 | 400
  /** JSON. */
  readonly body: string
  readonly outcome: Outcome
  /** Whom it was about, as a log may say it. */
  readonly namespace: string
  readonly pod: string
  readonly reasons: readonly string[]
}

const apiVersion = 'admission.k8s.io/v1'
/** What an API server shows of one warning, and of all. */
const longestWarning = 250
const allWarnings = 4_000

/** Never throws: what goes wrong is an answer that does not let the pod in. */
export function review(text: string, settings: Settings): Reviewed {
  const request = requestOf(text)
  if (typeof request === 'string') return notUnderstood(request)
  const about = { namespace: request.namespace ?? '', pod: nameOf(request) }
  const decided = decide(request, settings)
  const reasons = decided.kind === 'refused' || decided.kind === 'failed' ? decided.reasons : []
  const body = JSON.stringify({
    apiVersion,
    kind: 'AdmissionReview',
    response: responseOf(request.uid, decided, about.pod),
  })
  return { status: 200, body, outcome: decided.kind, ...about, reasons }
}

interface Request {
  readonly uid: string
  readonly namespace?: string
  readonly name?: string
  readonly operation?: string
  readonly kind?: { readonly group?: string; readonly version?: string; readonly kind?: string }
  readonly object?: PodTemplate
}

type Decided = Injection | { readonly kind: 'failed'; readonly reasons: readonly string[] }

/** A string says what is wrong. */
function requestOf(text: string): Request | string {
  const read = parse(text)
  if (read === undefined) return 'the body is no JSON object'
  if (read.apiVersion !== apiVersion || read.kind !== 'AdmissionReview')
    return `the body is no AdmissionReview of ${apiVersion}`
  const { request } = read
  if (typeof request?.uid !== 'string' || request.uid === '') return 'the review has no request with a uid'
  return { ...request, uid: request.uid }
}

interface Review {
  readonly apiVersion?: unknown
  readonly kind?: unknown
  readonly request?: Partial<Request>
}

function parse(text: string): Review | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

function decide({ kind, operation, object }: Request, settings: Settings): Decided {
  const isPod = kind?.group === '' && kind.version === 'v1' && kind.kind === 'Pod'
  if (!isPod || operation !== 'CREATE')
    return { kind: 'unchanged', why: 'only the creation of pods is looked at' }
  try {
    if (!Array.isArray(object?.spec.containers))
      return { kind: 'failed', reasons: ['the request holds no pod'] }
    return injectPod(object, settings, true)
  } catch (error) {
    return {
      kind: 'failed',
      reasons: [`the injection failed: ${error instanceof Error ? error.message : 'unknown'}`],
    }
  }
}

function nameOf({ name, object }: Request): string {
  const { metadata } = object ?? {}
  return name ?? metadata?.name ?? (metadata?.generateName === undefined ? '' : `${metadata.generateName}*`)
}

function responseOf(uid: string, decided: Decided, pod: string): object {
  switch (decided.kind) {
    case 'unchanged':
      return { uid, allowed: true }
    case 'injected': {
      const patch = Buffer.from(JSON.stringify(decided.operations)).toString('base64')
      return { uid, allowed: true, patchType: 'JSONPatch', patch, ...warn(decided.warnings) }
    }
    case 'refused':
    case 'failed': {
      const message = `onbehalf: no sidecar can stand beside pod ${pod}: ${decided.reasons.join('; ')}`
      const code = decided.kind === 'refused' ? 422 : 500
      return { uid, allowed: false, status: { code, message } }
    }
  }
}

function warn(warnings: readonly string[]): object {
  const shown: string[] = []
  let length = 0
  for (const warning of warnings) {
    const text = `onbehalf: ${warning}`.slice(0, longestWarning)
    length += text.length
    if (length <= allWarnings) shown.push(text)
  }
  return shown.length === 0 ? {} : { warnings: shown }
}

function notUnderstood(reason: string): Reviewed {
  return { status: 400, body: `${reason}\n`, outcome: 'failed', namespace: '', pod: '', reasons: [reason] }
}
