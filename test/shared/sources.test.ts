// On whose behalf a call is made: all sources agree, or it is refused; never another's user, never more authority.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClaimedIdentity } from '../../shared/headers/firewall.ts'
import { findCause, readSources } from '../../shared/sources.ts'
import { assertionOf, hosts, nowS, nothingElseIsKnown } from '../support/tokens.ts'
import { ambiguous, lingerMs, liveSessions, lost, nobody, outcome, user } from './sources-ground.ts'

const alice = user('alice')
const bob = user('bob')
const app = assertionOf('service_account', 'api-access', { token: 'jwt of api-access' })
const batch = assertionOf('service_account', 'batch-access', { token: 'jwt of batch-access' })
const none: ClaimedIdentity = {
  assertion: undefined,
  assertionFor: undefined,
  via: undefined,
  handle: undefined,
  tracestate: [],
  baggage: [],
}

/** The sessions that the table speaks of; all of them live but `ended`. */
function scene() {
  const { clock, sessions, other } = liveSessions()
  const ended = sessions.keep(user('carol'), undefined)
  ended.end()
  clock.ms += lingerMs
  const kept = {
    aliceDirect: sessions.keep(alice, undefined),
    aliceByApp: sessions.keep(app, alice),
    bobByApp: sessions.keep(app, bob),
    batchOwn: sessions.keep(batch, undefined),
    anonymous: sessions.keep(nobody, undefined),
    public: sessions.keep(undefined, undefined),
    ended,
  }
  const foreign = other.keep(bob, undefined)
  return { sessions, kept, foreign }
}

interface Row {
  readonly name: string
  readonly claims: (
    handles: Record<keyof ReturnType<typeof scene>['kept'] | 'foreign', string>,
  ) => Partial<ClaimedIdentity>
  /** A code, or what was found: `alice by handle`, `own by assertion`, `none`. */
  readonly expected: string
}

