// Evidence from the request that came in to the calls that it causes: which chain a call goes on with, and for how long.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClaimedIdentity } from '../../../shared/headers/firewall.ts'
import type { Evidence } from '../../../shared/evidence/evidence.ts'
import type { Mesh } from '../../../shared/config/mesh.ts'
import { decideOutbound } from '../../../shared/outbound.ts'
import { findCause, readSources } from '../../../shared/sources.ts'
import { Sessions } from '../../../sidecar/sessions.ts'
import { clockMs } from '../../support/certificates.ts'
import {
  assertionOf,
  hosts,
  meshOf,
  nothingElseIsKnown,
  nothingRevoked,
  nowS,
  refusalOf,
  snapshotOf,
} from '../../support/tokens.ts'

const alice = assertionOf('user', 'alice')
const app = assertionOf('service_account', 'api-access')
const appAgain = assertionOf('service_account', 'api-access', { token: 'a later token of api-access' })
const other = assertionOf('service_account', 'other-access')

function evidence(path: string, via = `links of ${path}`): Evidence {
  return {
    via,
    accounts: path.split(' '),
    path,
    transactionId: 'txn',
    hash: `hash of ${via}`,
    revocables: [],
  }
}

function start(graceMs = 0) {
  const clock = { ms: clockMs }
  const sessions = new Sessions({
    service: 'API',
    now: () => clock.ms,
    maxBytes: () => 0,
    lingerMs: () => 30_000,
    graceMs: () => graceMs,
  })
  return { clock, sessions }
}

const nothing: ClaimedIdentity = {
  assertion: undefined,
  assertionFor: undefined,
  via: undefined,
  handle: undefined,
  tracestate: [],
  baggage: [],
}
const causeOf = (claims: Partial<ClaimedIdentity>, sessions: Sessions) =>
  findCause(readSources({ ...nothing, ...claims }, sessions, nothingElseIsKnown))
const chainOf = (claims: Partial<ClaimedIdentity>, sessions: Sessions): string | undefined => {
  const cause = causeOf(claims, sessions)
  return cause.kind === 'user' ? cause.session.evidence?.via : cause.kind
}

test('a call goes on with the evidence of the request that its handle names', () => {
  const { sessions } = start()
  const one = sessions.keep(app, alice, { evidence: evidence('app') })
  const two = sessions.keep(app, alice, { evidence: evidence('app batch') })
  assert.equal(chainOf({ handle: one.handle }, sessions), 'links of app')
  assert.equal(chainOf({ handle: two.handle }, sessions), 'links of app batch')
})

test('sources that name requests of one user by different ways disagree', () => {
  const { sessions } = start()
  const one = sessions.keep(app, alice, { evidence: evidence('app') })
  const two = sessions.keep(app, alice, { evidence: evidence('app batch') })
  const bare = sessions.keep(app, alice)
  const both = (a: string, b: string) => refusalOf(() => causeOf({ handle: a, tracestate: [b] }, sessions))
  assert.equal(both(one.handle, two.handle), 'original_user_ambiguous')
  assert.equal(both(one.handle, bare.handle), 'original_user_ambiguous')
})

test('sources that name requests by the same way agree, though the links about them differ', () => {
  const { sessions } = start()
  const one = sessions.keep(app, alice, { evidence: evidence('app', 'links by one replica') })
  const two = sessions.keep(app, alice, { evidence: evidence('app', 'links by another') })
  assert.equal(chainOf({ handle: one.handle, baggage: [two.handle] }, sessions), 'links by one replica')
})

test('a copied -For goes with the way that the handle beside it names', () => {
  const { sessions } = start()
  sessions.keep(app, alice, { evidence: evidence('app') })
  const two = sessions.keep(app, alice, { evidence: evidence('app batch') })
  sessions.keep(app, alice, { evidence: evidence('app worker') })
  assert.equal(chainOf({ assertionFor: alice.token, handle: two.handle }, sessions), 'links of app batch')
})

test('a copied -For alone is ambiguous where requests with it came by several ways, and tells what to copy', () => {
  const { sessions } = start()
  sessions.keep(app, alice, { evidence: evidence('app') })
  assert.equal(chainOf({ assertionFor: alice.token }, sessions), 'links of app')
  sessions.keep(app, alice, { evidence: evidence('app', 'links by another replica') })
  assert.equal(chainOf({ assertionFor: alice.token }, sessions), 'links of app')
  const later = sessions.keep(other, alice, { evidence: evidence('other') })
  assert.throws(() => causeOf({ assertionFor: alice.token }, sessions), /by several ways.*x-onbehalf-handle/)
  later.discard()
  assert.equal(chainOf({ assertionFor: alice.token }, sessions), 'links of app')
})

