// Sessions live as long as their request and a while longer, in bounded memory, and leave nothing behind.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Assertion } from '../../shared/identity.ts'
import { Sessions, type KeptSession } from '../../sidecar/sessions.ts'
import { clockMs } from '../support/certificates.ts'
import { assertionOf, nowS, refusalOf } from '../support/tokens.ts'

const lingerMs = 30_000

function makeSessions(settings: { maxBytes?: number; lingerMs?: number; service?: string } = {}) {
  const live = { nowMs: clockMs, maxBytes: settings.maxBytes ?? 0, lingerMs: settings.lingerMs ?? lingerMs }
  const sessions = new Sessions({
    service: settings.service ?? 'API',
    now: () => live.nowMs,
    maxBytes: () => live.maxBytes,
    lingerMs: () => live.lingerMs,
  })
  return { sessions, live }
}

const alice = assertionOf('user', 'alice')
const bob = assertionOf('user', 'bob')
const app = assertionOf('service_account', 'api-access')
/** What a session of one user costs who called directly. */
const oneSession = (() => {
  const { sessions } = makeSessions()
  sessions.keep(alice, undefined)
  return sessions.bytes
})()

test('a handle is 26 characters of base64url: 4 of the service, 22 that are random', () => {
  const { sessions } = makeSessions()
  const handles = Array.from({ length: 1_000 }, () => sessions.keep(undefined, undefined).handle)
  for (const handle of handles) assert.match(handle, /^[A-Za-z0-9_-]{26}$/)
  assert.equal(new Set(handles).size, 1_000)
  assert.equal(new Set(handles.map((handle) => handle.slice(0, 4))).size, 1)
  for (let i = 4; i < 25; i++)
    assert.ok(new Set(handles.map((handle) => handle[i])).size > 32, `position ${i} hardly varies`)
})

test('a handle is foreign by its tag, if it is a handle at all', () => {
  const { sessions } = makeSessions()
  const { handle } = makeSessions().sessions.keep(undefined, undefined)
  const { handle: foreign } = makeSessions({ service: 'Ledger' }).sessions.keep(undefined, undefined)
  assert.ok(!sessions.isForeign(handle))
  assert.ok(sessions.isForeign(foreign))
  for (const text of [
    '',
    foreign.slice(1),
    `${foreign}A`,
    `${foreign}\n`,
    ` ${foreign.slice(1)}`,
    `+${foreign.slice(1)}`,
  ]) {
    assert.ok(!sessions.isForeign(text), JSON.stringify(text))
  }
})

test('a session is found by its handle, its assertion and its user’s token', () => {
  const { sessions } = makeSessions()
  const { handle } = sessions.keep(app, alice)
  assert.equal(sessions.byHandle(handle)?.originalUser, alice)
  assert.equal(sessions.byHandle(handle)?.caller, app)
  assert.deepEqual(sessions.byAssertion(app.token)?.sample.handle, handle)
  assert.equal(sessions.byUserToken(alice.token)[0]?.handle, handle)
  assert.ok(sessions.cameTogether(app.token, alice.token))
})

test('the original user of a direct call is the caller', () => {
  const { sessions } = makeSessions()
  const { handle } = sessions.keep(alice, undefined)
  assert.equal(sessions.byHandle(handle)?.originalUser, alice)
  assert.equal(sessions.byUserToken(alice.token)[0]?.handle, handle)
})

test('a service account and nobody have no original user of their own', () => {
  const { sessions } = makeSessions()
  assert.equal(sessions.byHandle(sessions.keep(app, undefined).handle)?.originalUser, undefined)
  assert.equal(
    sessions.byHandle(sessions.keep(assertionOf('anonymous', ''), undefined).handle)?.originalUser,
    undefined,
  )
  assert.equal(sessions.byHandle(sessions.keep(undefined, undefined).handle)?.originalUser, undefined)
  assert.deepEqual(sessions.byUserToken(app.token), [])
})

