// Which steps a decision took, and which of them refused: derived from the decision alone.
import type { DecisionEvent } from './protocol.ts'
import { shellWord } from './words.ts'

/** `none`: there was nothing to verify. `not reached`: an earlier step refused. */
export type Verdict = 'passed' | 'refused' | 'none' | 'not reached'

export interface Step {
  readonly name: StepName
  readonly verdict: Verdict
  /** What was found. */
  readonly note: string
}

export type StepName =
  | 'request'
  | 'certificate'
  | 'assertion'
  | 'route'
  | 'original user'
  | 'evidence'
  | 'policy'
  | 'session'
  | 'cause'
  | 'credential'

type Code = NonNullable<DecisionEvent['code']>

export function stepsOf(decision: DecisionEvent): readonly Step[] {
  const names = decision.direction === 'inbound' ? inboundNames : outboundNames
  const refusing = refusingStep(decision)
  const all = refusing === undefined || names.includes(refusing) ? names : withStep(names, refusing)
  const end = refusing === undefined ? all.length : all.indexOf(refusing)
  return all.map((name, i) => {
    if (i === end) return { name, verdict: 'refused', note: decision.code ?? '' }
    if (i > end) return after(decision, name)
    return before(decision, name, refusing)
  })
}

function before(decision: DecisionEvent, name: StepName, refusing: StepName | undefined): Step {
  // A user whose way is not shown is not recorded, so nothing can be said of one.
  if (name === 'original user' && refusing === 'evidence') {
    return { name, verdict: 'none', note: 'no user counts without evidence' }
  }
  const note = noteOf(decision, name)
  return { name, verdict: note === undefined ? 'none' : 'passed', note: note ?? absent[name] ?? '' }
}

const inboundNames: readonly StepName[] = [
  'certificate',
  'assertion',
  'route',
  'original user',
  'evidence',
  'policy',
]
const outboundNames: readonly StepName[] = ['route', 'cause', 'credential']

/** What comes before all steps, or after all of them, is a step only where it refused. */
function withStep(names: readonly StepName[], extra: StepName): readonly StepName[] {
  return extra === 'session' ? [...names, extra] : [extra, ...names]
}

/** That an original user is required is said last, when all that there is was verified. */
function after(decision: DecisionEvent, name: StepName): Step {
  const isLast = decision.direction === 'inbound' && decision.code === 'original_user_required'
  if (!isLast) return { name, verdict: 'not reached', note: '' }
  return name === 'policy'
    ? { name, verdict: 'passed', note: 'it allows this caller' }
    : { name, verdict: 'none', note: absent[name] ?? '' }
}

function refusingStep({ code, direction, caller, outcome }: DecisionEvent): StepName | undefined {
  if (outcome !== 'refused' || code === undefined) return undefined
  const isInbound = direction === 'inbound'
  if (code.startsWith('client_certificate_')) return 'certificate'
  if (code.startsWith('assertion_')) return 'assertion'
  if (code.startsWith('original_user_')) return isInbound ? 'original user' : 'cause'
  if (code.startsWith('evidence_')) return 'evidence'
  // Keys are asked for where a token is verified: the caller's before the user's.
  if (code === 'keys_unavailable') return keysStep(isInbound, caller !== undefined)
  if (code === 'session_unavailable') return isInbound ? 'session' : 'cause'
  return stepByCode[code] ?? 'request'
}

function keysStep(isInbound: boolean, isCallerKnown: boolean): StepName {
  if (!isInbound) return 'credential'
  return isCallerKnown ? 'original user' : 'assertion'
}

const stepByCode: Readonly<Partial<Record<Code, StepName>>> = {
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
  'original user': 'the request names none',
  evidence: 'none was needed',
  cause: 'nobody asked: the call carries no user',
  credential: 'no identity goes along',
}

/** What a step that did not refuse has found; undefined where it had nothing to look at. */
function noteOf(decision: DecisionEvent, name: StepName): string | undefined {
  switch (name) {
    case 'certificate':
      return decision.certificate
    case 'assertion':
      return decision.caller && whoIs(decision.caller)
    case 'original user':
      return decision.originalUser && whoIs(decision.originalUser)
    case 'route':
      return decision.route
    case 'evidence':
      return decision.chain && `by way of ${decision.chain.map(shellWord).join(', ')}`
    case 'policy':
      return decision.outcome === 'allowed' ? decision.reason : 'it allows this caller'
    case 'cause':
      return causeNote(decision)
    case 'credential':
      return decision.route === undefined ? undefined : 'the service account’s own'
    default:
      return ''
  }
}

function causeNote({ cause, source, sources, originalUser }: DecisionEvent): string | undefined {
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

type Recorded = NonNullable<DecisionEvent['caller']>

function whoIs({ kind, issuer, subject }: Recorded): string {
  return `${kinds[kind]} ${shellWord(subject)} of ${shellWord(issuer)}`
}
