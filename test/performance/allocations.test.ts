// What the inbound side allocates for a request: it is what of its cost can be counted without noise, and most of it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { getHeapStatistics } from 'node:v8'
import type { Side } from '../../sidecar/exchange.ts'
import type { Incoming } from '../../sidecar/http/incoming.ts'
import { incomingWith, makeInboundSide, serve, tokenOf } from './inbound-side.ts'

/** As measured last; to be lowered by who makes it less. In bytes. */
const measured = { seen: 18_100, new: 25_800 }
const mayGrowBy = 0.1

const warmUpCount = 40_000
const windowCount = 4_000
const windows = 4
const users = 1_000
/** In one turn of the event loop. */
const atOnce = 20

async function allocatedBy(side: Side, incomings: readonly Incoming[]): Promise<number> {
  const before = getHeapStatistics().total_allocated_bytes
  for (let i = 0; i < incomings.length; i += atOnce) {
    await Promise.all(incomings.slice(i, i + atOnce).map((incoming) => serve(side, incoming)))
  }
  return (getHeapStatistics().total_allocated_bytes - before) / incomings.length
}

function expectWithin(found: number, expected: number): void {
  const share = found / expected - 1
  const words = `${Math.round(found)} bytes for a request, ${(share * 100).toFixed(1)} % more than ${expected}`
  assert.ok(share <= mayGrowBy, `${words}: see what of it is needed, or say in the commit why it is`)
}

/** Of several windows the least: in the others code was still being compiled. */
test('a request allocates no more than it did, its assertion seen before or new', async (t) => {
  const statuses = new Set<number>()
  const made = (first: number, count: number) =>
    Array.from({ length: count }, (_, i) =>
      incomingWith(tokenOf(first + i), ({ status }) => statuses.add(status)),
    )
  const side = makeInboundSide()
  const known = made(0, users)
  const seen = Array.from({ length: windowCount }, (_, i) => known[i % users] as Incoming)
  for (let i = 0; i < warmUpCount; i += windowCount) await allocatedBy(side, seen)
  const ofSeen: number[] = []
  const ofNew: number[] = []
  for (let i = 0; i < windows; i++) {
    ofSeen.push(await allocatedBy(side, seen))
    ofNew.push(await allocatedBy(side, made(users * (i + 1), users)))
  }
  t.diagnostic(`seen: ${ofSeen.map(Math.round).join(', ')}; new: ${ofNew.map(Math.round).join(', ')}`)
  assert.deepEqual([...statuses], [204])
  expectWithin(Math.min(...ofSeen), measured.seen)
  expectWithin(Math.min(...ofNew), measured.new)
})
