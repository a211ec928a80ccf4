// However a clock is set, what is to be remembered for a while is remembered for as long.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createUnhurriedClock } from '../../sidecar/unhurried-clock.ts'

const yearMs = 365 * 24 * 60 * 60 * 1000

function scene() {
  const clock = { wallMs: 1_000_000_000_000, elapsedMs: 5_000 }
  const now = createUnhurriedClock(
    () => clock.wallMs,
    () => clock.elapsedMs,
  )
  const passes = (ms: number) => {
    clock.wallMs += ms
    clock.elapsedMs += ms
  }
  return { clock, now, passes }
}

test('it goes as the clock goes', () => {
  const { clock, now, passes } = scene()
  assert.equal(now(), clock.wallMs)
  passes(yearMs)
  assert.equal(now(), clock.wallMs)
})

test('where the clock is set ahead it goes on as before, and as the clock again when that is set right', () => {
  const { clock, now, passes } = scene()
  const rightMs = clock.wallMs
  clock.wallMs += yearMs
  assert.equal(now(), rightMs)
  passes(1_000)
  assert.equal(now(), rightMs + 1_000)
  clock.wallMs -= yearMs
  assert.equal(now(), rightMs + 1_000)
})

test('where the clock is set back it is never ahead of it', () => {
  const { clock, now } = scene()
  clock.wallMs -= yearMs
  assert.equal(now(), clock.wallMs)
})
