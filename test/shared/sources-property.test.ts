// On whose behalf a call is made, whatever is claimed: random sessions of random users through random services.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ClaimedIdentity } from '../../shared/headers/firewall.ts'
import type { Assertion } from '../../shared/identity.ts'
import { findCause, readSources } from '../../shared/sources.ts'
import type { KeptSession } from '../../sidecar/sessions.ts'
import { assertionOf, hosts, nothingElseIsKnown } from '../support/tokens.ts'
import { ambiguous, lingerMs, liveSessions, lost, nobody, outcome, user } from './sources-ground.ts'

interface Came {
  readonly caller: Assertion | undefined
  readonly originalUser: Assertion | undefined
  readonly handle: string
}

const userNames = ['u0', 'u1', 'u2']
const audiences = [hosts.App, hosts.Ledger]
const userTokens = userNames.flatMap((name) =>
  audiences.flatMap((audience) =>
    [0, 1].map((i) => user(name, { token: `${name} ${audience} ${i}`, audience })),
  ),
)
const accounts = ['s0', 's1'].map((name) =>
  assertionOf('service_account', name, { token: `token of ${name}` }),
)
const anyUser = fc.constantFrom(...userTokens)
const anyCame = fc.oneof(
  anyUser.map((caller) => ({ caller, forToken: undefined })),
  fc.record({ caller: fc.constantFrom(...accounts), forToken: fc.option(anyUser, { nil: undefined }) }),
  fc.constantFrom({ caller: undefined, forToken: undefined }, { caller: nobody, forToken: undefined }),
)
const anyScene = fc.array(fc.record({ came: anyCame, over: fc.boolean() }), { minLength: 1, maxLength: 8 })

function play(
  given: readonly {
    came: { caller: Assertion | undefined; forToken: Assertion | undefined }
    over: boolean
  }[],
) {
  const { clock, sessions, other } = liveSessions()
  const keep = ({ came }: (typeof given)[number]): [KeptSession, Came] => {
    const kept = sessions.keep(came.caller, came.forToken)
    const originalUser = came.caller?.kind === 'user' ? came.caller : came.forToken
    return [kept, { caller: came.caller, originalUser, handle: kept.handle }]
  }
  const dead = given.filter(({ over }) => over).map((each) => keep(each))
  for (const [kept] of dead) kept.end()
  clock.ms += lingerMs
  const live = given.filter(({ over }) => !over).map((each) => keep(each)[1])
  return {
    sessions,
    live,
    dead: dead.map(([, came]) => came),
    foreign: other.keep(undefined, undefined).handle,
  }
}

const isBelongingTo = (whom: Assertion) => (came: Came) =>
  came.originalUser?.principal.subject === whom.principal.subject &&
  came.originalUser.audience === whom.audience

const maybe = (values: fc.Arbitrary<string>) => fc.option(values, { nil: undefined })

