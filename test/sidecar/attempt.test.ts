// An attempt whose request, or whose answer, cannot be sent.
import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { attempt } from '../../sidecar/http/attempt.ts'
import type { Forwarding } from '../../sidecar/http/forwarding.ts'
import type { Outgoing, OutgoingEvents } from '../../sidecar/http/outgoing.ts'
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

test('an error of our own in the midst of a body ends its request, and nothing else', async () => {
  const body = new PassThrough()
  const incoming = {
    head: { method: 'POST' },
    framing: 'open',
    body,
    reply: {
      isGone: false,
      onceClosed: () => undefined,
      offClosed: () => undefined,
      invite: () => undefined,
    },
  } as unknown as Incoming
  const forwarding = { incoming, timeouts: {} } as unknown as Forwarding
  const error = new TypeError('it is not there')
  let abandoned = 0
  const outgoing = {
    write: () => {
      throw error
    },
    onDrain: () => undefined,
    offDrain: () => undefined,
    abandon: () => abandoned++,
  }
  const outcome = attempt(forwarding, new Upload(incoming, 0, () => []), (events) => {
    queueMicrotask(() => events.onReady())
    return outgoing as unknown as Outgoing
  })
  body.write('part')
  await assert.rejects(outcome, error)
  assert.equal(abandoned, 1)
})

test('a change of protocol that the client cannot be told of is no answer', async () => {
  const incoming = {
    head: { method: 'GET' },
    framing: 'none',
    reply: { isGone: false, onceClosed: () => undefined, offClosed: () => undefined },
    upgrade: {
      protocols: ['other'],
      accept: () => {
        throw new Error('cannot be sent')
      },
    },
  } as unknown as Incoming
  const forwarding = { incoming, timeouts: {}, siftResponse: () => [] } as unknown as Forwarding
  const opened = Promise.withResolvers<OutgoingEvents>()
  const outcome = attempt(forwarding, new Upload(incoming, 0, () => []), (events) => {
    opened.resolve(events)
    return { isEnded: true, abandon: () => undefined } as unknown as Outgoing
  })
  const bytes = new PassThrough()
  const { onUpgrade } = await opened.promise
  onUpgrade({ protocol: 'other', headers: [], bytes })
  await assert.rejects(outcome, { code: 'upstream_invalid' })
  assert.ok(bytes.destroyed)
})
