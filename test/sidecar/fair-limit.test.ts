// Who is let in at a limit, and that all is counted back.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FairLimit } from '../../sidecar/fair-limit.ts'

/** @returns whether each of so many was let in; who was not holds nothing. */
function fill(limit: FairLimit, address: string, count: number, most: number): number {
  let taken = 0
  for (let i = 0; i < count; i++) {
    limit.take(address)
    if (limit.isExceededBy(address, most)) limit.release(address)
    else taken++
  }
  return taken
}

test('one address may have all of the limit, and not one more', () => {
  for (const most of [1, 2, 10, 99, 1_000]) assert.equal(fill(new FairLimit(), 'a', 2_000, most), most)
})

test('then a tenth more is for others, a hundredth for each', () => {
  const limit = new FairLimit()
  assert.equal(fill(limit, 'a', 2_000, 1_000), 1_000)
  const others = Array.from({ length: 20 }, (_, i) => fill(limit, `b${i}`, 50, 1_000))
  assert.deepEqual(
    others,
    Array.from({ length: 20 }, (_, i) => (i < 10 ? 10 : 0)),
  )
  assert.equal(fill(limit, 'a', 1, 1_000), 0)
  assert.equal(limit.held, 1_100)
})

test('of a small limit one more is for whoever has nothing, and of the smallest none', () => {
  const [ten, nine] = [new FairLimit(), new FairLimit()]
  assert.equal(fill(ten, 'a', 20, 10), 10)
  assert.equal(fill(ten, 'b', 5, 10), 1)
  assert.equal(fill(nine, 'a', 20, 9), 9)
  assert.equal(fill(nine, 'b', 5, 9), 0)
})

test('what is given back may be taken again, by whomever', () => {
  const limit = new FairLimit()
  for (let round = 0; round < 3; round++) {
    assert.equal(fill(limit, 'a', 20, 10), 10)
    for (let i = 0; i < 10; i++) limit.release('a')
    assert.equal(limit.held, 0)
  }
  assert.equal(fill(limit, 'b', 20, 10), 10)
})

test('0 is no limit', () => assert.equal(fill(new FairLimit(), 'a', 5_000, 0), 5_000))
