// The steps of a decision and what came of each: for spans, metrics and people, derived from its one record.
import type { Decision, RecordedPrincipal } from './decision.ts'
import type { RefusalCode } from './errors.ts'

export type StepName =
  | 'request'
  | 'certificate'
  | 'assertion'
  | 'route'
  | 'original_user'
  | 'evidence'
  | 'policy'
  | 'cause'
  | 'session'
  | 'credential'

export interface Step {
  readonly name: StepName
  /** `absent`: there was nothing of the kind, and nothing needed it. */
  readonly result: 'passed' | 'refused' | 'absent'
  /** Of the refused step. */
  readonly code?: RefusalCode
  /** What was found, in words. */
  readonly found: string
}

/** Those that were reached, in their order; a refused one is the last. */
export function stepsOf(decision: Decision): readonly Step[] {
  const all = decision.direction === 'inbound' ? inboundSteps(decision) : outboundSteps(decision)
  const { code } = decision
  if (code === undefined) return all
  const name = refusingStep(decision, code)
  const at = all.findIndex((step) => step.name === name)
  // Whatever is none of them refuses before them.
  return [
    ...all.slice(0, Math.max(at, 0)),
    { name, result: 'refused', code, found: decision.detail ?? decision.reason },
  ]
}

/** Which step refuses with a code; in what came first, if several do. */
function refusingStep({ direction, caller }: Decision, code: RefusalCode): StepName {
  const [, name] = byPrefix.find(([prefix]) => code.startsWith(prefix)) ?? []
  if (name !== undefined) return name
  if (code === 'keys_unavailable') return caller === undefined ? 'assertion' : 'original_user'
  if (code === 'session_unavailable') return direction === 'inbound' ? 'session' : 'cause'
  return 'request'
}

const byPrefix: readonly (readonly [prefix: string, step: StepName])[] = [
  ['client_certificate_', 'certificate'],
  ['assertion_', 'assertion'],
  ['original_user_lost', 'cause'],
  ['original_user_ambiguous', 'cause'],
  ['original_user_', 'original_user'],
  ['evidence_', 'evidence'],
  ['policy_', 'policy'],
  ['route_', 'route'],
  ['call_', 'route'],
  ['egress_', 'route'],
  ['credential_', 'credential'],
]

function inboundSteps({ certificate, caller, route, originalUser, chain, reason }: Decision): Step[] {
  return [
    given('certificate', certificate, 'none was shown'),
    given('assertion', caller && describePrincipal(caller), 'none came'),
    given('route', route, 'none'),
    given('original_user', originalUser && describePrincipal(originalUser), 'none came'),
    given('evidence', chain?.join(', '), 'none came'),
    { name: 'policy', result: 'passed', found: reason },
    { name: 'session', result: 'passed', found: 'kept' },
  ]
}

function outboundSteps({ route, sources, cause, originalUser, reason }: Decision): Step[] {
  if (route === undefined) return [{ name: 'route', result: 'absent', found: reason }]
  const carried = sources?.map(({ name, says }) => `${name} says ${says}`).join(', ')
  return [
    { name: 'route', result: 'passed', found: route },
    given('cause', cause === undefined || cause === 'none' ? undefined : carried, 'the app carried nothing'),
    given('original_user', originalUser && describePrincipal(originalUser), 'none goes along'),
    { name: 'credential', result: 'passed', found: 'attached' },
  ]
}

function given(name: StepName, found: string | undefined, otherwise: string): Step {
  return found === undefined
    ? { name, result: 'absent', found: otherwise }
    : { name, result: 'passed', found }
}

export function describePrincipal({ kind, issuer, subject }: RecordedPrincipal): string {
  if (kind === 'anonymous') return 'anonymous'
  return `${kind === 'user' ? 'user' : 'service account'} ${issuer}/${subject}`
}
