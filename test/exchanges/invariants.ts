// What holds for every message that the sidecar passes on, whatever its row says.
import { canonicalName } from '../../shared/headers/names.ts'
import type { Ground } from './ground.ts'
import { valuesOf, type Answer, type Message } from './strict.ts'

/** Rows that pretend to be somebody write this: nobody may ever see it. */
export const forged = 'forged'

/** RFC 9110 sections 7.6.1, 7.8, 10.1.1 and 11.7; RFC 9113 section 3.1. */
const never = [
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-authentication-info',
  'upgrade',
  'http2-settings',
]
const viaOurs = /(?:^|, )1\.[01] onbehalf-[0-9a-f]{8}$/

export function checkPassedRequest(request: Message, ground: Ground): string[] {
  const names = request.fields.map(([name]) => canonicalName(name))
  // Which rows may make one, they say: the others say that it is not there.
  const isOffer = connectionOptions(request).join() === 'upgrade'
  const problems = [...never, 'expect']
    .filter((name) => names.includes(name) && !(isOffer && name === 'upgrade'))
    .map((name) => `${name} reached the upstream`)
  const assertions = valuesOf(request.fields, 'x-pomerium-jwt-assertion')
  const via = valuesOf(request.fields, 'via').join(', ')
  if (!isOffer && !connectionIsOurs(request)) problems.push('a foreign Connection reached the upstream')
  if (ground.side !== 'unlisted') {
    if (assertions.length !== 1) problems.push('the upstream did not learn who calls')
    if (!viaOurs.test(via)) problems.push(`Via at the upstream: ${JSON.stringify(via)}`)
  } else {
    if (names.some((name) => /pomerium|onbehalf/.test(name))) problems.push('an identity leaves the mesh')
    if (viaOurs.test(via)) problems.push('Via names the sidecar to an unlisted host')
  }
  if (ground.side === 'inbound' && assertions[0] !== ground.words['assertion'])
    problems.push('the app got another assertion')
  return problems
}

export function checkPassedAnswer(answer: Answer): string[] {
  const names = answer.fields.map(([name]) => canonicalName(name))
  const problems = never
    .filter((name) => name !== 'keep-alive' && names.includes(name))
    .map((name) => `${name} reached the client`)
  if (!connectionIsOurs(answer)) problems.push('a foreign Connection reached the client')
  // RFC 9110 section 6.6.1.
  if (valuesOf(answer.fields, 'date').length !== 1) problems.push('an answer has one Date')
  const isRefusal = names.includes('x-onbehalf-error')
  if (!isRefusal && names.some((name) => name.startsWith('x-onbehalf-')))
    problems.push('a name of ours that is not from us')
  return problems
}

function connectionOptions({ fields }: Message): string[] {
  return valuesOf(fields, 'connection').flatMap((value) => value.toLowerCase().split(/, */))
}

function connectionIsOurs(message: Message): boolean {
  return connectionOptions(message).every((option) => ['close', 'keep-alive', 'te'].includes(option))
}
