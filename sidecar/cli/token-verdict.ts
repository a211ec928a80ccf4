// What `onbehalf token verify` answers: as data, and as text for whoever must make the call work.
import type { Assertion, PrincipalKind } from '../../shared/identity.ts'
import { reportable, type InboundAnswer } from '../../shared/inbound.ts'
import {
  isUnavailable,
  judgeChecks,
  subjectOf,
  type CheckReport,
  type CheckState,
  type CheckSubject,
} from './token-checks.ts'
import { explainRefusal } from './token-explain.ts'
import type { KeysReport } from './token-keys.ts'
import { decodeToken } from './token-decode.ts'
import { appHeaderNames, type TokenAnswer, type TokenQuestion } from './token-question.ts'
import { count, isoTime, quoteUnlessPlain, timeClaims, timeWords } from './token-words.ts'

export interface Verdict {
  readonly answer: 'accepted' | 'refused' | 'cannot_tell'
  readonly service: string
  readonly mode: 'enforce' | 'report'
  readonly request: { readonly method: string; readonly path: string; readonly from: string }
  /** ISO 8601. */
  readonly at: string
  /** Where it is not accepted. */
  readonly refusal?: {
    readonly status: number
    readonly code: string
    /** What the caller is told. */
    readonly message: string
    /** What the sidecar's log and `/decisions` say besides. */
    readonly detail?: string
    readonly found?: string
    readonly expected?: string
    readonly hint?: string
  }
  readonly caller?: PrincipalReport
  readonly original_user?: PrincipalReport
  readonly route?: string
  /** Which rule of the policy decided. */
  readonly policy?: string
  /** Names of the headers that tell the app who calls. */
  readonly app_headers?: readonly string[]
  readonly checks: readonly CheckReport[]
  readonly keys: readonly KeysReport[]
  readonly notes: readonly string[]
}

interface PrincipalReport {
  readonly kind: PrincipalKind
  readonly issuer: string
  readonly subject: string
  readonly email?: string
  /** How long it has been, and will be, valid: seen from `at`. */
  readonly validity: string
}

export function makeVerdict(question: TokenQuestion, told: TokenAnswer): Verdict {
  const { mesh, method, path, peer, nowMs, keyRing } = question
  const { answer, snapshot } = told
  const { caller, originalUser, route, policy } = answer.findings
  return {
    answer: answer.permitted ? 'accepted' : isUnavailable(answer) ? 'cannot_tell' : 'refused',
    service: mesh.service,
    mode: mesh.mode,
    request: { method, path, from: peer.address },
    at: isoTime(nowMs / 1000),
    ...(answer.permitted ? {} : { refusal: refusalOf(question, told) }),
    ...(caller && { caller: principalOf(caller, nowMs) }),
    ...(originalUser && { original_user: principalOf(originalUser, nowMs) }),
    ...(route && { route: route.name }),
    ...(policy && { policy: policy.reason }),
    ...(answer.permitted && { app_headers: appHeaderNames(answer, snapshot) }),
    checks: judgeChecks(question, told),
    keys: keyRing.reports,
    notes: notesOn(question, told),
  }
}

function refusalOf(question: TokenQuestion, told: TokenAnswer): NonNullable<Verdict['refusal']> {
  if (told.answer.permitted) throw new TypeError('it was not refused')
  const { status, code, message, detail } = told.answer.refusal
  const explanation = explainRefusal(question, told)
  return { status, code, message, ...(detail === undefined ? {} : { detail }), ...explanation }
}

function principalOf(
  { kind, principal, email, issuedAt, expiresAt }: Assertion,
  nowMs: number,
): PrincipalReport {
  const times = [timeWords('iat', issuedAt, nowMs / 1000), timeWords('exp', expiresAt, nowMs / 1000)]
  const { issuer, subject } = principal
  return { kind, issuer, subject, ...(email === '' ? {} : { email }), validity: times.join(', ') }
}

/** What the answer leaves open. */
function notesOn(question: TokenQuestion, { answer }: TokenAnswer): string[] {
  const { mesh, isNow } = question
  const notes = [
    'revocations, single use and replay are known to a running sidecar only, and were not consulted',
  ]
  if (isNow) notes.push("the time is that of this machine's clock, which may not be the sidecar's (--at)")
  const { caller } = answer.findings
  const issuer = mesh.issuers.find(({ name }) => name === caller?.principal.issuer)
  if (answer.permitted && issuer?.singleUse === true) {
    notes.push(
      `issuer ${issuer.name} is single_use: presented a second time, it is refused (assertion_reused)`,
    )
  }
  if (!answer.permitted && mesh.mode === 'report' && reportable.has(answer.refusal.status)) {
    notes.push(
      'this service is in mode report: it records the refusal, and lets the request through without what was not verified',
    )
  }
  if (isUnavailable(answer)) notes.push(unverifiedWords(question, answer))
  return notes
}

