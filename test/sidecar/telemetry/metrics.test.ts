// Each instrument is defined once; Prometheus' text is one sample a line, labels escaped, names by OpenTelemetry's rules.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Metrics, type Labels } from '../../../sidecar/telemetry/metrics.ts'
import { formatPrometheus } from '../../../sidecar/telemetry/prometheus.ts'

const format = (metrics: Metrics) => formatPrometheus(metrics.instruments)
const samplesOf = (metrics: Metrics) =>
  format(metrics)
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
const define = (name: string, unit = '', help = '') => ({ name, unit, help })

test('without instruments there is nothing', () => assert.equal(format(new Metrics()), ''))

test('an instrument says what it is before its samples', () => {
  const metrics = new Metrics()
  const counter = metrics.counter(define('a', '{thing}', 'Things counted.'))
  metrics.gauge(define('b', '', 'A value.'), () => [[{}, 7]])
  counter.add({ kind: 'x' })
  assert.equal(
    format(metrics),
    '# HELP a_total Things counted.\n# TYPE a_total counter\na_total{kind="x"} 1\n# HELP b A value.\n# TYPE b gauge\nb 7\n',
  )
})

for (const [name, unit, kind, expected] of [
  ['onbehalf.decisions', '{request}', 'counter', 'onbehalf_decisions_total'],
  ['http.server.active_requests', '{request}', 'upDownCounter', 'http_server_active_requests'],
  ['onbehalf.session', 'By', 'upDownCounter', 'onbehalf_session_bytes'],
  ['onbehalf.waited', 's', 'counter', 'onbehalf_waited_seconds_total'],
] as const) {
  test(`${name} in ${unit} is ${expected} to Prometheus`, () => {
    const metrics = new Metrics()
    metrics[kind](define(name, unit)).add({})
    assert.deepEqual(samplesOf(metrics), [`${expected} 1`])
  })
}

test('a name that convention has otherwise is that one', () => {
  const metrics = new Metrics()
  metrics.observedCounter(
    { ...define('process.cpu.time', 's'), prometheusName: 'process_cpu_seconds_total' },
    () => [[{}, 1.5]],
  )
  assert.deepEqual(samplesOf(metrics), ['process_cpu_seconds_total 1.5'])
})

test('a counter counts each set of labels apart', () => {
  const metrics = new Metrics()
  const counter = metrics.counter(define('a'))
  counter.add({ x: '1', y: '' })
  counter.add({ x: '1', y: '' }, 4)
  counter.add({ x: '', y: '1' })
  assert.deepEqual(samplesOf(metrics), ['a_total{x="1",y=""} 5', 'a_total{x="",y="1"} 1'])
})

test('what goes down again ends where it began', () => {
  const metrics = new Metrics()
  const active = metrics.upDownCounter(define('active'))
  active.add({ a: 'b' })
  active.add({ a: 'b' })
  active.add({ a: 'b' }, -1)
  assert.deepEqual(samplesOf(metrics), ['active{a="b"} 1'])
})

test('two counters do not share what they counted', () => {
  const metrics = new Metrics()
  metrics.counter(define('a')).add({ x: '1' })
  metrics.counter(define('b')).add({ x: '1' }, 2)
  assert.deepEqual(samplesOf(metrics), ['a_total{x="1"} 1', 'b_total{x="1"} 2'])
})

test('a gauge is read when it is asked for', () => {
  const metrics = new Metrics()
  let value = 1
  metrics.gauge(define('g'), () => (value > 0 ? [[{ a: 'b' }, value]] : []))
  assert.deepEqual(samplesOf(metrics), ['g{a="b"} 1'])
  value = 2
  assert.deepEqual(samplesOf(metrics), ['g{a="b"} 2'])
  value = 0
  assert.deepEqual(samplesOf(metrics), [])
})

test('a histogram has a bucket for each bound, each with all that is not above it, and one for all', () => {
  const metrics = new Metrics()
  const histogram = metrics.histogram(define('d', 's'), [0.1, 1])
  for (const value of [0.1, 0.05, 0.5, 1, 1.5]) histogram.record(value, { route: 'App' })
  assert.deepEqual(samplesOf(metrics), [
    'd_seconds_bucket{route="App",le="0.1"} 2',
    'd_seconds_bucket{route="App",le="1"} 4',
    'd_seconds_bucket{route="App",le="+Inf"} 5',
    'd_seconds_sum{route="App"} 3.15',
    'd_seconds_count{route="App"} 5',
  ])
})

test('whoever listens to a histogram is told of each value, and of its series, which is the same each time', () => {
  const metrics = new Metrics()
  const histogram = metrics.histogram(define('d', 's'), [1])
  const [instrument] = metrics.instruments
  const told: (readonly [value: number, series: { readonly labels: Labels }])[] = []
  assert.ok(instrument?.kind === 'histogram')
  instrument.listen((value, series) => told.push([value, series]))
  histogram.record(2, { a: 'b' })
  histogram.record(3, { a: 'b' })
  histogram.record(4, { a: 'c' })
  assert.deepEqual(
    told.map(([value, { labels }]) => [value, labels]),
    [
      [2, { a: 'b' }],
      [3, { a: 'b' }],
      [4, { a: 'c' }],
    ],
  )
  assert.equal(told[0]?.[1], told[1]?.[1])
})

test('whatever chooses the labels, an instrument keeps so many series and puts the rest into one', () => {
  const metrics = new Metrics()
  const counter = metrics.counter(define('a'))
  for (let i = 0; i < 2_500; i++) counter.add({ host: `h${i}` })
  const samples = samplesOf(metrics)
  assert.equal(samples.length, 2_001)
  assert.equal(samples.at(-1), 'a_total{host="_OTHER"} 500')
})

test('dots in the names of labels are underscores to Prometheus', () => {
  const metrics = new Metrics()
  metrics.counter(define('a')).add({ 'http.request.method': 'GET' })
  assert.deepEqual(samplesOf(metrics), ['a_total{http_request_method="GET"} 1'])
})

test('whatever a label holds, it is one sample, and reads back as what it was', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', '"', '\\', '\n', 'n', '}', '{', ',', '=', ' ') }),
      (value) => {
        const metrics = new Metrics()
        metrics.counter(define('a')).add({ route: value })
        const lines = format(metrics).split('\n').slice(2, -1)
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
