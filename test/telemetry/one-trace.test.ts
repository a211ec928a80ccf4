// One trace goes over user → App → API → Ledger, with the right parents, at a real OTLP receiver.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { startChain } from './chain.ts'
import { startCollector, type CollectedSpan, type Collector } from './collector.ts'

const traceId = '0af7651916cd43dd8448eb211c80319c'
const userSpan = 'b7ad6b7169203331'
const traced = [['traceparent', `00-${traceId}-${userSpan}-01`]] as const

/** What is exported soon, so that nobody waits for it. */
const soon = {
  OTEL_BSP_SCHEDULE_DELAY: '50',
  OTEL_BLRP_SCHEDULE_DELAY: '50',
  OTEL_METRIC_EXPORT_INTERVAL: '200',
  OTEL_METRIC_EXPORT_TIMEOUT: '200',
}

const exporting = ({ httpUrl }: Collector) => ({ ...soon, OTEL_EXPORTER_OTLP_ENDPOINT: httpUrl })

/** From the last span to the user's: who made each. */
function wayBack(spans: readonly CollectedSpan[], from: CollectedSpan): string[] {
  const parent = spans.find(({ spanId }) => spanId === from.parentId)
  const own = `${from.service} ${from.kind}`
  return parent === undefined ? [own, from.parentId] : [own, ...wayBack(spans, parent)]
}

const serverAt = (spans: readonly CollectedSpan[], service: string) =>
  spans.find((span) => span.service === service && span.kind === 'server') as CollectedSpan

const hasCome = (collector: Collector, count: number, service = /^(App|API|Ledger)$/) =>
  eventually(async () => collector.spans.filter((span) => service.test(span.service)).length >= count)

test('through apps with the preload alone, which knows nothing of traces', async (t) => {
  const collector = await startCollector(t)
  const chain = await startChain(t, { apps: 'preload', env: exporting(collector) })
  const { body } = await chain.ask('alice', traced)
  assert.match(body, /^App:alice@\S+ API:alice@\S+ Ledger:alice@/)
  await hasCome(collector, 5)
  assert.deepEqual([...new Set(collector.spans.map((span) => span.traceId))], [traceId])
  assert.deepEqual(wayBack(collector.spans, serverAt(collector.spans, 'Ledger')), [
    'Ledger server',
    'API client',
    'API server',
    'App client',
    'App server',
    userSpan,
  ])
  assert.deepEqual(
    [...collector.ways].filter((way) => way.includes('traces')),
    ['http /v1/traces'],
  )
})

test('through apps under an OpenTelemetry agent, whose spans lie between', async (t) => {
  const collector = await startCollector(t)
  const env = exporting(collector)
  const chain = await startChain(t, { apps: 'agent', env, appEnv: env })
  assert.match((await chain.ask('alice', traced)).body, /Ledger:alice@/)
  // The agents make spans of their own beside, and each exports at its own time.
  const ofTrace = () => collector.spans.filter((span) => span.traceId === traceId)
  const isWhole = () => {
    const last = serverAt(ofTrace(), 'Ledger-app')
    return last !== undefined && wayBack(ofTrace(), last).at(-1) === userSpan
  }
  await eventually(async () => isWhole(), 30_000)
  assert.deepEqual(wayBack(ofTrace(), serverAt(ofTrace(), 'Ledger-app')), [
    'Ledger-app server',
    'Ledger server',
    'API client',
    'API-app client',
    'API-app server',
    'API server',
    'App client',
    'App-app client',
    'App-app server',
    'App server',
    userSpan,
  ])
})

test('by gRPC, with metrics and logs beside, each as its own', async (t) => {
  const collector = await startCollector(t)
  const env = { ...soon, OTEL_EXPORTER_OTLP_ENDPOINT: collector.grpcUrl, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }
  const chain = await startChain(t, { apps: 'preload', env, services: ['App'] })
  await chain.ask('alice', traced)
  const refusal = await chain.ask('mallory', traced)
  assert.equal(refusal.refusal, 'policy_denied')
  await hasCome(collector, 2)
  await eventually(async () => collector.logs.some(({ body }) => body === 'refused'))
  await eventually(async () => collector.metric('App', 'http.server.request.duration') !== undefined)
  assert.deepEqual([...collector.ways].toSorted(), [
    'grpc LogsService',
    'grpc MetricsService',
    'grpc TraceService',
  ])
  const span = collector.spans.find(({ attributes }) => attributes['onbehalf.code'] === 'policy_denied')
  const log = collector.logs.find(({ body }) => body === 'refused')
  assert.deepEqual([log?.traceId, log?.spanId], [traceId, span?.spanId])
  assert.deepEqual([log?.severity, log?.attributes['code']], ['WARN', 'policy_denied'])
  assert.equal(log?.attributes['trace_id'], undefined)
})

