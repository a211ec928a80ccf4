// The text format of Prometheus: one sample a line, labels escaped.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Metrics } from '../../../sidecar/telemetry/metrics.ts'

const samplesOf = (metrics: Metrics) =>
  metrics
    .format()
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))

test('without families there is nothing', () => assert.equal(new Metrics().format(), ''))

test('a family says what it is before its samples', () => {
  const metrics = new Metrics()
  const counter = metrics.counter('a_total', 'Things counted.')
  metrics.gauge('b', 'A value.', () => [[{}, 7]])
  counter.add({ kind: 'x' })
  assert.equal(
    metrics.format(),
    '# HELP a_total Things counted.\n# TYPE a_total counter\na_total{kind="x"} 1\n# HELP b A value.\n# TYPE b gauge\nb 7\n',
  )
})

test('a counter counts each set of labels apart', () => {
  const metrics = new Metrics()
  const counter = metrics.counter('a_total', '')
  counter.add({ x: '1', y: '' })
  counter.add({ x: '1', y: '' }, 4)
  counter.add({ x: '', y: '1' })
  assert.deepEqual(samplesOf(metrics), ['a_total{x="1",y=""} 5', 'a_total{x="",y="1"} 1'])
})

test('a counter without labels has one sample', () => {
  const metrics = new Metrics()
  metrics.counter('a_total', '').add({})
  assert.deepEqual(samplesOf(metrics), ['a_total 1'])
})

test('two counters do not share what they counted', () => {
  const metrics = new Metrics()
  metrics.counter('a_total', '').add({ x: '1' })
  metrics.counter('b_total', '').add({ x: '1' }, 2)
  assert.deepEqual(samplesOf(metrics), ['a_total{x="1"} 1', 'b_total{x="1"} 2'])
})

test('a gauge is read when it is asked for', () => {
  const metrics = new Metrics()
  let value = 1
  metrics.gauge('g', '', () => (value > 0 ? [[{ a: 'b' }, value]] : []))
  assert.deepEqual(samplesOf(metrics), ['g{a="b"} 1'])
  value = 2
  assert.deepEqual(samplesOf(metrics), ['g{a="b"} 2'])
  value = 0
  assert.deepEqual(samplesOf(metrics), [])
})

test('quotes, backslashes and line feeds in a label are escaped', () => {
  const metrics = new Metrics()
  metrics.counter('a_total', '').add({ route: 'a"b\\c\nd' })
  assert.deepEqual(samplesOf(metrics), ['a_total{route="a\\"b\\\\c\\nd"} 1'])
})

test('whatever a label holds, it is one sample, and reads back as what it was', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', '"', '\\', '\n', 'n', '}', '{', ',', '=', ' ') }),
      (value) => {
        const metrics = new Metrics()
        metrics.counter('a_total', '').add({ route: value })
        const lines = metrics.format().split('\n').slice(2, -1)
        assert.equal(lines.length, 1)
        const match = /^a_total\{route="((?:[^"\\\n]|\\["\\n])*)"\} 1$/.exec(lines[0] as string)
        assert.equal(
          match?.[1]?.replaceAll(/\\(.)/g, (_, letter: string) => (letter === 'n' ? '\n' : letter)),
          value,
        )
      },
    ),
  )
})
