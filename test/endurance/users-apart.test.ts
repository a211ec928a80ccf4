// Zero leaks across users: 500 at once through three services whose apps were not touched, under the preload alone.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { soak } from './soak.ts'
import { load, startGround } from './users-apart.ts'

const preload = join(import.meta.dirname, '../../dist/preload.cjs')
const lastWins = join(import.meta.dirname, 'programs/last-wins.cjs')

/** So many requests are served by the three services; the soak has a million and more that reach the last one. */
const served = soak === 1 ? 50_000 : 300_000 * soak
/** Each of a user's is one at every service; a third leaves work for later beside that. */
const requests = Math.ceil(served / 3.1)

test(`${served} requests of 500 users at three services: what arrives at the last service is of the user who started it`, async (t) => {
  const ground = await startGround(t, preload)
  await load(ground, requests)
  const { tally } = ground
  t.diagnostic(JSON.stringify({ ...tally, ends: Object.fromEntries(tally.ends) }))
  assert.deepEqual(tally.wrong, [])
  // Those who left may have been carried to the end, or not.
  const { left = 0, ...others } = Object.fromEntries(tally.ends)
  assert.deepEqual(others, { 200: requests - left })
  assert.ok(tally.arrived >= requests - left && left <= Math.ceil(requests / 50))
  assert.ok(3 * tally.arrived + tally.late >= served, `${3 * tally.arrived + tally.late} served`)
  assert.ok(tally.late > requests / 20, 'work after the response arrives, too')
})

test('with a correlator in which the last request wins, this finds the mix-up', async (t) => {
  const ground = await startGround(t, lastWins)
  await load(ground, 1_000)
  assert.ok(ground.tally.wrong.length > 100, `${ground.tally.wrong.length} arrived as another`)
})