const rows: readonly Row[] = [
  { name: 'nothing', claims: () => ({}), expected: 'none' },

  // One source.
  {
    name: '-For of a user who called directly',
    claims: () => ({ assertionFor: alice.token }),
    expected: 'alice by assertion_for',
  },
  {
    name: '-For of a user who came with a service account',
    claims: () => ({ assertionFor: bob.token }),
    expected: 'bob by assertion_for',
  },
  { name: '-For that nobody came with', claims: () => ({ assertionFor: 'forged' }), expected: lost },
  { name: '-For of a session that ended', claims: () => ({ assertionFor: 'jwt of carol' }), expected: lost },
  {
    name: '-For with a service account’s assertion',
    claims: () => ({ assertionFor: app.token }),
    expected: lost,
  },
  {
    name: '-For with an assertion about nobody',
    claims: () => ({ assertionFor: nobody.token }),
    expected: lost,
  },
  {
    name: 'the assertion of a user who called directly',
    claims: () => ({ assertion: alice.token }),
    expected: 'alice by assertion',
  },
  { name: 'an assertion that nobody came with', claims: () => ({ assertion: 'forged' }), expected: lost },
  {
    name: 'the assertion of a session that ended',
    claims: () => ({ assertion: 'jwt of carol' }),
    expected: lost,
  },
  { name: 'a -For copied as the assertion', claims: () => ({ assertion: bob.token }), expected: lost },
  {
    name: 'an assertion about nobody',
    claims: () => ({ assertion: nobody.token }),
    expected: 'nobody by assertion',
  },
  {
    name: 'the handle of a direct call',
    claims: (of) => ({ handle: of.aliceDirect }),
    expected: 'alice by handle',
  },
  {
    name: 'the handle of a call on behalf of a user',
    claims: (of) => ({ handle: of.bobByApp }),
    expected: 'bob by handle',
  },
  {
    name: 'the handle of a service account’s own call',
    claims: (of) => ({ handle: of.batchOwn }),
    expected: 'own by handle',
  },
  {
    name: 'the handle of an anonymous call',
    claims: (of) => ({ handle: of.anonymous }),
    expected: 'nobody by handle',
  },
  {
    name: 'the handle of a call without assertion',
    claims: (of) => ({ handle: of.public }),
    expected: 'nobody by handle',
  },
  { name: 'the handle of a session that ended', claims: (of) => ({ handle: of.ended }), expected: lost },
  {
    name: 'a handle with our tag that we never gave',
    claims: (of) => ({ handle: of.aliceDirect.slice(0, 4) + 'A'.repeat(22) }),
    expected: lost,
  },
  { name: 'our tag alone', claims: (of) => ({ handle: of.aliceDirect.slice(0, 4) }), expected: lost },
  {
    name: 'a handle with more behind it',
    claims: (of) => ({ handle: `${of.aliceDirect}A` }),
    expected: lost,
  },
  { name: 'another service’s handle', claims: (of) => ({ handle: of.foreign }), expected: 'none' },
  {
    name: 'another service’s handle with more behind it',
    claims: (of) => ({ handle: `${of.foreign}A` }),
    expected: lost,
  },
  { name: 'a text that is no handle', claims: () => ({ handle: 'none' }), expected: lost },
  {
    name: 'a handle beside others in one field',
    claims: (of) => ({ handle: `${of.aliceDirect}, ${of.aliceDirect}` }),
    expected: lost,
  },

  // A service account's assertion.
  {
    name: 'a service account’s assertion alone, of an account that came with users',
    claims: () => ({ assertion: app.token }),
    expected: ambiguous,
  },
  {
    name: 'a service account’s assertion alone, of an account that came without',
    claims: () => ({ assertion: batch.token }),
    expected: 'own by assertion',
  },
  {
    name: 'a service account’s assertion beside the -For that came with it',
    claims: () => ({ assertion: app.token, assertionFor: bob.token }),
    expected: 'bob by assertion_for',
  },
  {
    name: 'a service account’s assertion beside the handle of its session',
    claims: (of) => ({ assertion: app.token, handle: of.bobByApp }),
    expected: 'bob by handle',
  },
  {
    name: 'a service account’s assertion beside both',
    claims: (of) => ({ assertion: app.token, assertionFor: bob.token, handle: of.bobByApp }),
    expected: 'bob by assertion_for',
  },
  {
    name: 'a service account’s assertion beside a -For that came with another',
    claims: () => ({ assertion: batch.token, assertionFor: bob.token }),
    expected: ambiguous,
  },
  {
    name: 'a service account’s assertion beside the handle of another’s session',
    claims: (of) => ({ assertion: batch.token, handle: of.bobByApp }),
    expected: ambiguous,
  },
  {
    name: 'a service account’s assertion beside the handle of a user’s own call',
    claims: (of) => ({ assertion: app.token, handle: of.aliceDirect }),
    expected: ambiguous,
  },
  {
    name: 'a service account’s assertion, a -For that came with it, and the handle of another of its users',
    claims: (of) => ({ assertion: app.token, assertionFor: alice.token, handle: of.bobByApp }),
    expected: ambiguous,
  },
  {
    name: 'a service account’s assertion beside a dead handle',
    claims: (of) => ({ assertion: app.token, handle: of.ended }),
    expected: ambiguous,
  },
  {
    name: 'a service account’s assertion beside a forged -For',
    claims: () => ({ assertion: app.token, assertionFor: 'forged' }),
    expected: ambiguous,
  },
  {
    name: 'a service account’s assertion beside another service’s handle',
    claims: (of) => ({ assertion: batch.token, handle: of.foreign }),
    expected: 'own by assertion',
  },
  {
    name: 'a service account’s own assertion beside the handle of its own call',
    claims: (of) => ({ assertion: batch.token, handle: of.batchOwn }),
    expected: 'own by handle',
  },

  // Several sources.
  {
    name: 'all three of one direct call',
    claims: (of) => ({ assertion: alice.token, assertionFor: alice.token, handle: of.aliceDirect }),
    expected: 'alice by assertion_for',
  },
  {
    name: 'the assertion of a user beside the handle of the same user by a service account',
    claims: (of) => ({ assertion: alice.token, handle: of.aliceByApp }),
    expected: 'alice by assertion',
  },
  {
    name: 'a -For and another user’s handle',
    claims: (of) => ({ assertionFor: alice.token, handle: of.bobByApp }),
    expected: ambiguous,
  },
  {
    name: 'an assertion and another user’s handle',
    claims: (of) => ({ assertion: alice.token, handle: of.bobByApp }),
    expected: ambiguous,
  },
  {
    name: 'an assertion and another user’s -For',
    claims: () => ({ assertion: alice.token, assertionFor: bob.token }),
    expected: ambiguous,
  },
  {
    name: 'a user’s assertion and the handle of a service account’s own call',
    claims: (of) => ({ assertion: alice.token, handle: of.batchOwn }),
    expected: ambiguous,
  },
  {
    name: 'a user’s assertion and the handle of an anonymous call',
    claims: (of) => ({ assertion: alice.token, handle: of.anonymous }),
    expected: ambiguous,
  },
  {
    name: 'an assertion about nobody and the handle of a service account’s own call',
    claims: (of) => ({ assertion: nobody.token, handle: of.batchOwn }),
    expected: ambiguous,
  },
  {
    name: 'an assertion about nobody and the handle of its call',
    claims: (of) => ({ assertion: nobody.token, handle: of.anonymous }),
    expected: 'nobody by assertion',
  },

  // Dead beside live, dead beside dead, foreign beside anything.
  {
    name: 'a live -For and a dead handle',
    claims: (of) => ({ assertionFor: alice.token, handle: of.ended }),
    expected: ambiguous,
  },
  {
    name: 'a dead -For and a live handle',
    claims: (of) => ({ assertionFor: 'forged', handle: of.aliceDirect }),
    expected: ambiguous,
  },
  {
    name: 'a dead assertion and a live handle',
    claims: (of) => ({ assertion: 'forged', handle: of.aliceDirect }),
    expected: ambiguous,
  },
  {
    name: 'a live assertion and a dead -For',
    claims: () => ({ assertion: alice.token, assertionFor: 'forged' }),
    expected: ambiguous,
  },
  {
    name: 'nothing but dead sources',
    claims: (of) => ({ assertion: 'forged', assertionFor: 'forged', handle: of.ended }),
    expected: lost,
  },
  {
    name: 'a live assertion and another service’s handle',
    claims: (of) => ({ assertion: alice.token, handle: of.foreign }),
    expected: 'alice by assertion',
  },
  {
    name: 'a dead assertion and another service’s handle',
    claims: (of) => ({ assertion: 'forged', handle: of.foreign }),
    expected: lost,
  },

  // What an agent carries.
  {
    name: 'a handle in tracestate',
    claims: (of) => ({ tracestate: [of.bobByApp] }),
    expected: 'bob by tracestate',
  },
  {
    name: 'a handle in baggage',
    claims: (of) => ({ baggage: [of.aliceDirect] }),
    expected: 'alice by baggage',
  },
  {
    name: 'one handle in all three places',
    claims: (of) => ({ handle: of.bobByApp, tracestate: [of.bobByApp], baggage: [of.bobByApp] }),
    expected: 'bob by handle',
  },
  {
    name: 'two handles of one user, from two requests',
    claims: (of) => ({ tracestate: [of.aliceDirect], baggage: [of.aliceByApp] }),
    expected: 'alice by tracestate',
  },
  {
    name: 'another user in tracestate than in baggage',
    claims: (of) => ({ tracestate: [of.aliceDirect], baggage: [of.bobByApp] }),
    expected: ambiguous,
  },
  {
    name: 'another user in tracestate than in the header',
    claims: (of) => ({ handle: of.aliceDirect, tracestate: [of.bobByApp] }),
    expected: ambiguous,
  },
  {
    name: 'another user in baggage than in -For',
    claims: (of) => ({ assertionFor: bob.token, baggage: [of.aliceDirect] }),
    expected: ambiguous,
  },
  {
    name: 'two users in one tracestate',
    claims: (of) => ({ tracestate: [of.aliceDirect, of.bobByApp] }),
    expected: ambiguous,
  },
  {
    name: 'a dead handle behind a live one in one baggage',
    claims: (of) => ({ baggage: [of.aliceDirect, of.ended] }),
    expected: ambiguous,
  },
  { name: 'a dead handle in tracestate', claims: (of) => ({ tracestate: [of.ended] }), expected: lost },
  { name: 'a dead handle in baggage', claims: (of) => ({ baggage: [of.ended] }), expected: lost },
  { name: 'a member of ours that is empty', claims: () => ({ tracestate: [''] }), expected: lost },
  {
    name: 'another service’s handle in both',
    claims: (of) => ({ tracestate: [of.foreign], baggage: [of.foreign] }),
    expected: 'none',
  },
  {
    name: 'another service’s handle beside ours in one tracestate',
    claims: (of) => ({ tracestate: [of.foreign, of.bobByApp] }),
    expected: 'bob by tracestate',
  },
  {
    name: 'a service account’s assertion beside the tracestate of its session',
    claims: (of) => ({ assertion: app.token, tracestate: [of.bobByApp] }),
    expected: 'bob by tracestate',
  },
  {
    name: 'a service account’s assertion beside the baggage of another’s session',
    claims: (of) => ({ assertion: batch.token, baggage: [of.bobByApp] }),
    expected: ambiguous,
  },
  // What the preload says where it knows that nobody is named.
  { name: 'unknown alone', claims: () => ({ handle: 'unknown' }), expected: 'none' },
  {
    name: 'unknown beside the tracestate of a live request',
    claims: (of) => ({ handle: 'unknown', tracestate: [of.aliceDirect] }),
    expected: ambiguous,
  },
  {
    name: 'unknown beside the baggage of a service account’s own call',
    claims: (of) => ({ handle: 'unknown', baggage: [of.batchOwn] }),
    expected: ambiguous,
  },
  {
    name: 'unknown beside the tracestate of a request that ended',
    claims: (of) => ({ handle: 'unknown', tracestate: [of.ended] }),
    expected: ambiguous,
  },
  {
    name: 'unknown beside another service’s tracestate',
    claims: (of) => ({ handle: 'unknown', tracestate: [of.foreign] }),
    expected: 'none',
  },
  {
    name: 'unknown beside a -For that the app copied',
    claims: (of) => ({ handle: 'unknown', assertionFor: bob.token, tracestate: [of.bobByApp] }),
    expected: 'bob by assertion_for',
  },
  {
    name: 'unknown beside a service account’s assertion that came with users',
    claims: () => ({ handle: 'unknown', assertion: app.token }),
    expected: ambiguous,
  },
  {
    name: 'the tracestate of an anonymous call',
    claims: (of) => ({ tracestate: [of.anonymous] }),
    expected: 'nobody by tracestate',
  },
  {
    name: 'the baggage of a service account’s own call and the tracestate of an anonymous one',
    claims: (of) => ({ tracestate: [of.anonymous], baggage: [of.batchOwn] }),
    expected: ambiguous,
  },
]

