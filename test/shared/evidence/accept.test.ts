// Where evidence is needed, where it may be missing, and what the decision makes of it: from heads and snapshots alone.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Mesh } from '../../../shared/config/mesh.ts'
import { decideInbound, inboundHeaders, type InboundQuestion } from '../../../shared/inbound.ts'
import { clockMs } from '../../support/certificates.ts'
import {
  issuerOf,
  mint,
  mintedClaims,
  nothingElseIsKnown,
  nothingRevoked,
  nowS,
  peer,
  policyOf,
  pomerium,
  userClaims,
  userToken,
} from '../../support/tokens.ts'
import {
  accountOf,
  aliceToken,
  certificateOf,
  chainOf,
  hostOf,
  otherMesh,
  routeAt,
  routes,
  snapshotAt,
} from './ground.ts'

const honest = chainOf(['S0', 'S1', 'S2']).join(',')

type Caller = 'mesh' | 'pomerium' | 'other mesh' | 'user'

/** The assertion of S1's account for S2, by whoever vouches for it. */
function callerToken(caller: Caller, at = nowS): string {
  const claims = mintedClaims(accountOf('S1'), { aud: hostOf('S2'), iat: at, exp: at + 60 })
  if (caller === 'mesh') return mint(certificateOf('S1'), claims)
  if (caller === 'other mesh') {
    return mint(otherMesh.issue(accountOf('S1')), { ...claims, iss: otherMesh.authority.issuer })
  }
  const sub = caller === 'user' ? 'alice' : accountOf('S1')
  return pomerium.sign(userClaims({ sub, aud: hostOf('S2'), iss: hostOf('S2'), iat: at, exp: at + 300 }))
}

interface Setting {
  readonly mode?: Mesh['evidence']
  readonly caller?: Caller
  /** The `-For`; null: none. */
  readonly token?: string | null
  readonly via?: string
  readonly mesh?: Partial<Mesh>
  readonly nowMs?: number
  readonly question?: Partial<InboundQuestion>
}

function decide(setting: Setting) {
  const { mode = 'verify', caller = 'mesh', token = aliceToken, via, nowMs = clockMs } = setting
  const headers = ['Host', hostOf('S2'), 'X-Pomerium-Jwt-Assertion', callerToken(caller, nowMs / 1000)]
  if (token !== null) headers.push('X-Pomerium-Jwt-Assertion-For', token)
  if (via !== undefined) headers.push('x-onbehalf-via', via)
  const issuers = [issuerOf({ serviceAccounts: new Set([accountOf('S1')]) })]
  const snapshot = snapshotAt('S2', { evidence: mode, issuers, ...setting.mesh })
  const answer = decideInbound({
    head: { method: 'GET', target: '/', headers },
    peer,
    snapshot,
    revocations: nothingRevoked,
    nowMs,
    missing: nothingElseIsKnown,
    ...setting.question,
  })
  return { answer, snapshot }
}

/** `permitted`, or the code; with the accounts of the evidence, where there is any. */
function verdict(setting: Setting): string {
  const { answer } = decide(setting)
  if (!answer.permitted) return answer.refusal.code
  const { evidence } = answer.findings
  return evidence === undefined ? 'permitted' : `permitted by ${evidence.accounts.join(' ')}`
}

const shown = `permitted by ${accountOf('S0')} ${accountOf('S1')}`
const wrong = chainOf(['S0', 'S2']).join(',')
const modes = ['off', 'verify', 'require'] as const

const rows: readonly (readonly [caller: Caller, via: string | undefined, ...expected: string[]])[] = [
  ['mesh', undefined, 'permitted', 'evidence_missing', 'evidence_missing'],
  ['mesh', honest, 'permitted', shown, shown],
  ['mesh', wrong, 'permitted', 'evidence_invalid', 'evidence_invalid'],
  ['pomerium', undefined, 'permitted', 'permitted', 'evidence_missing'],
  ['pomerium', honest, 'permitted', shown, shown],
  ['pomerium', wrong, 'permitted', 'evidence_invalid', 'evidence_invalid'],
  ['other mesh', undefined, 'permitted', 'evidence_missing', 'evidence_missing'],
  ['other mesh', honest, 'permitted', 'evidence_invalid', 'evidence_invalid'],
]
for (const [caller, via, ...expected] of rows) {
  for (const [i, mode] of modes.entries()) {
    const what = via === undefined ? 'none' : via === honest ? 'honest' : 'wrong'
    test(`evidence: ${mode}, called by way of ${caller}, with ${what}: ${expected[i]}`, () => {
      assert.equal(verdict({ mode, caller, ...(via !== undefined && { via }) }), expected[i])
    })
  }
}

for (const caller of ['mesh', 'pomerium', 'user'] as const) {
  test(`without an original user ${caller} needs no evidence, and what it brings is set aside`, () => {
    for (const mode of ['verify', 'require'] as const) {
      assert.equal(verdict({ mode, caller, token: null }), 'permitted')
      assert.equal(verdict({ mode, caller, token: null, via: honest }), 'permitted')
      assert.equal(decide({ mode, caller, token: null, via: honest }).answer.findings.evidence, undefined)
    }
  })
}

test('links twice are ambiguous, whatever they say', () => {
  const { snapshot } = decide({})
  const head = {
    method: 'GET',
    target: '/',
    headers: ['Host', hostOf('S2'), 'x-onbehalf-via', honest, 'X-Onbehalf-Via', honest],
  }
  const asked = { head, peer, snapshot, revocations: nothingRevoked, nowMs: clockMs }
  const answer = decideInbound({ ...asked, missing: nothingElseIsKnown })
  assert.ok(!answer.permitted && answer.refusal.code === 'request_ambiguous')
})

