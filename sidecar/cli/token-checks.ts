// The checks that a sidecar makes, in its order, and how far a token came: read off the answer, not made again.
import { clockSkewSeconds } from '../../shared/assertion/verify.ts'
import { signatureAlgorithms } from '../../shared/config/mesh.ts'
import type { InboundAnswer } from '../../shared/inbound.ts'
import { decodeToken, type DecodedToken } from './token-decode.ts'
import type { TokenAnswer, TokenQuestion } from './token-question.ts'

/** `cannot_tell`: it could not be made now. `not_consulted`: only a running sidecar can make it. */
export type CheckState = 'passed' | 'failed' | 'cannot_tell' | 'not_reached' | 'not_consulted'

/** What a check is about. */
export type CheckSubject = 'assertion' | 'original_user' | 'request'

export interface Check {
  readonly of: CheckSubject
  readonly name: string
  readonly about: string
}

export interface CheckReport extends Check {
  readonly state: CheckState
}

type Rows = readonly (readonly [name: string, about: string])[]

const form: Rows[number] = [
  'form',
  'three parts, canonical base64url, no member twice, claims of the right type',
]
const inTime: Rows = [
  ['expiry', `exp is not more than ${clockSkewSeconds} s ago`],
  ['start', `iat and nbf are not more than ${clockSkewSeconds} s ahead`],
  ['revocation', 'neither it nor its session, subject or key was revoked'],
]
const issued: Rows = [
  form,
  ['algorithm', 'an asymmetric signature'],
  ['issuer', 'iss is one of issuers[].issuer'],
  ['algorithm listed', 'the issuer lists the algorithm (issuers[].algorithms)'],
  ['key', 'the issuer publishes a key of this kid, for this algorithm'],
  ['signature', 'it is by that key'],
]
const minted: Rows = [
  form,
  ['issuer', 'iss is that of a mesh (mesh.issuer, mesh.trust)'],
  ['content', 'it is about its account and nothing else'],
  ['algorithm', 'ES256'],
  ['certificate', 'x5c leads to mesh.ca, and is of this account and kid'],
  ['signature', "it is by the certificate's key"],
]

const evidence: Rows[number] = [
  'evidence',
  'x-onbehalf-via shows how the user came here, where mesh.evidence asks for it',
]

const audienceOf = {
  assertion: ['audience', "aud is the host of one of this service's routes"],
  original_user: ['audience', "aud is the host of one of the route's accept_for"],
} as const

/** All checks that this token would go through. */
export function listChecks(question: TokenQuestion): Check[] {
  const { token, tokenFor, via, mesh } = question
  const hasEvidence = mesh.evidence !== 'off' && (tokenFor !== undefined || via !== undefined)
  const ofUser = tokenFor === undefined ? [] : checksOf('original_user', tokenFor, question)
  return [
    ...checksOf('assertion', token, question),
    ...rows('request', [
      ['edge', "a user's own comes from its issuer's edges, where there are any"],
      ['route', 'a route of that host takes the path'],
    ]),
    ...(tokenFor === undefined
      ? []
      : rows('request', [['-For allowed', 'a service account calls, and the route takes a user']])),
    ...ofUser,
    ...(tokenFor === undefined ? [] : rows('request', [['-For about a user', 'it is about a user']])),
    ...(hasEvidence ? rows('request', [evidence]) : []),
    ...rows('request', [
      ['policy', "the route's policy admits this caller"],
      ['original user present', 'there is one where the route wants one'],
      ['single use', 'it was not presented before, where its issuer is single_use'],
    ]),
  ]
}

function checksOf(role: 'assertion' | 'original_user', token: string, question: TokenQuestion): Check[] {
  const kind = isMinted(decodeToken(token), question) ? minted : issued
  return rows(role, [...kind, audienceOf[role], ...inTime])
}

function rows(of: CheckSubject, list: Rows): Check[] {
  return list.map(([name, about]) => ({ of, name, about }))
}