for (const { name, claims, expected } of rows) {
  test(`${name}: ${expected}`, () => {
    const { sessions, kept, foreign } = scene()
    const handles = Object.fromEntries(
      Object.entries({ ...kept, foreign }).map(([key, { handle }]) => [key, handle]),
    )
    assert.equal(outcome({ ...none, ...claims(handles as never) }, sessions), expected)
  })
}

test('the assertion that goes on is the very one that came in', () => {
  const { sessions, kept } = scene()
  const cause = findCause(
    readSources({ ...none, handle: kept.bobByApp.handle }, sessions, nothingElseIsKnown),
  )
  assert.ok(cause.kind === 'user' && cause.assertion === bob)
})

test('two tokens of one user by one entry route agree', () => {
  const { sessions } = liveSessions()
  const renewed = user('alice', { token: 'newer jwt of alice' })
  sessions.keep(app, alice)
  const { handle } = sessions.keep(app, renewed)
  assert.equal(outcome({ ...none, assertionFor: alice.token, handle }, sessions), 'alice by assertion_for')
})

test('one user by two entry routes disagrees', () => {
  const { sessions } = liveSessions()
  const elsewhere = user('alice', { token: 'jwt for elsewhere', audience: hosts.Ledger })
  sessions.keep(alice, undefined)
  const { handle } = sessions.keep(app, elsewhere)
  assert.equal(outcome({ ...none, assertionFor: alice.token, handle }, sessions), ambiguous)
})

