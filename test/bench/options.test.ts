// How the bench reads its environment.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readOptions } from './options.ts'

const names = ['inbound', 'revocation']

test('what is not given, or given empty, is as documented', () => {
  const byDefault = {
    rounds: 5,
    seconds: 10,
    warmupSeconds: 3,
    requests: 1_000_000,
    minutes: 60,
    profile: false,
    only: undefined,
  }
  assert.deepEqual(readOptions({}, names), byDefault)
  const empty = { ROUNDS: '', SECONDS: '', WARMUP: '', REQUESTS: '', MINUTES: '', PROFILE: '', ONLY: '' }
  assert.deepEqual(readOptions(empty, names), byDefault)
})

test('what is given counts', () => {
  const given = {
    ROUNDS: '3',
    SECONDS: '5',
    WARMUP: '1',
    REQUESTS: '2000',
    MINUTES: '9',
    PROFILE: '1',
    ONLY: 'revocation',
  }
  assert.deepEqual(readOptions(given, names), {
    rounds: 3,
    seconds: 5,
    warmupSeconds: 1,
    requests: 2_000,
    minutes: 9,
    profile: true,
    only: 'revocation',
  })
})

test('ONLY that names no scenario is refused with their names', () => {
  assert.throws(() => readOptions({ ONLY: 'cpu' }, names), /^Error: ONLY must be one of inbound, revocation,/)
})

test('a count that is none is refused by name', () => {
  for (const text of ['0', '-1', '1.5', 'five', '1000']) {
    assert.throws(() => readOptions({ ROUNDS: text }, names), /^Error: ROUNDS must be a whole number/)
  }
})