test('a session whose user could not be verified is lost, and is nobody’s own call', () => {
  const { sessions } = makeSessions()
  const { handle } = sessions.keep(app, undefined, { isUserLost: true })
  assert.equal(sessions.byHandle(handle), undefined)
  assert.equal(sessions.byAssertion(app.token)?.carriesUsers, true)
  assert.equal(sessions.byHandle(sessions.keep(undefined, undefined, { isUserLost: true }).handle), undefined)
})

test('a user who called directly is not lost, whatever else could not be verified', () => {
  const { sessions } = makeSessions()
  const { handle } = sessions.keep(alice, undefined, { isUserLost: true })
  assert.equal(sessions.byHandle(handle)?.originalUser, alice)
})

test('a session whose user could not be verified ends as any other, and leaves nothing behind', () => {
  const { sessions, live } = makeSessions()
  sessions.keep(undefined, undefined, { isUserLost: true }).end()
  live.nowMs += lingerMs
  sessions.sweep()
  assert.deepEqual({ size: sessions.size, bytes: sessions.bytes }, { size: 0, bytes: 0 })
})

test('an assertion carries users from the first one on', () => {
  const { sessions } = makeSessions()
  sessions.keep(app, undefined)
  assert.equal(sessions.byAssertion(app.token)?.carriesUsers, false)
  sessions.keep(app, alice)
  sessions.keep(app, undefined)
  assert.equal(sessions.byAssertion(app.token)?.carriesUsers, true)
})

test('that an assertion carried users is remembered until it has expired with the skew, to the millisecond', () => {
  const { sessions, live } = makeSessions()
  const brief = { ...app, expiresAt: nowS + 100 }
  sessions.keep(brief, alice).end()
  live.nowMs += lingerMs
  assert.equal(sessions.byAssertion(brief.token), undefined)
  assert.equal(sessions.size, 0)
  assert.equal(sessions.bytes, brief.token.length)
  live.nowMs = clockMs + 159_999
  const again = sessions.keep(brief, undefined)
  assert.equal(sessions.byAssertion(brief.token)?.carriesUsers, true)
  again.end()
  live.nowMs += lingerMs
  sessions.sweep()
  assert.equal(sessions.bytes, 0)
  sessions.keep(brief, undefined)
  assert.equal(sessions.byAssertion(brief.token)?.carriesUsers, false)
})

test('an assertion that came again while it was remembered is not forgotten while its request runs', () => {
  const { sessions, live } = makeSessions()
  const brief = { ...app, expiresAt: nowS }
  sessions.keep(brief, alice).end()
  live.nowMs += lingerMs
  sessions.sweep()
  const { handle } = sessions.keep(brief, undefined)
  live.nowMs += 3_600_000
  assert.equal(sessions.byAssertion(brief.token)?.sample.handle, handle)
  assert.equal(sessions.byAssertion(brief.token)?.carriesUsers, true)
})

test('of a user’s own assertion nothing is remembered', () => {
  const { sessions, live } = makeSessions()
  sessions.keep(alice, undefined).end()
  live.nowMs += lingerMs
  sessions.sweep()
  assert.equal(sessions.bytes, 0)
})

test('what had to be forgotten for lack of memory makes every shared assertion one that may carry users', () => {
  const { sessions, live } = makeSessions({ maxBytes: oneSession + app.token.length })
  sessions.keep(app, alice).end()
  live.nowMs += lingerMs
  const batch = assertionOf('service_account', 'batch-access')
  sessions.keep(batch, undefined)
  assert.equal(sessions.byAssertion(batch.token)?.carriesUsers, true)
  live.nowMs = (app.expiresAt + 60) * 1000 - 1
  assert.equal(sessions.byAssertion(batch.token)?.carriesUsers, true)
  live.nowMs += 1
  assert.equal(sessions.byAssertion(batch.token)?.carriesUsers, false)
})

