// Where the preload knows that a call is nobody's, an agent beside it must not make it the first user's.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodes } from '../support/nodes.ts'
import { ask, handleOf, preload, startPreloadedApp } from './app.ts'
import { startUpstream, unknown } from './upstream.ts'

const agent = ['--require', '@opentelemetry/auto-instrumentations-node/register']
const env = {
  OTEL_TRACES_EXPORTER: 'none',
  OTEL_METRICS_EXPORTER: 'none',
  OTEL_LOGS_EXPORTER: 'none',
  OTEL_NODE_RESOURCE_DETECTORS: 'none',
  NODE_NO_WARNINGS: '1',
}
const [alice, bob] = [handleOf(1), handleOf(2)]
const node = nodes.find(({ major }) => major === 24)
const traced = (handle: string) => [
  'traceparent',
  '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  'tracestate',
  `onbehalf=${handle}`,
  'baggage',
  `onbehalf=${handle}`,
]

for (const [name, before, path, call] of [
  ['a batch of loads of several users', '/hold-loads?count=2', '/loader?key=', /^\/loader\/(?!after)/],
  ['a callback on a connection that the first user opened', undefined, '/socket?user=', /^\/socket\/b$/],
] as const) {
  test(`${name} is nobody's beside an agent, too`, { skip: node?.missing ?? false }, async (t) => {
    assert.ok(node !== undefined)
    const upstream = await startUpstream(t)
    const args = ['--require', preload, ...agent]
    const app = await startPreloadedApp(t, { node, program: 'cases.cjs', upstream, args, env })
    const port = app.ports['http'] ?? 0
    if (before !== undefined) await ask({ port, path: before })
    await Promise.all(
      [
        { handle: alice, key: 'a' },
        { handle: bob, key: 'b' },
      ].map(({ handle, key }) => ask({ port, path: `${path}${key}`, handle, headers: traced(handle) })),
    )
    const paths = [...upstream.calls.keys()].filter((each) => call.test(each))
    assert.equal(paths.length, 1, paths.join(' '))
    // The sidecar refuses it: what the preload says takes away the word of the agent, which names the first user.
    assert.deepEqual(upstream.calls.get(paths[0] ?? ''), [unknown])
    assert.ok(upstream.rawHeaders.get(paths[0] ?? '')?.some((value) => value.includes(`onbehalf=${alice}`)))
  })
}
