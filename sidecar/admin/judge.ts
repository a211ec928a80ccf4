// What this sidecar would answer to a token: the same decision, on a request made up around it, and nothing used up.
import type { Refusal } from '../../shared/errors.ts'
import type { RequestHead } from '../../shared/head.ts'
import { headerNames } from '../../shared/headers/names.ts'
import { decideInbound, type InboundAnswer } from '../../shared/inbound.ts'
import type { Assertion } from '../../shared/identity.ts'
import type { Runtime } from '../runtime.ts'

export interface AskedToken {
  readonly token: string
  /** Of an X-Pomerium-Jwt-Assertion-For beside it. */
  readonly tokenFor: string | undefined
}

export interface Judgement {
  readonly accepted: boolean
  readonly code?: string
  /** What was found, one fact each. */
  readonly lines: readonly string[]
}

export function judgeToken(asked: AskedToken, { current, revocations, now }: Runtime): Judgement {
  const { snapshot } = current()
  const answer = decideInbound({
    head: headWith(asked),
    peer: { address: '127.0.0.1' },
    snapshot,
    revocations,
    nowMs: now(),
    missing: () => 'unknown',
  })
  const lines = [
    ...foundLines(answer),
    `${snapshot.mesh.service} was asked GET / from 127.0.0.1, by what it knows now`,
  ]
  return answer.permitted
    ? { accepted: true, lines }
    : { accepted: false, code: answer.refusal.code, lines: [...refusalLines(answer.refusal), ...lines] }
}

function headWith({ token, tokenFor }: AskedToken): RequestHead {
  const beside = tokenFor === undefined ? [] : [headerNames.assertionFor, tokenFor]
  return {
    method: 'GET',
    target: '/',
    headers: ['Host', 'localhost', headerNames.assertion, token, ...beside],
  }
}

function refusalLines({ message, detail }: Refusal): string[] {
  return detail === undefined ? [message] : [message, detail]
}

/** Of what is verified; of a token that is not, nothing may be believed. */
function foundLines({ permitted, findings }: InboundAnswer): string[] {
  const { caller, originalUser, route, policy } = findings
  return [
    ...(caller === undefined ? [] : [`the assertion is that of ${describe(caller)}`]),
    ...(originalUser === undefined ? [] : [`on behalf of ${describe(originalUser)}`]),
    ...(route === undefined ? [] : [`route ${route.name}`]),
    ...(permitted && policy !== undefined ? [`policy: ${policy.reason}`] : []),
  ]
}

function describe({ kind, principal, expiresAt }: Assertion): string {
  const who =
    kind === 'anonymous'
      ? 'nobody'
      : `${kind === 'user' ? 'user' : 'service account'} ${principal.issuer}/${principal.subject}`
  return `${who}, valid until ${new Date(expiresAt * 1000).toISOString()}`
}
