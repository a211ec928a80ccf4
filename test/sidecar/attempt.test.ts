// An attempt whose request cannot be sent.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attempt } from '../../sidecar/http/attempt.ts'
import type { Forwarding } from '../../sidecar/http/forwarding.ts'
import { Upload } from '../../sidecar/http/upload.ts'
import type { Incoming } from '../../sidecar/http/incoming.ts'

test('of a request that cannot be sent nothing goes on: no timer, and nobody who listens for its end', async () => {
  const listeners = new Set<() => void>()
  const incoming = {
    head: { method: 'GET' },
    framing: 'none',
    reply: {
      isGone: false,
      onceClosed: (listener: () => void) => listeners.add(listener),
      offClosed: (listener: () => void) => listeners.delete(listener),
    },
  } as unknown as Incoming
  const forwarding = { incoming, timeouts: { responseMs: 10 } } as unknown as Forwarding
  const upload = new Upload(incoming, 0, () => [])
  const unsent = () =>
    attempt(forwarding, upload, () => {
      throw new Error('cannot be sent')
    })
  assert.throws(unsent, /cannot be sent/)
  assert.equal(listeners.size, 0)
  // A timer that is left would end the process.
  await new Promise((resolve) => setTimeout(resolve, 20))
})
