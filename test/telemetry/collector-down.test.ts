// A collector that is down, or hangs, costs the spans and nothing else.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { freePort } from '../support/redis.ts'
import { send } from '../support/client.ts'
import { startChain, type Chain } from './chain.ts'

const requests = 1_000
const atOnce = 32

/** Answers nobody, and closes nothing. */
async function hangingCollector(t: TestContext): Promise<string> {
  const server = createServer(() => undefined)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const collectors: Readonly<Record<string, (t: TestContext) => Promise<Record<string, string>>>> = {
  'nobody listens, by HTTP': async () => ({
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await freePort()}`,
  }),
  'nobody listens, by gRPC': async () => ({
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await freePort()}`,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
  }),
  'it takes connections and never answers': async (t) => ({
    OTEL_EXPORTER_OTLP_ENDPOINT: await hangingCollector(t),
  }),
}

async function gauge({ topology }: Chain, name: string): Promise<number> {
  const { body } = await send({ port: topology.services.App.probesPort, target: '/metrics' })
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(body)?.[1])
}

/** @returns the resident memory that the load added, in MiB. */
async function load(chain: Chain): Promise<number> {
  const memory = async () => (await gauge(chain, 'process_resident_memory_bytes')) / 2 ** 20
  const before = await memory()
  let sent = 0
  const one = async () => {
    while (sent++ < requests) {
      const { status, body } = await chain.ask('alice')
      assert.deepEqual([status, body], [200, 'App:alice@companydomain.com'])
    }
  }
  await Promise.all(Array.from({ length: atOnce }, one))
  return (await memory()) - before
}

const soon = {
  OTEL_BSP_SCHEDULE_DELAY: '100',
  OTEL_BSP_MAX_QUEUE_SIZE: '512',
  OTEL_METRIC_EXPORT_INTERVAL: '200',
  OTEL_METRIC_EXPORT_TIMEOUT: '200',
}

test('every request is served, memory is as without telemetry, and the sidecar stops by itself', async (t) => {
  const without = await load(await startChain(t, { apps: 'preload', services: ['App'] }))
  for (const [name, where] of Object.entries(collectors)) {
    await t.test(name, async (each) => {
      const env = { ...soon, ...(await where(each)) }
      const chain = await startChain(each, { apps: 'preload', services: ['App'], env })
      const added = await load(chain)
      each.diagnostic(`${added.toFixed(0)} MiB were added, ${without.toFixed(0)} without telemetry`)
      // Its queue takes 512 spans, of some kilobytes each; more were begun.
      assert.ok(added - without < 60, `${added} MiB were added, ${without} without telemetry`)
      const stoppingMs = performance.now()
      await chain.stop()
      // After ten seconds it would be killed.
      assert.ok(performance.now() - stoppingMs < 9_000, 'it had to be killed')
      const log = await readFile(chain.sidecars.App?.logFile ?? '', 'utf8')
      assert.match(log, /"message":"stopped"/)
      assert.ok(log.split('\n').length < 200, 'the log is flooded')
    })
  }
})
