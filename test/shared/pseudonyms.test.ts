// A user has one pseudonym under one key, which nobody can try names against who has not the key.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPseudonyms, nameOf, plainNaming } from '../../shared/pseudonyms.ts'

const user = { issuer: 'pomerium', subject: 'alice', kind: 'user' } as const
const account = { issuer: 'mesh', subject: 'api-access', kind: 'service_account' } as const
const key = (fill: number) => Buffer.alloc(32, fill)

test('the same user has the same pseudonym at every sidecar with the key, and another under another key', () => {
  const [a, b, c] = [createPseudonyms(key(1)), createPseudonyms(key(1)), createPseudonyms(key(2))]
  assert.match(a.idOf(user), /^[\w-]{22}$/)
  assert.equal(a.idOf(user), a.idOf(user))
  assert.equal(a.idOf(user), b.idOf(user))
  assert.notEqual(a.idOf(user), c.idOf(user))
})

test('the same subject of another issuer is someone else', () => {
  const naming = createPseudonyms(key(1))
  assert.notEqual(naming.idOf(user), naming.idOf({ ...user, issuer: 'other' }))
  // What stands between the two tells where one ends.
  assert.notEqual(
    naming.idOf({ ...user, issuer: 'a', subject: 'bc' }),
    naming.idOf({ ...user, issuer: 'ab', subject: 'c' }),
  )
})

test('service accounts are plain, and so is everybody who is to be', () => {
  assert.equal(nameOf(account, createPseudonyms(key(1))), 'mesh/api-access')
  assert.equal(nameOf(user, plainNaming), 'pomerium/alice')
})
