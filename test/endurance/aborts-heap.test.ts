// 2,000 exchanges that break off, at every stage in turn, leave no memory behind.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { usedBytes, usedBytesOnceBelow } from '../support/memory.ts'
import { repeat, startGround } from './abort-ground.ts'
import { abortRows } from './abort-rows.ts'
import { breakOff, startUpstream } from './break-off.ts'
import { scaled } from './soak.ts'

const warmUp = 1_000
const aborts = scaled(2_000)
/**
 * Measured: 200 KiB for 2,000, 400 KiB for 8,000. The smallest thing that could be forgotten for each abort, a timer or a
 * listener with what it holds, is ten times as large.
 */
const maxGrowth = 256 * 1024 + 128 * aborts

test(`${aborts} exchanges that break off leave no memory behind`, async (t) => {
  const upstream = await startUpstream(t)
  const ground = await startGround(t, upstream.port)
  const run = async (count: number) => {
    await repeat(count, async (i) => {
      const { way, ...row } = abortRows[i % abortRows.length] as (typeof abortRows)[number]
      await breakOff({ upstream, ...ground.ways[way], ...row })
    })
    upstream.closeAll()
    await ground.untilAsBefore()
  }
  await run(warmUp)
  const before = await usedBytes()
  await run(aborts)
  const growth = (await usedBytesOnceBelow(before + maxGrowth)) - before
  t.diagnostic(`${Math.round(before / 1024)} KiB, and ${Math.round(growth / 1024)} KiB more afterwards`)
  assert.ok(growth < maxGrowth, `${growth} octets more are in use`)
})