test('one subject of two issuers disagrees', () => {
  const { sessions } = liveSessions()
  const namesake = user('alice', {
    token: 'jwt of a namesake',
    principal: { issuer: 'partner', subject: 'alice' },
  })
  sessions.keep(alice, undefined)
  const { handle } = sessions.keep(namesake, undefined)
  assert.equal(outcome({ ...none, assertion: alice.token, handle }, sessions), ambiguous)
})

test('an assertion that ever carried a user is not the account’s own word, though those calls have ended', () => {
  const { clock, sessions } = liveSessions()
  const withUser = sessions.keep(app, alice)
  const claims = { ...none, assertion: app.token }
  withUser.end()
  clock.ms += lingerMs
  assert.equal(outcome(claims, sessions), lost)
  sessions.keep(app, undefined)
  assert.equal(outcome(claims, sessions), ambiguous)
})

test('a user who expired during another call of the same account does not disturb those who did not', () => {
  const { clock, sessions } = liveSessions()
  sessions.keep(app, user('alice', { expiresAt: nowS + 10 }))
  const { handle } = sessions.keep(app, bob)
  clock.ms += 70_000
  assert.equal(outcome({ ...none, assertion: app.token, handle }, sessions), 'bob by handle')
})

test('a user who expired while the request runs is lost', () => {
  const { clock, sessions } = liveSessions()
  const { handle } = sessions.keep(app, user('alice', { expiresAt: nowS }))
  clock.ms += 59_999
  assert.equal(outcome({ ...none, handle }, sessions), 'alice by handle')
  clock.ms += 1
  assert.equal(outcome({ ...none, handle }, sessions), lost)
})

test('no refusal names a user, a token or a handle', () => {
  const { sessions, kept } = scene()
  for (const claims of [
    { assertionFor: 'SECRET' },
    { handle: kept.ended.handle },
    { assertion: app.token },
    { assertion: alice.token, handle: kept.bobByApp.handle },
  ]) {
    assert.throws(
      () => findCause(readSources({ ...none, ...claims }, sessions, nothingElseIsKnown)),
      ({ message }: Error) =>
        !/SECRET|alice|bob|jwt of/.test(message) &&
        !message.includes(kept.ended.handle) &&
        !message.includes(kept.bobByApp.handle),
    )
  }
})