test('what came in two requests did not come together', () => {
  const { sessions } = makeSessions()
  sessions.keep(app, alice)
  const other = assertionOf('service_account', 'other')
  sessions.keep(other, bob)
  assert.ok(!sessions.cameTogether(app.token, bob.token))
  assert.ok(!sessions.cameTogether(other.token, alice.token))
  assert.ok(!sessions.cameTogether(alice.token, app.token))
})

test('a session that ended lingers, to the millisecond', () => {
  const { sessions, live } = makeSessions()
  const kept = sessions.keep(alice, undefined)
  live.nowMs += 10_000
  kept.end()
  live.nowMs += lingerMs - 1
  assert.ok(sessions.byHandle(kept.handle))
  live.nowMs += 1
  assert.equal(sessions.byHandle(kept.handle), undefined)
  assert.deepEqual(
    { size: sessions.size, bytes: sessions.bytes, lingering: sessions.lingering },
    { size: 0, bytes: 0, lingering: 0 },
  )
})

test('a session whose request runs does not linger, however long it runs', () => {
  const { sessions, live } = makeSessions()
  const { handle } = sessions.keep(app, undefined)
  live.nowMs += 24 * 60 * 60 * 1000
  assert.ok(sessions.byHandle(handle))
})

test('with no linger a session is gone when its request has ended', () => {
  const { sessions } = makeSessions({ lingerMs: 0 })
  const kept = sessions.keep(alice, undefined)
  kept.end()
  assert.equal(sessions.byHandle(kept.handle), undefined)
  assert.equal(sessions.size, 0)
})

test('ending twice is harmless: the second time prolongs nothing and counts nothing', () => {
  const { sessions, live } = makeSessions()
  const kept = sessions.keep(alice, undefined)
  kept.end()
  live.nowMs += lingerMs - 1
  kept.end()
  live.nowMs += 1
  assert.equal(sessions.byHandle(kept.handle), undefined)
  kept.end()
  sessions.sweep()
  assert.deepEqual(
    { size: sessions.size, bytes: sessions.bytes, lingering: sessions.lingering },
    { size: 0, bytes: 0, lingering: 0 },
  )
})

test('a session ends with its user’s token and the skew, also while its request runs', () => {
  const { sessions, live } = makeSessions()
  const brief = { ...alice, expiresAt: nowS + 5 }
  const direct = sessions.keep(brief, undefined)
  const carried = sessions.keep(app, brief)
  live.nowMs += 64_999
  assert.ok(
    sessions.byHandle(direct.handle) &&
      sessions.byHandle(carried.handle) &&
      sessions.byUserToken(brief.token).length > 0,
  )
  live.nowMs += 1
  for (const { handle } of [direct, carried]) assert.equal(sessions.byHandle(handle), undefined)
  assert.deepEqual(sessions.byUserToken(brief.token), [])
  assert.equal(sessions.byAssertion(brief.token), undefined)
})

test('a service account’s own session does not end with the account’s assertion', () => {
  const { sessions, live } = makeSessions()
  const { handle } = sessions.keep({ ...app, expiresAt: nowS }, undefined)
  live.nowMs += 3_600_000
  assert.ok(sessions.byHandle(handle))
})

test('one session of a token that ended leaves the others to be found', () => {
  const { sessions, live } = makeSessions()
  const first = sessions.keep(app, alice)
  const second = sessions.keep(app, alice)
  first.end()
  live.nowMs += lingerMs
  assert.equal(sessions.byAssertion(app.token)?.sample.handle, second.handle)
  assert.equal(sessions.byUserToken(alice.token)[0]?.handle, second.handle)
  assert.ok(sessions.cameTogether(app.token, alice.token))
})

test('a session whose user expired does not hide another of the same assertion', () => {
  const { sessions, live } = makeSessions()
  sessions.keep(app, { ...alice, expiresAt: nowS })
  const second = sessions.keep(app, bob)
  live.nowMs += 60_000
  assert.equal(sessions.byAssertion(app.token)?.sample.handle, second.handle)
})