test('whatever is claimed, the user that is found is the one to whom every given source belongs', () => {
  const tokens = fc.constantFrom(
    'forged',
    nobody.token,
    ...accounts.map(({ token }) => token),
    ...userTokens.map(({ token }) => token),
  )
  const choice = fc.nat(9)
  const place = fc.constantFrom('handle', 'tracestate', 'baggage')
  let found = 0
  fc.assert(
    fc.property(
      anyScene,
      maybe(tokens),
      maybe(tokens),
      fc.array(fc.tuple(place, choice), { maxLength: 3 }),
      choice,
      (given, assertion, assertionFor, carried, bias) => {
        const { sessions, live, dead, foreign } = play(given)
        const all = [...live, ...dead]
        const picked = live[bias % Math.max(live.length, 1)]
        const handleOf = (which: number) =>
          which === 9 ? foreign : bias % 2 === 0 ? picked?.handle : all[which % all.length]?.handle
        const inPlace = (where: string) =>
          carried.flatMap(([each, which]) => (each === where ? (handleOf(which) ?? []) : []))
        // Half of the claims come from one live session, or agreement would be too rare to be seen.
        const claims: ClaimedIdentity = {
          assertion: bias % 2 === 0 && assertion !== undefined ? picked?.caller?.token : assertion,
          via: undefined,
          assertionFor:
            bias % 3 === 0 && assertionFor !== undefined ? picked?.originalUser?.token : assertionFor,
          handle: inPlace('handle').at(-1),
          tracestate: inPlace('tracestate'),
          baggage: inPlace('baggage'),
        }
        const text = outcome(claims, sessions)
        if (text === lost || text === ambiguous) return
        const cause = findCause(readSources(claims, sessions, nothingElseIsKnown))
        const ours = [claims.handle, ...claims.tracestate, ...claims.baggage].filter(
          (handle) => handle !== undefined && handle !== foreign,
        )
        const named = live.filter(({ handle }) => ours.includes(handle))
        const account = accounts.find(({ token }) => token === claims.assertion)
        assert.equal(named.length, new Set(ours).size, 'a dead handle was accepted')
        if (cause.kind === 'user') {
          found++
          const belongs = isBelongingTo(cause.assertion)
          assert.ok(named.every(belongs))
          if (claims.assertionFor !== undefined) {
            assert.ok(
              live.filter(({ originalUser }) => originalUser?.token === claims.assertionFor).some(belongs),
            )
          }
          if (claims.assertion !== undefined && account === undefined) {
            assert.ok(live.filter(({ caller }) => caller?.token === claims.assertion).some(belongs))
          }
          if (account !== undefined) {
            const together = live.filter(({ caller }) => caller === account).filter(belongs)
            assert.ok(together.length > 0)
            assert.ok(named.every(({ caller }) => caller === account))
            if (claims.assertionFor !== undefined)
              assert.ok(together.some(({ originalUser }) => originalUser?.token === claims.assertionFor))
          }
          return
        }
        // No user is found only where no source names one.
        assert.equal(claims.assertionFor, undefined)
        assert.ok(named.every(({ originalUser }) => originalUser === undefined))
        assert.ok(!userTokens.some(({ token }) => token === claims.assertion))
        if (cause.kind === 'none') assert.deepEqual([claims.assertion, ours], [undefined, []])
      },
    ),
    { numRuns: 2_000 },
  )
  assert.ok(found > 100, `users were found ${found} times only`)
})

test('what comes from one live session is never refused, but for a shared assertion alone', () => {
  fc.assert(
    fc.property(
      anyScene,
      fc.nat(20),
      fc.tuple(fc.boolean(), fc.boolean(), fc.boolean(), fc.boolean(), fc.boolean()),
      (given, which, [withAssertion, withFor, withHandle, withState, withBaggage]) => {
        const { sessions, live } = play(given)
        fc.pre(live.length > 0)
        const came = live[which % live.length] as Came
        const claims: ClaimedIdentity = {
          assertion: withAssertion ? came.caller?.token : undefined,
          via: undefined,
          assertionFor: withFor ? came.originalUser?.token : undefined,
          handle: withHandle ? came.handle : undefined,
          tracestate: withState ? [came.handle] : [],
          baggage: withBaggage ? [came.handle] : [],
        }
        const isHandleGiven = withHandle || withState || withBaggage
        const isAnythingGiven =
          isHandleGiven || claims.assertion !== undefined || claims.assertionFor !== undefined
        const isSharedAlone =
          came.caller?.kind === 'service_account' && claims.assertionFor === undefined && !isHandleGiven
        fc.pre(isAnythingGiven && !isSharedAlone)
        const cause = findCause(readSources(claims, sessions, nothingElseIsKnown))
        if (came.originalUser !== undefined)
          assert.ok(cause.kind === 'user' && isBelongingTo(cause.assertion)(came))
        else assert.equal(cause.kind, came.caller?.kind === 'service_account' ? 'own' : 'nobody')
      },
    ),
    { numRuns: 1_000 },
  )
})
