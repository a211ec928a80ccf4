// Whose turn it is to fetch an issuer's keys, and whose word counts that they changed.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { KeySharing } from '../../../sidecar/keys/key-sharing.ts'
import { createMemoryStore } from '../../../sidecar/store/memory.ts'
import { StoreUnavailable, type Store } from '../../../sidecar/store/store.ts'

const url = 'https://authenticate.example.com/jwks.json'
const nobody = { trustsSomeone: false, sign: () => undefined, verify: () => undefined }
const slots = 8

const sharingOver = (store: Store, now: () => number = Date.now) =>
  new KeySharing({ store, url, seal: nobody, now })

const nameOf = (of: string): string => createHash('sha256').update(of).digest('hex').slice(0, 32)

test('a lease is renewed for as long as the fetch runs, and given back behind it', async (t) => {
  const store = createMemoryStore(Date.now)
  const giveBack = await sharingOver(store).turn()
  t.after(giveBack)
  // A lease lives for two seconds without its holder.
  await pause(2_600)
  assert.equal(await holders(store), 1)
  giveBack()
  await pause(20)
  assert.equal(await holders(store), 0)
})

async function holders(store: Store): Promise<number> {
  let count = 0
  for (let slot = 0; slot < slots; slot++) {
    if ((await store.get(`lease:jwks:${nameOf(url)}:${slot}`)) !== undefined) count++
  }
  return count
}

test('only so many have a turn, and who waits for one gets it when one is given back', async (t) => {
  const store = createMemoryStore(Date.now)
  const turns = await Promise.all(Array.from({ length: slots }, () => sharingOver(store).turn()))
  t.after(() => turns.forEach((giveBack) => giveBack()))
  assert.equal(await holders(store), slots)
  let hasTurn = false
  const late = sharingOver(store)
    .turn()
    .then((giveBack) => {
      hasTurn = true
      t.after(giveBack)
    })
  await pause(100)
  assert.equal(hasTurn, false)
  turns[0]?.()
  await late
  assert.equal(hasTurn, true)
})

test('where the store cannot say whose turn it is, nobody waits', async () => {
  const away: Store = {
    ...createMemoryStore(Date.now),
    lease: () => Promise.reject(new StoreUnavailable('away')),
  }
  const giveBack = await sharingOver(away).turn()
  giveBack()
})

test('a hint is heeded a few times at once, then one time each interval, and only about this issuer', () => {
  const clock = { ms: 1_000_000 }
  const sharing = sharingOver(createMemoryStore(Date.now), () => clock.ms)
  assert.equal(sharing.heeds('another'), false)
  const heeded = Array.from({ length: 20 }, () => sharing.heeds(nameOf(url)))
  assert.equal(heeded.filter(Boolean).length, 5)
  clock.ms += 5_000
  assert.deepEqual([sharing.heeds(nameOf(url)), sharing.heeds(nameOf(url))], [true, false])
})
