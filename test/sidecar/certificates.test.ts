// Our certificate and others': when it travels, what is looked up, and how often.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keyThumbprint } from '../../shared/certificate/thumbprint.ts'
import type { Minter } from '../../sidecar/credential/minter.ts'
import { Certificates, settlingMs } from '../../sidecar/certificates.ts'
import { createMemoryStore } from '../../sidecar/store/memory.ts'
import { StoreUnavailable, type Store } from '../../sidecar/store/store.ts'
import { clockMs, makeMesh } from '../support/certificates.ts'
import { snapshotOf } from '../support/tokens.ts'

const mesh = makeMesh('mesh.example.com', ['api-access', 'ledger-access'])
const certificate = mesh.issue('api-access')
const other = mesh.issue('ledger-access')
const kidOf = ({ keys }: typeof certificate) => keyThumbprint(keys.publicKey)

interface Away {
  isAway: boolean
}

/** A store as sidecars share it, that can be away, and counts what it is asked. */
function scene({
  minter = { keyId: kidOf(certificate), x5c: [certificate.base64], notAfterMs: clockMs + 3_600_000 },
} = {}) {
  const clock = { ms: clockMs }
  const inner = createMemoryStore(() => clock.ms)
  const asked: string[] = []
  const state: Away = { isAway: false }
  const orAway = <T>(answer: () => Promise<T>): Promise<T> =>
    state.isAway ? Promise.reject(new StoreUnavailable('away')) : answer()
  const store: Store = {
    ...inner,
    kind: 'redis',
    get isUp() {
      return !state.isAway
    },
    get: (key) => {
      asked.push(key)
      return orAway(() => inner.get(key))
    },
    set: (key, value, lifeMs) => orAway(() => inner.set(key, value, lifeMs)),
    publish: (channel, message) => orAway(() => inner.publish(channel, message)),
  }
  const { trust } = snapshotOf({ authorities: [mesh.authority] })
  const certificates = new Certificates({
    store,
    trust: () => trust,
    minter: () => minter as unknown as Minter,
    now: () => clock.ms,
  })
  return { certificates, clock, store, inner, asked, state, trust }
}

const host = 'api.example.com'

test('it travels until it was published and has settled', async (t) => {
  const { certificates, clock } = scene()
  t.after(() => certificates.close())
  assert.equal(certificates.travelsTo(host), true)
  await certificates.start()
  clock.ms += settlingMs - 1
  assert.equal(certificates.travelsTo(host), true)
  clock.ms += 1
  assert.equal(certificates.travelsTo(host), false)
})

test('it travels while the store is away, and to a callee that did not find it', async (t) => {
  const { certificates, clock, state } = scene()
  t.after(() => certificates.close())
  await certificates.start()
  clock.ms += settlingMs
  state.isAway = true
  assert.equal(certificates.travelsTo(host), true)
  state.isAway = false
  certificates.sendTo('ledger.example.com')
  assert.deepEqual(
    [certificates.travelsTo(host), certificates.travelsTo('ledger.example.com')],
    [false, true],
  )
})

test('what was never published travels, however long it takes', async (t) => {
  const { certificates, clock, state } = scene()
  t.after(() => certificates.close())
  state.isAway = true
  await certificates.start()
  state.isAway = false
  clock.ms += 3_600_000 - 1
  assert.equal(certificates.travelsTo(host), true)
})

test('who looks for one at the same time shares one question', async () => {
  const { certificates, inner, asked, trust } = scene()
  await inner.set(`certificate:${kidOf(other)}`, JSON.stringify([other.base64]), 60_000)
  const answers = await Promise.all(Array.from({ length: 50 }, () => certificates.lookUp(kidOf(other))))
  assert.deepEqual([new Set(answers), asked.length], [new Set(['found']), 1])
  assert.deepEqual(trust.certificates.get(kidOf(other)), [other.base64])
})

test('one that nobody has is not asked for again for a while', async () => {
  const { certificates, asked, clock } = scene()
  for (let i = 0; i < 10; i++) assert.equal(await certificates.lookUp('a'.repeat(64)), 'unknown')
  assert.equal(asked.length, 1)
  clock.ms += 2_000
  await certificates.lookUp('a'.repeat(64))
  assert.equal(asked.length, 2)
})

test('of ever new ones only so many are asked for at the same time', async () => {
  const { certificates, asked } = scene()
  const kids = Array.from({ length: 200 }, (_, i) => i.toString(16).padStart(64, '0'))
  const answers = await Promise.all(kids.map((kid) => certificates.lookUp(kid)))
  assert.deepEqual([asked.length, answers.filter((answer) => answer === 'unavailable').length], [64, 136])
})

test('what is no thumbprint is no key of the store', async () => {
  const { certificates, asked } = scene()
  for (const kid of ['', '../x', 'A'.repeat(64), 'a'.repeat(63), 'a'.repeat(65), `${'a'.repeat(63)}\n`])
    assert.equal(await certificates.lookUp(kid), 'unknown')
  assert.deepEqual(asked, [])
})

test('while the store is away nothing is unknown', async () => {
  const { certificates, state } = scene()
  state.isAway = true
  assert.equal(await certificates.lookUp('a'.repeat(64)), 'unavailable')
})

for (const [what, value] of [
  ['of another key', JSON.stringify([certificate.base64])],
  [
    'of another authority',
    JSON.stringify([makeMesh('mesh.example.com', ['ledger-access']).issue('ledger-access').base64]),
  ],
  ['that is no list', '"x"'],
  ['that is no JSON', '['],
  ['of numbers', '[1]'],
  ['that is too long', JSON.stringify(['A'.repeat(5_000)])],
] as const) {
  test(`a chain ${what} teaches nothing, and is counted`, async () => {
    const { certificates, inner, trust } = scene()
    await inner.set(`certificate:${kidOf(other)}`, value, 60_000)
    assert.equal(await certificates.lookUp(kidOf(other)), 'unavailable')
    assert.deepEqual([certificates.rejected, trust.certificates.size], [1, 0])
  })
}

test('what is announced is learned before it is needed, and floods of it are not', async (t) => {
  const { certificates, inner, asked, trust } = scene()
  t.after(() => certificates.close())
  await certificates.start()
  await inner.set(`certificate:${kidOf(other)}`, JSON.stringify([other.base64]), 60_000)
  await inner.publish('certificates', kidOf(other))
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(trust.certificates.size, 1)
  for (let i = 0; i < 2_000; i++) await inner.publish('certificates', i.toString(16).padStart(64, '0'))
  await new Promise((resolve) => setImmediate(resolve))
  assert.ok(asked.length <= 200, `${asked.length}`)
})

test('a certificate that has ended is not published', async (t) => {
  const minter = { keyId: kidOf(certificate), x5c: [certificate.base64], notAfterMs: clockMs }
  const { certificates, inner, clock } = scene({ minter })
  t.after(() => certificates.close())
  await certificates.start()
  assert.equal(await inner.get(`certificate:${minter.keyId}`), undefined)
  clock.ms += settlingMs
  assert.equal(certificates.travelsTo(host), true)
})
