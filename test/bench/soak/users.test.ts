// Whose assertions the soak sends, and how often.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateSigningKey } from '../../../deploy/demo/pomerium-keys.ts'
import { userCount } from '../users.ts'
import { SoakUsers } from './users.ts'

const newTo = (known: readonly string[], texts: readonly string[]) =>
  new Set(texts).difference(new Set(known))

test('of four requests one has a new assertion, and the other users come again with theirs until it is old', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_800_000_000_000 })
  const { kid, privateKey } = await generateSigningKey('ES256')
  const users = new SoakUsers(kid, privateKey)
  const round = () => Array.from({ length: userCount }, () => users.next())
  const first = round()
  assert.equal(new Set(first).size, userCount)
  const second = round()
  assert.equal(newTo(first, second).size, userCount / 4)
  t.mock.timers.tick(150_000)
  assert.equal(newTo([...first, ...second], round()).size, userCount)
})
