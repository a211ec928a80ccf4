// The injector's certificate is renewed: no request fails, and nobody serves what the webhooks do not know yet.
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { test } from 'node:test'
import { createApi } from '../../deploy/kubernetes/injector/kubernetes-api.ts'
import { eventually } from '../support/eventually.ts'
import { pemBlocks, type StoredObject } from './api-server.ts'
import {
  bundlesOf,
  configuration,
  create,
  createOn,
  emptySecret,
  hourMs,
  named,
  secretOf,
  secretPath,
  served,
  startGround,
  webhooksPath,
} from './injector-ground.ts'

/** Two thirds of a day are over for whoever asks this clock after `age`. */
function clock() {
  let behindMs = 20 * hourMs
  return { now: () => Date.now() - behindMs, age: () => (behindMs = 0) }
}

test('a renewal fails no request, though the API server hears of its authority late', async (t) => {
  const lagMs = 100
  const ground = await startGround(t, { lagMs })
  const { now, age } = clock()
  const replicas = await Promise.all([1, 2].map(() => ground.replica({ days: 1, now })))
  await Promise.all(replicas.map((replica) => replica.untilReady()))
  await pause(lagMs)
  ground.endpoints.push(...replicas.map(({ address }) => address.port))
  const before = secretOf(ground)['tls.crt']
  const end = createOn(ground)
  age()
  await eventually(async () => replicas.every(({ lines }) => served(lines) === 2))
  await pause(lagMs)
  const { faults, count } = await end()
  assert.deepEqual(faults, [])
  assert.ok(count > 2, `${count} pods`)
  assert.notEqual(secretOf(ground)['tls.crt'], before)
  assert.deepEqual(
    bundlesOf(ground).map((bundle) => pemBlocks(bundle).length),
    [2, 2],
  )
  assert.equal(secretOf(ground)['next.key'], undefined)
})

test('the next certificate waits until the webhooks have named its authority for a while, whoever looks', async (t) => {
  const ground = await startGround(t)
  const { now, age } = clock()
  const settleMs = 400
  const replicas = await Promise.all(
    [1, 2].map(() => ground.replica({ days: 1, now, settleMs, intervalMs: 20 })),
  )
  await Promise.all(replicas.map((replica) => replica.untilReady()))
  const before = secretOf(ground)['tls.crt']
  let namedMs = Infinity
  let marks = 0
  // The webhooks cannot be written for longer than it takes to settle; nor can whoever named them say so at once.
  const writable = Promise.withResolvers<void>()
  ground.api.onCall = async (verb, path) => {
    if (verb !== 'update') return
    if (path === webhooksPath) {
      await writable.promise
      namedMs = Math.min(namedMs, performance.now())
    } else if (namedMs < Infinity && marks++ === 0) await pause(settleMs / 2)
  }
  age()
  await eventually(async () => secretOf(ground)['next.crt'] !== undefined)
  await pause(settleMs)
  assert.equal(secretOf(ground)['tls.crt'], before)
  writable.resolve()
  await eventually(async () => secretOf(ground)['tls.crt'] !== before)
  const waitedMs = performance.now() - namedMs
  assert.ok(waitedMs >= settleMs, `served ${waitedMs} ms after it was named`)
})

test('webhooks that forget the next authority are told it again, and have as long to settle', async (t) => {
  const ground = await startGround(t)
  const { now, age } = clock()
  const settleMs = 300
  const replica = await ground.replica({ days: 1, now, settleMs, intervalMs: 20 })
  await replica.untilReady()
  const before = secretOf(ground)['tls.crt']
  age()
  await eventually(async () => (secretOf(ground)['next-since'] ?? '') !== '')
  await pause(settleMs / 2)
  const forgottenMs = performance.now()
  ground.api.put(webhooksPath, configuration)
  await eventually(async () => secretOf(ground)['tls.crt'] !== before)
  assert.ok(performance.now() - forgottenMs >= settleMs)
})

test('a certificate that a clock which was ahead has made is replaced, since nobody takes it yet', async (t) => {
  const ground = await startGround(t)
  let aheadMs = 240 * hourMs
  const replica = await ground.replica({ now: () => Date.now() + aheadMs })
  await replica.untilReady()
  ground.endpoints.push(replica.address.port)
  await assert.rejects(create(ground), /not yet valid/)
  aheadMs = 0
  await eventually(async () => served(replica.lines) === 2, 2_000)
  await create(ground)
})

for (const [what, aheadMs] of [
  ['behind', -2_400 * hourMs],
  ['ahead', 2_400 * hourMs],
] as const)
  test(`one whose clock is ${what} goes by that of the API server`, async (t) => {
    const ground = await startGround(t)
    await (await ground.replica()).untilReady()
    const before = secretOf(ground)['tls.crt']
    const wrong = await ground.replica({
      api: createApi(ground.api.place),
      now: () => Date.now() + aheadMs,
      intervalMs: 5,
    })
    ground.endpoints.push(wrong.address.port)
    await eventually(async () => served(wrong.lines) === 1)
    assert.equal(secretOf(ground)['tls.crt'], before)
    await create(ground)
    ground.api.put(secretPath, emptySecret)
    await eventually(async () => served(wrong.lines) === 2)
    await create(ground)
  })

test('a replica that read before another one renewed does not write its authority over the newer one', async (t) => {
  const other = await startGround(t)
  await (await other.replica()).untilReady()
  const ground = await startGround(t)
  const replica = await ground.replica({ intervalMs: 20 })
  await replica.untilReady()
  const [older] = bundlesOf(ground)
  const [newer = ''] = bundlesOf(other)
  // Of one look, the first answer is given, and the second only when all has changed.
  const isHeld = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  let asked = ''
  ground.api.onCall = (_verb, path) => {
    if (asked === '' || asked === path) {
      asked = path
      return
    }
    isHeld.resolve()
    return released.promise
  }
  await isHeld.promise
  ground.api.put(secretPath, { ...(ground.api.get(secretPath) as StoredObject), data: secretOf(other) })
  ground.api.put(webhooksPath, named(newer))
  const seen = ground.api.versions(webhooksPath).length
  ground.api.calls.length = 0
  released.resolve()
  await eventually(async () => ground.api.calls.length >= 5)
  const since = ground.api.versions(webhooksPath).slice(seen)
  assert.ok(!JSON.stringify(since).includes(String(older)), 'the older authority was named again')
  assert.deepEqual(new Set(bundlesOf(ground)), new Set([newer]))
})