test('a copied assertion beside the -For tells ways apart by who called', () => {
  const { sessions } = start()
  sessions.keep(app, alice, { evidence: evidence('app') })
  sessions.keep(other, alice, { evidence: evidence('other') })
  const copied = (assertion: string) => chainOf({ assertion, assertionFor: alice.token }, sessions)
  assert.equal(copied(app.token), 'links of app')
  assert.equal(copied(other.token), 'links of other')
})

// What an outbound call is to say.

function passageOf(sessions: Sessions, handle: string, mesh: Partial<Mesh> = {}) {
  const answer = decideOutbound({
    head: { method: 'GET', target: '/', headers: ['Host', hosts.Ledger, 'x-onbehalf-handle', handle] },
    snapshot: snapshotOf({ mesh: meshOf({ evidence: 'verify', ...mesh }) }),
    sessions,
    revocations: nothingRevoked,
    missing: nothingElseIsKnown,
  })
  assert.ok(answer.permitted)
  return answer.findings.passage
}

test('where the user came in the chain begins, elsewhere it goes on', () => {
  const { sessions } = start()
  const entry = sessions.keep(alice, undefined)
  assert.deepEqual(passageOf(sessions, entry.handle), {
    userTokenHash: alice.tokenHash,
    userTokenEndsAt: alice.expiresAt,
    sinceMs: clockMs,
    evidence: undefined,
  })
  const came = evidence('app')
  const carried = sessions.keep(app, alice, { evidence: came })
  assert.equal(passageOf(sessions, carried.handle)?.evidence, came)
})

test('where a user was carried without evidence no link is added, for it would show no way', () => {
  const { sessions } = start()
  assert.equal(passageOf(sessions, sessions.keep(app, alice).handle), undefined)
})

test('no link is made for the service’s own call, nor where evidence is off', () => {
  const { sessions } = start()
  assert.equal(passageOf(sessions, sessions.keep(app, undefined).handle), undefined)
  const entry = sessions.keep(alice, undefined)
  assert.equal(passageOf(sessions, entry.handle, { evidence: 'off' }), undefined)
})

// What sessions keep.

test('evidence with the same links is kept once for all sessions of its user, and goes with the last', () => {
  const { sessions } = start()
  sessions.keep(app, alice)
  sessions.keep(appAgain, alice)
  const withoutLinks = sessions.bytes
  const via = 'x'.repeat(20_000)
  const first = sessions.keep(app, alice, { evidence: evidence('app', via) })
  const second = sessions.keep(appAgain, alice, { evidence: evidence('app', via) })
  const [a, b] = [first, second].map(({ handle }) => sessions.byHandle(handle)?.evidence)
  assert.equal(a, b)
  const more = sessions.bytes - withoutLinks
  assert.ok(more > 20_000 && more < 2 * 20_000, `${more}`)
  first.discard()
  assert.ok(sessions.bytes > withoutLinks + 20_000)
  second.discard()
  assert.equal(sessions.bytes, withoutLinks)
})

test('links take room like all else: a request whose evidence has none is refused', () => {
  const clock = { ms: clockMs }
  const options = { service: 'API', now: () => clock.ms, lingerMs: () => 0 }
  const sessions = new Sessions({ ...options, maxBytes: () => 5_000 })
  sessions.keep(app, alice).discard()
  const heavy = { evidence: evidence('app', 'x'.repeat(5_000)) }
  assert.equal(
    refusalOf(() => sessions.keep(app, alice, heavy)),
    'session_unavailable',
  )
})

test('with grace a session lives as long as evidence carries its user’s token', () => {
  const { sessions, clock } = start(300_000)
  const brief = { ...alice, expiresAt: nowS + 5 }
  const entry = sessions.keep(brief, undefined)
  const shown = sessions.keep(app, brief, { evidence: evidence('app') })
  const bare = sessions.keep(app, brief)
  const live = () => [entry, shown, bare].map(({ handle }) => sessions.byHandle(handle) !== undefined)
  clock.ms += 64_999
  assert.deepEqual(live(), [true, true, true])
  clock.ms += 1
  assert.deepEqual(live(), [true, true, false])
  clock.ms += 299_999
  assert.deepEqual(live(), [true, true, false])
  clock.ms += 1
  assert.deepEqual(live(), [false, false, false])
})
