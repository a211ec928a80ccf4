// How the bench reads its environment.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readOptions } from './options.ts'

test('what is not given, or given empty, is as documented', () => {
  const byDefault = { rounds: 5, seconds: 10, warmupSeconds: 3, profile: false, revocationOnly: false }
  assert.deepEqual(readOptions({}), byDefault)
  assert.deepEqual(readOptions({ ROUNDS: '', SECONDS: '', WARMUP: '', PROFILE: '', ONLY: '' }), byDefault)
})

test('what is given counts', () => {
  const options = readOptions({ ROUNDS: '3', SECONDS: '5', WARMUP: '1', PROFILE: '1', ONLY: 'revocation' })
  assert.deepEqual(options, { rounds: 3, seconds: 5, warmupSeconds: 1, profile: true, revocationOnly: true })
})

test('what else ONLY says is refused', () => {
  assert.throws(() => readOptions({ ONLY: 'cpu' }), /^Error: ONLY must be revocation/)
})

test('a count that is none is refused by name', () => {
  for (const text of ['0', '-1', '1.5', 'five', '1000']) {
    assert.throws(() => readOptions({ ROUNDS: text }), /^Error: ROUNDS must be a whole number/)
  }
})