/** Whether it says that it was minted in a mesh, and is so checked by certificate. */
export function isMinted({ claims }: DecodedToken, { material }: TokenQuestion): boolean {
  return material.authorities.some(({ issuer }) => issuer === claims?.['iss'])
}

/** Each check with what came of it. */
export function judgeChecks(question: TokenQuestion, { answer }: TokenAnswer): CheckReport[] {
  const checks = listChecks(question)
  const at = answer.permitted ? checks.length : failedAt(checks, failedCheck(question, answer))
  return checks.map((check, i) => ({ ...check, state: stateOf(check, i, at, answer) }))
}

const consultedBySidecarOnly: ReadonlySet<string> = new Set(['revocation', 'single use'])

function stateOf({ name }: Check, i: number, at: number, answer: InboundAnswer): CheckState {
  if (i === at) return isUnavailable(answer) ? 'cannot_tell' : 'failed'
  if (i > at) return 'not_reached'
  return consultedBySidecarOnly.has(name) ? 'not_consulted' : 'passed'
}

/** Whether the answer says nothing about the token: it could not be verified now. */
export function isUnavailable(answer: InboundAnswer): boolean {
  return !answer.permitted && answer.refusal.code === 'keys_unavailable'
}

/** Which token a refusal of a token is about: the caller's own is verified first. */
export function subjectOf({ findings }: InboundAnswer): 'assertion' | 'original_user' {
  return findings.caller === undefined ? 'assertion' : 'original_user'
}

type Refused = Extract<InboundAnswer, { permitted: false }>
type Failed = Pick<Check, 'of' | 'name'>

/** Before all of them where it is none of them: what is no request is not looked at. */
function failedAt(checks: readonly Check[], { of, name }: Failed): number {
  return checks.findIndex((each) => each.of === of && each.name === name)
}

const requestChecks: Readonly<Record<string, string>> = {
  assertion_not_from_edge: 'edge',
  request_ambiguous: 'route',
  route_not_found: 'route',
  evidence_missing: 'evidence',
  evidence_invalid: 'evidence',
  policy_denied: 'policy',
  assertion_anonymous: 'policy',
  original_user_required: 'original user present',
}

/** The check that the answer is about. */
function failedCheck(question: TokenQuestion, { refusal, findings }: Refused): Failed {
  const { code } = refusal
  if (code === 'headers_too_large') return { of: 'request', name: '' }
  const name = requestChecks[code]
  if (name !== undefined) return { of: 'request', name }
  if (code === 'original_user_not_allowed') {
    const { caller, route } = findings
    const mayCarry = caller?.kind === 'service_account' && route?.originalUser !== 'none'
    return { of: 'request', name: mayCarry ? '-For about a user' : '-For allowed' }
  }
  const of = subjectOf({ permitted: false, refusal, findings })
  return { of, name: tokenCheck(of === 'assertion' ? question.token : question.tokenFor, code, of, question) }
}

const tokenChecks: Readonly<Record<string, string>> = {
  signature: 'signature',
  issuer: 'issuer',
  audience: 'audience',
  expired: 'expiry',
  not_yet_valid: 'start',
  revoked: 'revocation',
}

function tokenCheck(token = '', code: string, of: CheckSubject, question: TokenQuestion): string {
  const fault = code.startsWith(`${of}_`) ? code.slice(of.length + 1) : code
  const decoded = decodeToken(token)
  const byCertificate = isMinted(decoded, question)
  switch (fault) {
    case 'malformed':
      return byCertificate && isReadable(decoded) ? 'content' : 'form'
    case 'algorithm':
      return byCertificate || !isAsymmetric(decoded) ? 'algorithm' : 'algorithm listed'
    case 'key_unknown':
    case 'keys_unavailable':
      return byCertificate ? 'certificate' : 'key'
    default:
      return tokenChecks[fault] ?? 'form'
  }
}

function isReadable({ fault, claimsFault }: DecodedToken): boolean {
  return fault === undefined && claimsFault === undefined
}

function isAsymmetric({ header }: DecodedToken): boolean {
  return signatureAlgorithms.some((name) => name === header?.['alg'])
}