test('the reason is for whoever runs the sidecar, and the caller is told what to do', () => {
  const { answer } = decide({ via: wrong })
  assert.ok(!answer.permitted)
  const { message, detail = '' } = answer.refusal
  assert.match(message, /Make the call through the sidecar of the calling service/)
  assert.doesNotMatch(message, /S0|S1|S2|link/)
  assert.match(detail, /^link 1: it is by "calls-from-S0", and "calls-from-S1" is calling$/)
})

test('a user whose way here is not shown is nobody’s user: the finding is gone', () => {
  for (const setting of [{}, { via: wrong }]) {
    const { answer } = decide(setting)
    assert.ok(!answer.permitted)
    assert.deepEqual([answer.findings.originalUser, answer.findings.evidence], [undefined, undefined])
    assert.equal(answer.findings.caller?.principal.subject, accountOf('S1'))
  }
})

const trace = {
  traceId: 'a'.repeat(32),
  spanId: 'b'.repeat(16),
  isSampled: true,
  isContinued: true,
}

/** Names and values in turn, for the app. */
function appHeaders(setting: Setting): string[] {
  const { answer, snapshot } = decide(setting)
  return inboundHeaders(answer.findings, snapshot, 'handle', trace)
}

test('the app is told the accounts passed, and never gets the links', () => {
  const headers = appHeaders({ via: honest })
  const values = (name: string) => headers.filter((_, i) => headers[i - 1]?.toLowerCase() === name)
  assert.deepEqual(values('x-onbehalf-chain'), [`${accountOf('S0')}, ${accountOf('S1')}`])
  assert.deepEqual(values('x-onbehalf-via'), [])
  assert.ok(!headers.some((value) => value.includes(honest)))
})

const isTold = (headers: readonly string[]): boolean => headers.includes('x-onbehalf-chain')

test('without evidence, or without pass_identity_headers, the app is told of no chain', () => {
  assert.equal(isTold(appHeaders({ via: honest })), true)
  assert.equal(isTold(appHeaders({ caller: 'pomerium' })), false)
  const silent = routes.map((route) => ({ ...route, passIdentityHeaders: false }))
  const ownRoutes = new Map([[hostOf('S2'), silent.filter(({ name }) => name === 'S2')]])
  assert.equal(isTold(appHeaders({ via: honest, mesh: { ownRoutes } })), false)
})

/** S2 admits whoever came by way of an account. */
function admitting(account: string): Partial<Mesh> {
  const policy = policyOf({ policy: [{ allow: { and: [{ chain: { has: account } }] } }] })
  return { ownRoutes: new Map([[hostOf('S2'), [{ ...routeAt('S2'), policy }]]]) }
}

test('a policy decides on the accounts passed', () => {
  const passed = admitting(accountOf('S0'))
  assert.equal(verdict({ via: honest, mesh: passed }), shown)
  assert.equal(verdict({ via: honest, mesh: admitting(accountOf('S3')) }), 'policy_denied')
  assert.equal(verdict({ caller: 'pomerium', mesh: passed }), 'policy_denied')
})

// original_user_grace.

const graceMs = 300_000
const withGrace = { originalUserGraceMs: graceMs }
/** The user's token ends at 300 s, and counts for 60 s more. */
const endMs = clockMs + 360_000

test('a token that expired on the way counts until the grace is over, where evidence shows when the user came in', () => {
  assert.equal(verdict({ via: honest, nowMs: endMs - 1_000 }), shown)
  assert.equal(verdict({ via: honest, nowMs: endMs }), 'original_user_expired')
  assert.equal(verdict({ via: honest, nowMs: endMs, mesh: withGrace }), shown)
  assert.equal(verdict({ via: honest, nowMs: endMs + graceMs - 1_000, mesh: withGrace }), shown)
  assert.equal(verdict({ via: honest, nowMs: endMs + graceMs, mesh: withGrace }), 'original_user_expired')
})

test('without evidence there is no grace', () => {
  const nowMs = endMs
  assert.equal(verdict({ caller: 'pomerium', nowMs, mesh: withGrace }), 'original_user_expired')
  assert.equal(verdict({ nowMs, mesh: withGrace }), 'original_user_expired')
  assert.equal(verdict({ mode: 'off', via: honest, nowMs, mesh: withGrace }), 'original_user_expired')
})

test('there is no grace where the first link was made after the token had expired', () => {
  const late = chainOf(['S0', 'S1', 'S2'], { claims: { iat: nowS + 301 } }).join(',')
  assert.equal(verdict({ via: late, nowMs: endMs, mesh: withGrace }), 'evidence_invalid')
  const last = chainOf(['S0', 'S1', 'S2'], { claims: { iat: nowS + 300 } }).join(',')
  assert.equal(verdict({ via: last, nowMs: endMs, mesh: withGrace }), shown)
})

test('a user’s token as the caller’s own has no grace', () => {
  const token = userToken({ aud: hostOf('S2'), iss: hostOf('S2') })
  const { snapshot } = decide({ mesh: withGrace })
  const headers = ['Host', hostOf('S2'), 'X-Pomerium-Jwt-Assertion', token]
  const answer = decideInbound({
    head: { method: 'GET', target: '/', headers },
    peer,
    snapshot,
    revocations: nothingRevoked,
    nowMs: endMs,
    missing: nothingElseIsKnown,
  })
  assert.ok(!answer.permitted && answer.refusal.code === 'assertion_expired')
})
