// The steps of a decision and what came of each, derived from its one record: for spans, metrics, the page and people.
import type { Decision, RecordedPrincipal } from './decision.ts'
import type { RefusalCode } from './errors.ts'

/** `absent`: there was nothing of the kind. `not_reached`: an earlier step refused. */
export type StepResult = 'passed' | 'refused' | 'absent' | 'not_reached'

export interface Step {
  readonly name: StepName
  readonly result: StepResult
  /** What was found; of the refused step, its code. */
  readonly found: string
}

export type StepName =
  | 'request'
  | 'certificate'
  | 'assertion'
  | 'route'
  | 'original_user'
  | 'evidence'
  | 'policy'
  | 'session'
  | 'cause'
  | 'credential'

export function stepsOf(decision: Decision): readonly Step[] {
  const names = decision.direction === 'inbound' ? inboundNames : outboundNames
  const refusing = refusingStep(decision)
  const all = refusing === undefined || names.includes(refusing) ? names : [refusing, ...names]
  const end = refusing === undefined ? all.length : all.indexOf(refusing)
  return all.map((name, i) => {
    if (i === end) return { name, result: 'refused', found: decision.code ?? '' }
    if (i > end) return after(decision, name)
    return before(decision, name, refusing)
  })
}

function before(decision: Decision, name: StepName, refusing: StepName | undefined): Step {
  // A user whose way is not shown is not recorded, so nothing can be said of one.
  if (name === 'original_user' && refusing === 'evidence') {
    return { name, result: 'absent', found: 'no user counts without evidence' }
  }
  const found = foundBy(decision, name)
  return { name, result: found === undefined ? 'absent' : 'passed', found: found ?? absent[name] ?? '' }
}

const inboundNames: readonly StepName[] = [
  'certificate',
  'assertion',
  'route',
  'original_user',
  'evidence',
  'policy',
  'session',
]
const outboundNames: readonly StepName[] = ['route', 'cause', 'credential']

/** That an original user is required is said last, when all that there is was verified. */
function after(decision: Decision, name: StepName): Step {
  const isLast = decision.direction === 'inbound' && decision.code === 'original_user_required'
  if (!isLast) return { name, result: 'not_reached', found: '' }
  if (name === 'session') return { name, result: 'not_reached', found: '' }
  return name === 'policy'
    ? { name, result: 'passed', found: 'it allows this caller' }
    : { name, result: 'absent', found: absent[name] ?? '' }
}

function refusingStep({ code, direction, caller, outcome }: Decision): StepName | undefined {
  if (outcome !== 'refused' || code === undefined) return undefined
  const isInbound = direction === 'inbound'
  if (code.startsWith('client_certificate_')) return 'certificate'
  if (code.startsWith('assertion_')) return 'assertion'
  if (code.startsWith('original_user_')) return isInbound ? 'original_user' : 'cause'
  if (code.startsWith('evidence_')) return 'evidence'
  // Keys are asked for where a token is verified: the caller's before the user's.
  if (code === 'keys_unavailable') return keysStep(isInbound, caller !== undefined)
  if (code === 'session_unavailable') return isInbound ? 'session' : 'cause'
  return stepByCode[code] ?? 'request'
}

function keysStep(isInbound: boolean, isCallerKnown: boolean): StepName {
  if (!isInbound) return 'credential'
  return isCallerKnown ? 'original_user' : 'assertion'
}

const stepByCode: Readonly<Partial<Record<RefusalCode, StepName>>> = {
  route_not_found: 'route',
  call_not_allowed: 'route',
  egress_denied: 'route',
  policy_denied: 'policy',
  credential_unavailable: 'credential',
}

/** In words, what is not there where a step had nothing to verify. */
const absent: Readonly<Partial<Record<StepName, string>>> = {
  certificate: 'the connection showed none that counts',
  assertion: 'the request brought none',
  route: 'none names this host: no identity goes along',
  original_user: 'the request names none',
  evidence: 'none was needed',
  cause: 'nobody asked: the call carries no user',
  credential: 'no identity goes along',
}

/** What a step that did not refuse has found; undefined where it had nothing to look at. */
function foundBy(decision: Decision, name: StepName): string | undefined {
  switch (name) {
    case 'certificate':
      return decision.certificate
    case 'assertion':
      return decision.caller && whoIs(decision.caller)
    case 'original_user':
      return decision.originalUser && whoIs(decision.originalUser)
    case 'route':
      return decision.route
    case 'evidence':
      return decision.chain && `by way of ${decision.chain.join(', ')}`
    case 'policy':
      return decision.outcome === 'allowed' ? decision.reason : 'it allows this caller'
    case 'session':
      return 'kept, for the calls that the app makes for it'
    case 'cause':
      return foundCause(decision)
    case 'credential':
      return decision.route === undefined ? undefined : 'the service account’s own'
    default:
      return ''
  }
}

function foundCause({ cause, source, sources, originalUser }: Decision): string | undefined {
  if (sources === undefined) return undefined
  switch (cause) {
    case 'user':
      return `${originalUser === undefined ? 'a user' : whoIs(originalUser)}, as ${source} says`
    case 'own':
      return `a service account’s own call, as ${source} says`
    case 'nobody':
      return `a request about nobody, as ${source} says`
    default:
      return 'the app carried nothing: a call of its own'
  }
}

const kinds = { user: 'user', service_account: 'service account', anonymous: 'nobody' } as const

function whoIs({ kind, issuer, subject }: RecordedPrincipal): string {
  return `${kinds[kind]} ${subject} of ${issuer}`
}
