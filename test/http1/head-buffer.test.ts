// Heads that come in pieces.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HeadBuffer, HeadTooLarge } from '../../sidecar/http1/head-buffer.ts'
import { refuseRequestBegin } from '../../sidecar/http1/syntax.ts'
import { usedBytes, usedBytesOnceBelow } from '../support/memory.ts'

const make = () => new HeadBuffer(1024 * 1024, refuseRequestBegin)

test('a head after empty lines is read though each byte comes by itself', () => {
  const buffer = make()
  let head: string | undefined
  for (const byte of Buffer.from('\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n')) {
    assert.equal(head, undefined)
    buffer.add(Buffer.of(byte))
    buffer.skipEmptyLines()
    head = buffer.takeHead()
  }
  assert.equal(head, 'GET / HTTP/1.1\r\nHost: a\r\n')
})

for (const cut of [1, 2, 3, 4, 5]) {
  test(`a head is as long as it may be, also where its last ${cut} bytes come later`, () => {
    const head = `GET / HTTP/1.1\r\nX: ${'x'.repeat(100)}\r\n\r\n`
    const read = (maxBytes: number) => {
      const buffer = new HeadBuffer(maxBytes, refuseRequestBegin)
      buffer.add(Buffer.from(head.slice(0, -cut)))
      assert.equal(buffer.takeHead(), undefined)
      buffer.add(Buffer.from(head.slice(-cut)))
      return buffer.takeHead()
    }
    assert.equal(read(head.length - 4), head.slice(0, -2))
    assert.throws(() => read(head.length - 5), HeadTooLarge)
  })
}

test('of a head that was read its bytes are not kept', async () => {
  const before = await usedBytes()
  const buffers = Array.from({ length: 20 }, () => {
    const buffer = make()
    buffer.add(Buffer.from('GET / HTTP/1.1\r\n'))
    buffer.add(Buffer.from(`X: ${'x'.repeat(500_000)}\r\n\r\n`))
    assert.equal(buffer.takeHead()?.length, 500_021)
    return buffer
  })
  const bound = 5_000_000
  const kept = (await usedBytesOnceBelow(before + bound)) - before
  assert.ok(kept < bound, `${buffers.length} keep ${kept} bytes`)
})
