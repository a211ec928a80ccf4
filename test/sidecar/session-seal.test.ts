// A sealed session opens with its own handle and for its own service alone.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openSession, sealSession, sessionName } from '../../sidecar/session-seal.ts'

const handle = 'abcd0123456789ABCDEFGHIJKL'
const other = 'abcd0123456789ABCDEFGHIJKM'
const sealed = sealSession(handle, 'App', 'a secret ü')

test('what was sealed opens with its handle, for its service', () => {
  assert.equal(openSession(handle, 'App', sealed), 'a secret ü')
})

test('another handle opens nothing, nor does another service', () => {
  assert.equal(openSession(other, 'App', sealed), undefined)
  assert.equal(openSession(handle, 'API', sealed), undefined)
})

test('the same session sealed twice is not the same text', () => {
  assert.notEqual(sealSession(handle, 'App', 'a secret ü'), sealed)
})

test('each changed byte is seen', () => {
  const bytes = Buffer.from(sealed, 'base64url')
  for (let i = 0; i < bytes.length; i++) {
    const changed = Buffer.from(bytes)
    changed[i] = (changed[i] as number) ^ 1
    assert.equal(openSession(handle, 'App', changed.toString('base64url')), undefined, `byte ${i}`)
  }
})

test('a part of it opens nothing', () => {
  const bytes = Buffer.from(sealed, 'base64url')
  for (const end of [0, 1, 11, 12, 27, 28, bytes.length - 1])
    assert.equal(openSession(handle, 'App', bytes.subarray(0, end).toString('base64url')), undefined)
})

test('neither the name nor what is sealed holds a part of the handle', () => {
  assert.match(sessionName(handle), /^[0-9a-f]{64}$/)
  assert.notEqual(sessionName(handle), sessionName(other))
  assert.equal(sealed.includes(handle.slice(4)), false)
})
