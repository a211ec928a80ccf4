// One event is one line, whatever a value holds.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { LogLevel } from '../../../shared/config/mesh.ts'
import { boundOutput } from '../../../sidecar/telemetry/bounded-output.ts'
import { formatPrometheus } from '../../../sidecar/telemetry/prometheus.ts'
import { Metrics } from '../../../sidecar/telemetry/metrics.ts'
import { createLog, describeError, isLogLevel, jsonLine, textLine } from '../../../sidecar/telemetry/log.ts'

const time = new Date('2026-01-15T12:00:00Z')

function logTo(level: LogLevel, format: 'auto' | 'json' | 'text', isTTY?: boolean) {
  const lines: string[] = []
  const output = { ...(isTTY !== undefined && { isTTY }), write: (text: string) => lines.push(text) }
  return {
    log: createLog({ level, format, access: 'off', linesPerSecond: 0 }, output, () => time.getTime()),
    lines,
  }
}

test('JSON holds time, level, message and fields', () => {
  assert.equal(
    jsonLine(time, 'info', 'hello', { a: 1, b: undefined }),
    '{"time":"2026-01-15T12:00:00.000Z","level":"info","message":"hello","a":1}\n',
  )
})

test('text holds the same', () => {
  assert.equal(
    textLine(time, 'info', 'hello', { a: 1, b: undefined, c: 'x y' }),
    '2026-01-15T12:00:00.000Z info  hello a=1 c="x y"\n',
  )
})

test('what is below the level is not written', () => {
  const { log, lines } = logTo('warn', 'json')
  for (const level of ['debug', 'info', 'warn', 'error'] as const) log.write(level, level)
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as { level: string }).level),
    ['warn', 'error'],
  )
})

test('the level may change while it runs', () => {
  const { log, lines } = logTo('error', 'json')
  log.level = 'debug'
  log.write('debug', 'now')
  assert.equal(lines.length, 1)
})

for (const [format, isTTY, expected] of [
  ['auto', true, 'text'],
  ['auto', false, 'json'],
  ['auto', undefined, 'json'],
  ['json', true, 'json'],
  ['text', false, 'text'],
] as const) {
  test(`format ${format} is ${expected} ${isTTY === true ? 'on a terminal' : 'elsewhere'}`, () => {
    const { log, lines } = logTo('info', format, isTTY)
    log.write('info', 'hello')
    assert.equal(lines[0]?.startsWith('{') ? 'json' : 'text', expected)
  })
}

test('there are four levels', () => {
  assert.deepEqual(
    ['debug', 'info', 'warn', 'error'].filter((text) => isLogLevel(text)),
    ['debug', 'info', 'warn', 'error'],
  )
  for (const text of ['', 'INFO', 'trace', 'toString', '__proto__']) assert.ok(!isLogLevel(text))
})

/** What some reader of logs, or a terminal, takes for the end of a line or a command, or does not show as it is. */
const breaking = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({
    unit: fc.constantFrom(
      'a',
      ' ',
      '=',
      '"',
      '\\',
      '\n',
      '\r',
      '\u001b',
      '\u0085',
      '\u009b',
      '\u2028',
      '\u2029',
      '\u202e',
      '\u{e0041}',
      '{',
    ),
  }),
)

test('whatever a value or a message holds, it is one line of printable text', () => {
  fc.assert(
    fc.property(anyText, anyText, fc.constantFrom(jsonLine, textLine), (message, value, format) => {
      const line = format(time, 'info', message, { value, list: [value], nested: { value } })
      assert.ok(line.endsWith('\n'))
      assert.doesNotMatch(line.slice(0, -1), breaking)
    }),
    { numRuns: 500 },
  )
})

test('whatever a value holds, JSON gives it back', () => {
  fc.assert(
    fc.property(anyText, (value) =>
      assert.equal((JSON.parse(jsonLine(time, 'info', 'm', { value })) as { value: string }).value, value),
    ),
  )
})

test('a value cannot pretend to be another field of a text line', () => {
  const line = textLine(time, 'info', 'refused', { path: '/a outcome=allowed', code: 'policy_denied' })
  assert.match(line, / path="\/a outcome=allowed" code=policy_denied\n$/)
})

test('an error is its code, its words and its cause’s words, without a stack', () => {
  const cause = Object.assign(new Error('connect failed'), { code: 'ECONNREFUSED' })
  assert.equal(
    describeError(Object.assign(new Error('fetch failed', { cause }), { code: 'X' })),
    'X fetch failed: connect failed',
  )
  assert.equal(describeError(new Error('alone')), 'alone')
  assert.equal(describeError('text'), 'unknown error')
  assert.equal(describeError(undefined), 'unknown error')
})

test('of what nobody reads no more than a bound is kept; what comes beyond is counted, until it is read', () => {
  const metrics = new Metrics()
  const written: string[] = []
  const reader = { writableLength: 0, write: (text: string) => written.push(text) }
  const output = boundOutput(reader, metrics)
  output.write('first')
  reader.writableLength = 5 * 1024 * 1024
  output.write('lost')
  reader.writableLength = 1024
  output.write('next')
  assert.deepEqual(written, ['first', 'next'])
  assert.match(formatPrometheus(metrics.instruments), /^onbehalf_log_dropped_total 1$/m)
})