test('a sweep drops what has lingered, and leaves what has not', () => {
  const { sessions, live } = makeSessions()
  const kept = [0, 1, 2].map(() => sessions.keep(alice, undefined))
  kept[0]?.end()
  live.nowMs += 1_000
  kept[1]?.end()
  live.nowMs += lingerMs - 1_000
  sessions.sweep()
  assert.deepEqual({ size: sessions.size, lingering: sessions.lingering }, { size: 2, lingering: 1 })
})

test('a new linger time holds for what ends from now on', () => {
  const { sessions, live } = makeSessions()
  const long = sessions.keep(alice, undefined)
  const short = sessions.keep(bob, undefined)
  long.end()
  live.lingerMs = 1_000
  short.end()
  live.nowMs += 1_000
  assert.equal(sessions.byHandle(short.handle), undefined)
  assert.deepEqual(sessions.byUserToken(bob.token), [])
  assert.ok(sessions.byHandle(long.handle))
})

test('a token that came as the assertion and as `-For` has one session of those without evidence, while any lives', () => {
  const { sessions, live } = makeSessions({ lingerMs: 1_000 })
  const carried = sessions.keep(app, alice)
  const direct = sessions.keep(alice, undefined)
  assert.equal(sessions.byUserToken(alice.token).length, 1)
  assert.ok(sessions.cameTogether(alice.token, alice.token))
  direct.end()
  live.nowMs += 1_000
  assert.deepEqual(
    sessions.byUserToken(alice.token).map(({ handle }) => handle),
    [carried.handle],
  )
  assert.ok(!sessions.cameTogether(alice.token, alice.token))
  assert.ok(sessions.cameTogether(app.token, alice.token))
  carried.end()
  live.nowMs += 1_000
  assert.deepEqual(sessions.byUserToken(alice.token), [])
})

test('a token whose subject became a service account is a user’s only where it came in as one', () => {
  const { sessions, live } = makeSessions({ lingerMs: 1_000 })
  const account = { ...alice, kind: 'service_account' as const }
  sessions.keep(account, undefined)
  assert.deepEqual(sessions.byUserToken(alice.token), [])
  const user = sessions.keep(alice, undefined)
  sessions.keep(account, undefined)
  assert.deepEqual(
    sessions.byUserToken(alice.token).map(({ handle }) => handle),
    [user.handle],
  )
  assert.ok(sessions.cameTogether(alice.token, alice.token))
  user.end()
  live.nowMs += 1_000
  assert.deepEqual(sessions.byUserToken(alice.token), [])
  assert.ok(!sessions.cameTogether(alice.token, alice.token))
})

// Memory.

/** With a token as long as alice's. */
const userNamed = (name: string) => assertionOf('user', name, { token: alice.token.replace('alice', name) })

test('when memory is full, what lingered longest goes first', () => {
  const { sessions, live } = makeSessions({ maxBytes: 3 * oneSession })
  const [a, b, c] = ['user1', 'user2', 'user3']
    .map(userNamed)
    .map((each) => sessions.keep(each, undefined)) as [KeptSession, KeptSession, KeptSession]
  b.end()
  live.nowMs += 1
  a.end()
  sessions.keep(userNamed('user4'), undefined)
  assert.equal(sessions.byHandle(b.handle), undefined)
  assert.ok(sessions.byHandle(a.handle) && sessions.byHandle(c.handle))
  sessions.keep(userNamed('user5'), undefined)
  assert.equal(sessions.byHandle(a.handle), undefined)
  assert.ok(sessions.byHandle(c.handle))
})

test('what is under way is never displaced: a new one is session_unavailable', () => {
  const { sessions } = makeSessions({ maxBytes: 2 * oneSession })
  const kept = [alice, bob].map((user) => sessions.keep(user, undefined))
  assert.equal(
    refusalOf(() => sessions.keep(assertionOf('user', 'carol'), undefined)),
    'session_unavailable',
  )
  for (const { handle } of kept) assert.ok(sessions.byHandle(handle))
  assert.equal(sessions.size, 2)
})

