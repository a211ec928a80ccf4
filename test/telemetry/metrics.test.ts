// The metrics by OTLP are those of /metrics, named and measured as the semantic conventions have it.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { send } from '../support/client.ts'
import { startChain } from './chain.ts'
import { startCollector } from './collector.ts'

/** HTTP semantic conventions, stable, and those of the runtime; ours are named as these are. */
const expected: Readonly<Record<string, readonly [kind: string, unit: string]>> = {
  'http.server.request.duration': ['histogram', 's'],
  'http.client.request.duration': ['histogram', 's'],
  'http.server.active_requests': ['updown', '{request}'],
  'http.client.active_requests': ['updown', '{request}'],
  'process.cpu.time': ['counter', 's'],
  'process.memory.usage': ['gauge', 'By'],
  'nodejs.eventloop.delay.p99': ['gauge', 's'],
  'onbehalf.decisions': ['counter', '{request}'],
  'onbehalf.verifications': ['counter', '{request}'],
  'onbehalf.outbound_calls': ['counter', '{request}'],
  'onbehalf.sessions': ['gauge', '{session}'],
  'onbehalf.issuer.keys': ['gauge', '{key}'],
  'onbehalf.issuer.keys_fetched_timestamp': ['gauge', 's'],
  'onbehalf.credential.expiry_timestamp': ['gauge', 's'],
}
const bounds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]

test('by OTLP: names, units and attributes are those of the conventions', async (t) => {
  const collector = await startCollector(t)
  const env = {
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${collector.httpUrl}/v1/metrics`,
    OTEL_METRIC_EXPORT_INTERVAL: '200',
    OTEL_METRIC_EXPORT_TIMEOUT: '200',
    OTEL_RESOURCE_ATTRIBUTES: 'service.name=shop,deployment.environment.name=test',
  }
  const chain = await startChain(t, { apps: 'preload', services: ['App', 'API'], env })
  await chain.ask('alice')
  const metric = (name: string) => collector.metric('shop', name)
  await eventually(async () => Object.keys(expected).every((name) => metric(name) !== undefined))
  for (const [name, [kind, unit]] of Object.entries(expected)) {
    assert.deepEqual([metric(name)?.kind, metric(name)?.unit], [kind, unit], name)
  }
  const duration = metric('http.server.request.duration')?.points[0]
  assert.deepEqual(duration?.bounds, bounds)
  assert.equal(duration?.counts?.length, bounds.length + 1)
  assert.deepEqual(Object.keys(duration?.attributes ?? {}).toSorted(), [
    'http.request.method',
    'http.response.status_code',
    'network.protocol.version',
    'onbehalf.route',
    'url.scheme',
  ])
  assert.equal(duration?.attributes['http.response.status_code'], 200)
  // Only what an endpoint is given for goes out.
  assert.deepEqual([...collector.ways], ['http /v1/metrics'])
})

test('by OTLP: every request is in the histogram, those before the end of a sidecar, too', async (t) => {
  const collector = await startCollector(t)
  // Once for all that were asked before, and for the rest at the end.
  const env = {
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${collector.httpUrl}/v1/metrics`,
    OTEL_METRIC_EXPORT_INTERVAL: '600000',
    OTEL_METRIC_EXPORT_TIMEOUT: '1000',
  }
  const chain = await startChain(t, { apps: 'preload', services: ['App'], env })
  const asked = 600
  for (let i = 0; i < asked; i++) await chain.ask(i % 3 === 0 ? 'mallory' : 'alice')
  await chain.stop()
  const { points = [] } = collector.metric('App', 'http.server.request.duration') ?? {}
  const countOf = (status: number) =>
    points
      .filter(({ attributes }) => attributes['http.response.status_code'] === status)
      .flatMap(({ counts = [] }) => counts)
      .reduce((sum, count) => sum + count, 0)
  assert.deepEqual([countOf(403), countOf(200) + countOf(502)], [asked / 3, (asked * 2) / 3])
})

test('/metrics is what promtool takes for good, before and after requests', async (t) => {
  const chain = await startChain(t, { apps: 'preload', services: ['App', 'API'] })
  const check = async () => {
    const { body } = await send({ port: chain.topology.services.App.probesPort, target: '/metrics' })
    const { status, stdout, stderr, error } = spawnSync('promtool', ['check', 'metrics'], { input: body })
    if (error !== undefined) return 'promtool is not installed: apt-get install prometheus'
    assert.deepEqual([status, String(stdout), String(stderr)], [0, '', ''])
    return undefined
  }
  const missing = await check()
  if (missing !== undefined) return t.skip(missing)
  await chain.ask('alice')
  await chain.ask('mallory')
  await check()
})
