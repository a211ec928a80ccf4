// What is under way ends with the reason when somebody in it is revoked, and else it does not.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { Assertion } from '../../shared/identity.ts'
import { OpenExchanges, type OpenExchange } from '../../sidecar/open-exchanges.ts'
import { formatPrometheus } from '../../sidecar/telemetry/prometheus.ts'
import { Metrics } from '../../sidecar/telemetry/metrics.ts'
import { assertionOf, nothingRevoked, refusalOf } from '../support/tokens.ts'

const alice = assertionOf('user', 'alice')
const bob = assertionOf('user', 'bob')
const app = assertionOf('service_account', 'api-access')

function ground(setting: { endAt?: 'expiry' | 'revocation' | 'never'; graceMs?: number } = {}) {
  const revoked = new Set<Assertion>()
  let asked = 0
  const isRevoked = (assertion: Assertion) => {
    asked++
    return revoked.has(assertion)
  }
  const metrics = new Metrics()
  const ended = metrics.counter({ name: 'ended', unit: '', help: 'Ended.' })
  const exchanges = new OpenExchanges(
    { ...nothingRevoked, isRevoked },
    { endAt: () => setting.endAt ?? 'revocation', graceMs: () => setting.graceMs ?? 0 },
    ended,
  )
  const counted = () => /^ended_total(\S*) (\d+)$/m.exec(formatPrometheus(metrics.instruments))?.slice(1)
  return { exchanges, revoked, counted, asked: () => asked }
}

const until = (seconds: number) => assertionOf('user', 'alice', { expiresAt: seconds })

const reasonOf = ({ interruption }: OpenExchange) => interruption.reason?.code

test('whoever is revoked ends what is theirs, as caller or as original user, and nothing else', async () => {
  const { exchanges, revoked, counted } = ground()
  const hers = exchanges.open('inbound', [['assertion', alice]])
  const onHerBehalf = exchanges.open('inbound', [
    ['assertion', app],
    ['original_user', alice],
  ])
  const his = exchanges.open('inbound', [
    ['assertion', app],
    ['original_user', bob],
  ])
  const nobodys = exchanges.open('inbound', [['assertion', undefined]])
  revoked.add(alice)
  exchanges.endRevoked()
  await turn()
  assert.deepEqual([hers, onHerBehalf, his, nobodys].map(reasonOf), [
    'assertion_revoked',
    'original_user_revoked',
    undefined,
    undefined,
  ])
  assert.equal(exchanges.size, 2)
  assert.deepEqual(counted(), ['{direction="inbound",reason="revoked"}', '2'])
})

test('who hears of its end is told the reason, once', async () => {
  const { exchanges, revoked } = ground()
  const call = exchanges.open('outbound', [['original_user', alice]])
  const told: string[] = []
  call.interruption.listen(({ code }) => told.push(code))
  revoked.add(alice)
  for (let i = 0; i < 2; i++) {
    exchanges.endRevoked()
    await turn()
  }
  assert.deepEqual(told, ['original_user_revoked'])
})

test('what has ended by itself is not ended again, and not kept', async () => {
  const { exchanges, revoked, counted } = ground()
  const hers = exchanges.open('inbound', [['assertion', alice]])
  hers.close()
  assert.equal(exchanges.size, 0)
  revoked.add(alice)
  exchanges.endRevoked()
  await turn()
  assert.equal(reasonOf(hers), undefined)
  assert.equal(counted(), undefined)
})

test('what was revoked between the decision and the start does not start', () => {
  const { exchanges, revoked } = ground()
  revoked.add(alice)
  assert.equal(
    refusalOf(() => exchanges.open('inbound', [['assertion', alice]])),
    'assertion_revoked',
  )
  assert.equal(exchanges.size, 0)
})

test('where revocations end nothing, all goes on', async () => {
  const { exchanges, revoked } = ground({ endAt: 'never' })
  const hers = exchanges.open('inbound', [['assertion', alice]])
  revoked.add(alice)
  exchanges.endRevoked()
  await turn()
  assert.equal(reasonOf(hers), undefined)
  exchanges.open('inbound', [['assertion', alice]]).close()
})

test('a thousand revocations at a time look at what is open once', async () => {
  const { exchanges, asked } = ground()
  exchanges.open('inbound', [['assertion', alice]])
  const before = asked()
  for (let i = 0; i < 1_000; i++) exchanges.endRevoked()
  await turn()
  assert.equal(asked() - before, 1)
})

test('where expiry ends them, a user whose assertion counts no more ends what it let in; an account does not', () => {
  const { exchanges, counted } = ground({ endAt: 'expiry', graceMs: 30_000 })
  const hers = exchanges.open('inbound', [['assertion', until(1_000)]])
  const onHerBehalf = exchanges.open('outbound', [['original_user', until(1_000)]])
  const later = exchanges.open('inbound', [['assertion', until(2_000)]])
  const accounts = exchanges.open('inbound', [
    ['assertion', assertionOf('service_account', 'api-access', { expiresAt: 1_000 })],
  ])
  const all = [hers, onHerBehalf, later, accounts]
  exchanges.endExpired(1_059_999)
  assert.deepEqual(all.map(reasonOf), [undefined, undefined, undefined, undefined])
  exchanges.endExpired(1_060_000)
  assert.deepEqual(all.map(reasonOf), ['assertion_expired', undefined, undefined, undefined])
  exchanges.endExpired(1_090_000)
  assert.deepEqual(all.map(reasonOf), ['assertion_expired', 'original_user_expired', undefined, undefined])
  assert.deepEqual(counted(), ['{direction="inbound",reason="expired"}', '1'])
})

test('where revocation ends them, nothing ends by its expiry', () => {
  const { exchanges } = ground()
  const hers = exchanges.open('inbound', [['assertion', assertionOf('user', 'alice', { expiresAt: 1_000 })]])
  exchanges.endExpired(5_000_000)
  assert.equal(reasonOf(hers), undefined)
})
