// A flood of one kind of line is held back, counted, and told of; other kinds are not.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog } from '../../../sidecar/telemetry/log.ts'
import { clockMs } from '../../support/certificates.ts'

function flooded(linesPerSecond: number) {
  let nowMs = clockMs
  const lines: Record<string, unknown>[] = []
  const output = { write: (text: string) => lines.push(JSON.parse(text) as Record<string, unknown>) }
  const settings = { level: 'info', format: 'json', access: 'off', linesPerSecond } as const
  const log = createLog(settings, output, () => nowMs)
  const count = (message: string) => lines.filter((line) => line['message'] === message).length
  return { log, lines, count, pass: (ms: number) => void (nowMs += ms) }
}

test('of one kind so many lines are written in a second, and then one that says how many were left out', () => {
  const { log, lines, count, pass } = flooded(3)
  for (let i = 0; i < 10; i++) log.write('warn', 'refused', { code: 'assertion_expired' })
  assert.equal(count('refused'), 3)
  assert.equal(log.suppressed, 7)
  pass(1_000)
  log.sweep()
  const { level, of, code, lines: leftOut } = lines.at(-1) ?? {}
  assert.deepEqual([level, of, code, leftOut], ['warn', 'refused', 'assertion_expired', 7])
  log.sweep()
  assert.equal(count('lines left out'), 1)
})

test('in the next second lines are written again', () => {
  const { log, count, pass } = flooded(1)
  log.write('warn', 'refused')
  log.write('warn', 'refused')
  pass(1_000)
  log.write('warn', 'refused')
  assert.equal(count('refused'), 2)
})

test('a flood of one code holds no other code back, and no other message', () => {
  const { log, count } = flooded(1)
  for (const code of ['a', 'a', 'b']) log.write('warn', 'refused', { code })
  log.write('error', 'the store is away')
  assert.deepEqual([count('refused'), count('the store is away')], [2, 1])
})

test('without a limit all is written', () => {
  const { log, count } = flooded(0)
  for (let i = 0; i < 500; i++) log.write('info', 'refused')
  assert.equal(count('refused'), 500)
})

test('what was left out is told to no listener either', () => {
  const { log } = flooded(2)
  const told: string[] = []
  log.listen((_level, message) => told.push(message))
  for (let i = 0; i < 5; i++) log.write('info', 'refused')
  assert.deepEqual(told, ['refused', 'refused'])
})
