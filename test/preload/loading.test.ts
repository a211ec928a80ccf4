// How the preload is loaded: by each of Node's ways, by its package's name, twice, and before or after any agent.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'

import { nodes, type Node } from '../support/nodes.ts'
import { handleOf, preload, startPreloadedApp, ask, type Started } from './app.ts'
import { startUpstream } from './upstream.ts'
import { burst, userCount } from './users.ts'

const newest = nodes.at(-1) as Node
const isSoak = process.env['SOAK'] !== undefined
const byUrl = pathToFileURL(preload).href

/** The package as it is published, in a folder of its own. */
async function installPackage(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-preload-'))
  t.after(() => rm(folder, { recursive: true }))
  const installed = join(folder, 'node_modules/@onbehalf/preload')
  await mkdir(installed, { recursive: true })
  const source = join(import.meta.dirname, '../../deploy/preload')
  await copyFile(join(source, 'package.json'), join(installed, 'package.json'))
  await copyFile(preload, join(installed, 'preload.cjs'))
  return folder
}

/** One user's request, and one without a handle. */
async function checkCarried(t: TestContext, started: Omit<Started, 'program' | 'upstream'>): Promise<void> {
  const upstream = await startUpstream(t)
  const app = await startPreloadedApp(t, { ...started, program: 'cases.cjs', upstream })
  const port = app.ports['http'] ?? 0
  await ask({ port, path: '/plain?user=1', handle: handleOf(1) })
  await ask({ port, path: '/plain?user=2' })
  assert.deepEqual(upstream.calls.get('/plain/1'), [handleOf(1)])
  assert.deepEqual(upstream.calls.get('/plain/2'), [undefined])
}

for (const node of isSoak ? nodes : nodes.filter((_, i) => i === 0 || i === nodes.length - 1)) {
  const skip = node.missing ?? false
  test(
    `NODE_OPTIONS and twice the command line load it, and once counts: Node ${node.major}`,
    { skip },
    async (t) => {
      const args = ['--require', preload, '--import', byUrl]
      await checkCarried(t, { node, args, env: { NODE_OPTIONS: `--require=${preload}` } })
    },
  )

  test(`NODE_OPTIONS with --import loads it: Node ${node.major}`, { skip }, async (t) => {
    await checkCarried(t, { node, args: [], env: { NODE_OPTIONS: `--import=${byUrl}` } })
  })

  test(`--import by the name of its package loads it: Node ${node.major}`, { skip }, async (t) => {
    const cwd = await installPackage(t)
    await checkCarried(t, { node, args: ['--import', '@onbehalf/preload'], cwd })
  })
}

test('loaded again it changes nothing', async () => {
  const name = JSON.stringify(preload)
  const script = `const { request } = http; delete require.cache[${name}]; require(${name}); request === http.request`
  const { stdout } = await promisify(execFile)(newest.path, ['--require', preload, '--print', script])
  assert.equal(stdout, 'true\n')
})

const quiet = {
  OTEL_TRACES_EXPORTER: 'otlp',
  OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
  OTEL_METRICS_EXPORTER: 'none',
  OTEL_LOGS_EXPORTER: 'none',
  OTEL_LOG_LEVEL: 'none',
  OTEL_NODE_RESOURCE_DETECTORS: 'none',
  DD_TRACE_STARTUP_LOGS: 'false',
  DD_INSTRUMENTATION_TELEMETRY_ENABLED: 'false',
  DD_REMOTE_CONFIGURATION_ENABLED: 'false',
  ELASTIC_APM_LOG_LEVEL: 'off',
  ELASTIC_APM_DISABLE_SEND: 'true',
  NODE_NO_WARNINGS: '1',
}
const agents: Readonly<Record<string, readonly string[]>> = {
  OpenTelemetry: ['--require', '@opentelemetry/auto-instrumentations-node/register'],
  'OpenTelemetry, as ES modules': ['--import', '@opentelemetry/auto-instrumentations-node/register'],
  'dd-trace': ['--require', 'dd-trace/init'],
  'dd-trace, as ES modules': ['--import', 'dd-trace/initialize.mjs'],
  'Elastic APM': ['--require', 'elastic-apm-node/start'],
  Sentry: ['--import', './preload/sentry.cjs'],
}

for (const [agent, args] of Object.entries(agents)) {
  // Node requires what is to be required before it imports what is to be imported.
  const orders = { after: [...args, '--import', byUrl], before: ['--require', preload, ...args] }
  for (const [order, both] of Object.entries(orders)) {
    // What an agent has loaded before is the harder case.
    if (order === 'before' && agent !== 'OpenTelemetry' && !isSoak) continue
    const program = agent.endsWith('ES modules') ? 'app.mjs' : 'app.cjs'
    test(`loaded ${order} ${agent}, each call carries its own user's handle`, async (t) => {
      const upstream = await startUpstream(t)
      const app = await startPreloadedApp(t, { node: newest, program, upstream, args: both, env: quiet })
      for (const server of Object.keys(app.ports)) {
        const account = await burst(t, { app, upstream, server, clients: app.clients })
        assert.deepEqual(account, { right: 2 * userCount, wrong: 0, missing: 0 }, server)
      }
    })
  }
}