/** What helps while there are no keys: most tokens that are refused are old, or for somebody else. */
function unverifiedWords({ token, tokenFor = '', nowMs }: TokenQuestion, answer: InboundAnswer): string {
  const { claims = {} } = decodeToken(subjectOf(answer) === 'assertion' ? token : tokenFor)
  const times = timeClaims.flatMap((claim) => {
    const seconds = claims[claim]
    return typeof seconds === 'number' ? [timeWords(claim, seconds, nowMs / 1000)] : []
  })
  return `unverified, the token says: ${[`aud ${JSON.stringify(claims['aud'])}`, ...times].join(', ')}`
}

export function formatVerdict(verdict: Verdict): string {
  return [
    ...headline(verdict),
    '',
    ...whatWasAsked(verdict),
    '',
    ...checkLines(verdict.checks),
    '',
    ...notLooked(verdict),
  ]
    .map((line) => `${line}\n`)
    .join('')
}

function headline(verdict: Verdict): string[] {
  const { refusal, service } = verdict
  if (refusal === undefined) return [`ACCEPTED by the sidecar of ${service}`, ...accepted(verdict)]
  const { status, code, message, found, expected, hint } = refusal
  const word =
    verdict.answer === 'cannot_tell' ? 'CANNOT BE VERIFIED NOW' : `REFUSED by the sidecar of ${service}`
  return [
    `${word}: ${code} (HTTP ${status})`,
    `  ${message}`,
    ...pairs([
      ['found', found],
      ['expected', expected],
      ['hint', hint],
      ['caller', verdict.caller && principalWords(verdict.caller)],
      ['original user', verdict.original_user && principalWords(verdict.original_user)],
      ['route', verdict.route],
    ]),
  ]
}

function accepted(verdict: Verdict): string[] {
  const { caller, original_user, route, policy, app_headers = [] } = verdict
  return pairs([
    ['caller', caller && principalWords(caller)],
    ['original user', original_user === undefined ? 'none' : principalWords(original_user)],
    ['route', route],
    ['policy', policy],
    ['the app gets', app_headers.join(', ')],
  ])
}

function pairs(list: readonly (readonly [name: string, value: string | undefined])[]): string[] {
  return list.flatMap(([name, value]) => (value === undefined ? [] : [`  ${name.padEnd(14)} ${value}`]))
}

const kindWords: Record<PrincipalKind, string> = {
  user: 'user',
  service_account: 'service account',
  anonymous: 'nobody',
}

function principalWords({ kind, issuer, subject, email, validity }: PrincipalReport): string {
  const name = kind === 'anonymous' ? '' : ` ${quoteUnlessPlain(subject)}`
  const mail = email === undefined ? '' : `, ${quoteUnlessPlain(email)}`
  return `${kindWords[kind]}${name}${mail} (issuer ${issuer}): ${validity}`
}

function whatWasAsked({ answer, service, request, at, keys }: Verdict): string[] {
  const { method, path, from } = request
  // Where nothing could be told, why there are no keys stands above.
  const shown = answer === 'cannot_tell' ? keys.filter(({ kids }) => kids !== undefined) : keys
  return [
    `asked: ${method} ${path} from ${from} to the sidecar of ${service}, at ${at}`,
    ...shown.map(({ issuer, source, kids, problem }) => {
      const what = kids === undefined ? `none: ${problem ?? ''}` : count(kids.length, 'key')
      return `keys of ${issuer}: ${what} (${source})`
    }),
  ]
}

const stateWords: Record<CheckState, string> = {
  passed: 'passed',
  failed: 'FAILED',
  cannot_tell: 'CANNOT TELL',
  not_reached: 'not reached',
  not_consulted: 'not consulted',
}

const subjectWords: Record<CheckSubject, string> = {
  assertion: 'X-Pomerium-Jwt-Assertion',
  original_user: 'X-Pomerium-Jwt-Assertion-For',
  request: 'the request',
}

/** Those of one state on one line; of the one that decided, what it asks. */
function checkLines(checks: readonly CheckReport[]): string[] {
  const lines: string[] = []
  for (let i = 0; i < checks.length;) {
    const { of, state, name, about } = checks[i] as CheckReport
    const end = checks.findIndex((each, j) => j > i && (each.of !== of || each.state !== state))
    const names = checks.slice(i, end === -1 ? undefined : end).map((each) => each.name)
    if (checks[i - 1]?.of !== of) lines.push(`  ${subjectWords[of]}`)
    const isDecisive = state === 'failed' || state === 'cannot_tell'
    lines.push(`    ${stateWords[state].padEnd(13)} ${isDecisive ? `${name}: ${about}` : names.join(', ')}`)
    i += names.length
  }
  return ['checks, in the order in which they are made; the first that fails is the answer', ...lines]
}

function notLooked({ notes }: Verdict): string[] {
  return notes.map((note) => `note: ${note}`)
}
