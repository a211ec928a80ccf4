// A redacted secret shows nowhere but where it is exposed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { format, inspect } from 'node:util'
import { Redacted } from '../../shared/redacted.ts'

const secret = new Redacted('hunter2')

test('a redacted secret is given to whoever asks for it', () => {
  assert.equal(secret.expose(), 'hunter2')
})

test('a redacted secret does not print, in whatever way', () => {
  const ways = [
    String(secret),
    JSON.stringify({ token: secret }),
    inspect(secret),
    inspect({ deep: { token: secret } }, { showHidden: true, depth: 9 }),
    format('%s %o %O %j', secret, secret, secret, secret),
    ['failed with', secret].join(' '),
  ]
  for (const text of ways) {
    assert.doesNotMatch(text, /hunter2/)
    assert.match(text, /\[redacted\]/)
  }
})

test('a redacted secret is not copied along with its object', () => {
  assert.deepEqual(structuredClone(secret), {})
})
