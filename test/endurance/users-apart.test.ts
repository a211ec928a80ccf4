// Zero leaks across users: 500 at once through three services whose apps were not touched, under the preload alone.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { soak } from './soak.ts'
import { load, startGround } from './users-apart.ts'

const preload = join(import.meta.dirname, '../../dist/preload.cjs')
const lastWins = join(import.meta.dirname, 'programs/last-wins.cjs')

/** So many reach the last service, later work and second tries among them; `make soak` makes it a million and more. */
const arriving = soak === 1 ? 50_000 : 100_000 * soak
/** Each third leaves work for later. */
const requests = Math.ceil(arriving / 1.3)

test(`${arriving} requests of 500 users: what arrives at the last service is of the user who started it`, async (t) => {
  const ground = await startGround(t, preload)
  await load(ground, requests)
  const { tally } = ground
  t.diagnostic(JSON.stringify({ ...tally, ends: Object.fromEntries(tally.ends) }))
  assert.deepEqual(tally.wrong, [])
  // Those who left may have been carried to the end, or not.
  const { left = 0, ...others } = Object.fromEntries(tally.ends)
  assert.deepEqual(others, { 200: requests - left })
  assert.ok(tally.arrived >= requests - left && left <= Math.ceil(requests / 50))
  assert.ok(tally.arrived + tally.late >= arriving, `${tally.arrived + tally.late} arrived`)
  assert.ok(tally.late > requests / 20, 'work after the response arrives, too')
})

test('with a correlator in which the last request wins, this finds the mix-up', async (t) => {
  const ground = await startGround(t, lastWins)
  await load(ground, 2_000)
  assert.ok(ground.tally.wrong.length > 200, `${ground.tally.wrong.length} arrived as another`)
})