test('a session that cannot be kept leaves nothing behind, and may be kept when there is room', () => {
  const { sessions, live } = makeSessions({ maxBytes: oneSession })
  const first = sessions.keep(alice, undefined)
  refusalOf(() => sessions.keep(bob, undefined))
  assert.deepEqual(sessions.byUserToken(bob.token), [])
  first.end()
  live.nowMs += lingerMs
  assert.ok(sessions.keep(bob, undefined).handle)
})

test('a bound of 0 is none', () => {
  const { sessions } = makeSessions({ maxBytes: 0 })
  for (let i = 0; i < 1_000; i++) sessions.keep(alice, undefined)
  assert.equal(sessions.size, 1_000)
})

test('a long token counts for more than a short one', () => {
  const { sessions } = makeSessions()
  sessions.keep({ ...alice, token: 'x'.repeat(10_000) }, undefined)
  assert.ok(sessions.bytes >= oneSession + 9_000)
})

// Properties.

const userTokens = [0, 1, 2].map((i) =>
  assertionOf('user', `u${i}`, { token: `token of u${i}`, expiresAt: nowS + i * 40 - 30 }),
)
const accountsEndMs = clockMs + 80_000
const accounts = [0, 1].map((i) =>
  assertionOf('service_account', `s${i}`, { token: `token of s${i}`, expiresAt: nowS + 20 }),
)
const nobody = assertionOf('anonymous', '', { token: 'token about nobody' })
const anyKeep = fc.oneof(
  fc.constantFrom(...userTokens).map((caller) => ({ caller, forToken: undefined })),
  fc.record({
    caller: fc.constantFrom(...accounts),
    forToken: fc.option(fc.constantFrom(...userTokens), { nil: undefined }),
  }),
  fc.constantFrom({ caller: undefined, forToken: undefined }, { caller: nobody, forToken: undefined }),
)
const anyStep = fc.oneof(
  { weight: 3, arbitrary: anyKeep.map((came) => ({ do: 'keep' as const, came })) },
  { weight: 2, arbitrary: fc.nat().map((which) => ({ do: 'end' as const, which })) },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom(1, 999, lingerMs / 2, lingerMs, 2 * lingerMs)
      .map((ms) => ({ do: 'advance' as const, ms })),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'sweep' as const }) },
)

interface Modelled {
  readonly kept: KeptSession
  readonly caller: Assertion | undefined
  readonly originalUser: Assertion | undefined
  lingersUntilMs: number
}