test('a span says what the semantic conventions ask for, and how it was decided', async (t) => {
  const collector = await startCollector(t)
  const chain = await startChain(t, { apps: 'preload', env: exporting(collector), services: ['App', 'API'] })
  await chain.ask('alice', traced)
  await chain.ask('mallory', traced)
  await hasCome(collector, 4)
  const spans = collector.spans
  const server = serverAt(spans, 'App')
  const {
    'enduser.pseudo.id': pseudonym,
    'onbehalf.request_id': requestId,
    ...attributes
  } = server.attributes
  assert.match(String(pseudonym), /^[\w-]{22}$/)
  assert.match(String(requestId), /^[0-9a-f-]{36}$/)
  assert.equal(server.name, 'GET')
  assert.deepEqual(attributes, {
    'http.request.method': 'GET',
    'http.response.status_code': 200,
    // As Pomerium asks for it.
    'server.address': '127.0.0.1',
    'server.port': chain.topology.services.App.inboundPort,
    'url.scheme': 'http',
    'url.path': '/orders',
    'client.address': '127.0.0.1',
    'network.peer.address': '127.0.0.1',
    'network.protocol.version': '1.1',
    'onbehalf.outcome': 'allowed',
    'onbehalf.route': 'App',
    'onbehalf.caller': 'user',
  })
  const client = spans.find((span) => span.service === 'App' && span.kind === 'client')
  assert.deepEqual(
    [
      client?.name,
      client?.attributes['url.full'],
      client?.attributes['server.address'],
      client?.attributes['onbehalf.source'],
    ],
    ['GET', 'http://api.localhost.pomerium.io/orders', 'api.localhost.pomerium.io', 'handle'],
  )
  assert.deepEqual(
    serverAt(spans, 'API').events.map(
      ({ name, attributes: { 'onbehalf.result': result } }) => `${name} ${String(result)}`,
    ),
    ['assertion', 'route', 'original_user', 'evidence', 'policy', 'session'].map(
      (step) => `onbehalf.${step} passed`,
    ),
  )
  assert.deepEqual(serverAt(spans, 'API').attributes['onbehalf.chain'], ['api-access'])
  const refused = spans.find(({ attributes: { 'onbehalf.outcome': outcome } }) => outcome === 'refused')
  assert.deepEqual(
    [
      refused?.events.at(-1)?.name,
      refused?.events.at(-1)?.attributes,
      refused?.attributes['http.response.status_code'],
    ],
    ['onbehalf.policy', { 'onbehalf.result': 'refused', 'onbehalf.code': 'policy_denied' }, 403],
  )
  // Of a server a status of 4xx is no error of its own (HTTP semantic conventions).
  assert.equal(refused?.isError, false)
  const { resource } = server
  assert.deepEqual([resource['service.name'], typeof resource['service.instance.id']], ['App', 'string'])
  assert.match(String(resource['onbehalf.version']), /^\d/)
  const everything = JSON.stringify([spans, collector.logs])
  for (const secret of ['secret=1', 'alice@', 'user-1', 'eyJ'])
    assert.doesNotMatch(everything, new RegExp(secret))
})

test('where the app begins another trace, the call names the request that caused it as a link', async (t) => {
  const collector = await startCollector(t)
  const chain = await startChain(t, {
    apps: 'preload',
    env: exporting(collector),
    appEnv: { RESTART: '1' },
    services: ['App', 'API'],
  })
  await chain.ask('alice', traced)
  await hasCome(collector, 3)
  const client = collector.spans.find((span) => span.service === 'App' && span.kind === 'client')
  const server = serverAt(collector.spans, 'App')
  assert.notEqual(client?.traceId, server.traceId)
  assert.deepEqual(client?.links, [{ traceId: server.traceId, spanId: server.spanId }])
})

test('what whoever sent it does not sample is not recorded, and goes on as it came', async (t) => {
  const collector = await startCollector(t)
  const chain = await startChain(t, { apps: 'preload', env: exporting(collector), services: ['App'] })
  await chain.ask('alice', [['traceparent', `00-${'c'.repeat(32)}-${userSpan}-00`]])
  await chain.ask('alice', traced)
  await hasCome(collector, 1)
  assert.deepEqual([...new Set(collector.spans.map((span) => span.traceId))], [traceId])
})

test('other formats are read where there is no traceparent, and told of our span', async (t) => {
  const collector = await startCollector(t)
  const env = { ...exporting(collector), OTEL_PROPAGATORS: 'b3' }
  const chain = await startChain(t, {
    apps: 'agent',
    env,
    appEnv: { ...exporting(collector), OTEL_PROPAGATORS: 'b3' },
    services: ['App'],
  })
  await chain.ask('alice', [['b3', `${traceId}-${userSpan}-1`]])
  await hasCome(collector, 1)
  await eventually(async () => collector.spans.some(({ service }) => service === 'App-app'))
  assert.deepEqual(wayBack(collector.spans, serverAt(collector.spans, 'App-app')), [
    'App-app server',
    'App server',
    userSpan,
  ])
})
