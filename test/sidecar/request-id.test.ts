// The ids of requests: what they look like, and what they cost while a session keeps them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newRequestId } from '../../sidecar/request-id.ts'
import { usedBytes, usedBytesOnceBelow } from '../support/memory.ts'

test('each is a UUID of version 4, and none comes again', () => {
  const ids = Array.from({ length: 100 }, newRequestId)
  for (const id of ids)
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  assert.equal(new Set(ids).size, ids.length)
})

test('one that is kept costs little more than its characters', async () => {
  const count = 10_000
  const kept = Array.from<string>({ length: count }).fill('')
  const before = await usedBytes()
  for (let i = 0; i < count; i++) kept[i] = newRequestId()
  const bytesEach = ((await usedBytesOnceBelow(before + 150 * count)) - before) / count
  assert.ok(bytesEach < 150, `${bytesEach} bytes`)
  assert.equal(kept.length, count)
})