test('after any steps the indexes agree with a list that is searched by hand, and in the end nothing is left', () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 40 }), (steps) => {
      const { sessions, live } = makeSessions()
      const model: Modelled[] = []
      /** Tokens of which it is known that a user came with them. */
      const carrying = new Set<string>()
      const present = () => model.filter(({ lingersUntilMs }) => live.nowMs < lingersUntilMs)
      const alive = () =>
        present().filter(
          ({ originalUser }) =>
            originalUser === undefined || live.nowMs < (originalUser.expiresAt + 60) * 1000,
        )
      const end = (each: Modelled | undefined) => {
        each?.kept.end()
        if (each !== undefined && each.lingersUntilMs === Infinity)
          each.lingersUntilMs = live.nowMs + lingerMs
      }
      for (const step of steps) {
        if (step.do === 'keep') {
          const { caller, forToken } = step.came
          const originalUser = caller?.kind === 'user' ? caller : forToken
          model.push({
            kept: sessions.keep(caller, forToken),
            caller,
            originalUser,
            lingersUntilMs: Infinity,
          })
        } else if (step.do === 'end') end(model[step.which % Math.max(model.length, 1)])
        else if (step.do === 'advance') live.nowMs += step.ms
        else sessions.sweep()

        for (const { token } of [...accounts, ...userTokens]) {
          const came = present().filter(({ caller }) => caller?.token === token)
          if (came.some(({ originalUser }) => originalUser !== undefined)) carrying.add(token)
          const isRemembered =
            accounts.some((account) => account.token === token) && live.nowMs < accountsEndMs
          if (came.length === 0 && !isRemembered) carrying.delete(token)
        }
        for (const each of model) {
          const found = sessions.byHandle(each.kept.handle)
          assert.equal(found?.handle, alive().includes(each) ? each.kept.handle : undefined)
        }
        for (const { token } of [...userTokens, ...accounts, nobody]) {
          const handles = (list: readonly Modelled[]) => list.map(({ kept }) => kept.handle)
          const came = alive().filter(({ caller }) => caller?.token === token)
          const found = sessions.byAssertion(token)
          assert.equal(found === undefined, came.length === 0)
          if (found !== undefined) {
            assert.ok(handles(came).includes(found.sample.handle))
            assert.equal(found.carriesUsers, carrying.has(token))
          }
          const carried = alive().filter(({ originalUser }) => originalUser?.token === token)
          const [session] = sessions.byUserToken(token)
          assert.equal(session === undefined, carried.length === 0)
          if (session !== undefined) assert.ok(handles(carried).includes(session.handle))
          for (const { token: assertion } of [...accounts, ...userTokens]) {
            const together = present().some(
              ({ caller, originalUser }) => caller?.token === assertion && originalUser?.token === token,
            )
            assert.equal(sessions.cameTogether(assertion, token), together)
          }
        }
        assert.equal(sessions.size, present().length)
        assert.equal(
          sessions.lingering,
          present().filter(({ lingersUntilMs }) => lingersUntilMs !== Infinity).length,
        )
        assert.ok(sessions.bytes > 0 || sessions.size === 0)
      }
      for (const each of model) end(each)
      live.nowMs = Math.max(live.nowMs + lingerMs, accountsEndMs)
      sessions.sweep()
      assert.deepEqual(
        { size: sessions.size, bytes: sessions.bytes, lingering: sessions.lingering },
        { size: 0, bytes: 0, lingering: 0 },
      )
      for (const { token } of [...userTokens, ...accounts, nobody]) {
        assert.equal(sessions.byAssertion(token), undefined)
        assert.deepEqual(sessions.byUserToken(token), [])
      }
    }),
  )
})

test('after any steps memory is within its bound, and no running request has lost its session', () => {
  const maxBytes = 4 * oneSession
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 60 }), (steps) => {
      const { sessions, live } = makeSessions({ maxBytes })
      const running = new Map<KeptSession, boolean>()
      const ended: KeptSession[] = []
      for (const step of steps) {
        if (step.do === 'keep') {
          try {
            // Without a user, for a session does not outlive its user's token.
            const kept = sessions.keep(
              step.came.caller?.kind === 'user' ? undefined : step.came.caller,
              undefined,
            )
            running.set(kept, true)
          } catch {
            assert.ok(running.size >= 3, 'it was refused though there was room')
          }
        } else if (step.do === 'end') {
          const kept = [...running.keys()][step.which % Math.max(running.size, 1)]
          if (kept !== undefined && running.delete(kept)) ended.push(kept)
          kept?.end()
        } else if (step.do === 'advance') live.nowMs += step.ms
        assert.ok(sessions.bytes <= maxBytes)
        for (const { handle } of running.keys()) assert.ok(sessions.byHandle(handle))
      }
    }),
  )
})

test('a session that is discarded leaves nothing behind', () => {
  const sessions = new Sessions({
    service: 'App',
    now: () => 1_000,
    maxBytes: () => 0,
    lingerMs: () => 30_000,
  })
  const carol = assertionOf('user', 'carol')
  const kept = sessions.keep(carol, undefined)
  kept.discard()
  kept.end()
  assert.deepEqual([sessions.size, sessions.lingering, sessions.bytes], [0, 0, 0])
  assert.deepEqual(sessions.byUserToken(carol.token), [])
})
