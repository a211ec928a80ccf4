// Two sidecars, as processes of their own, carry far more than they could hold: 1 GiB each way at flat memory.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { json } from 'node:stream/consumers'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'
import { Flow, type Sum } from './flow.ts'
import { isLinux, mebibyte, residentOf, watchResident } from './resident.ts'
import { startSidecarProcess } from './sidecar-process.ts'
import { scaled } from './soak.ts'

/** How often the reader stops. */
const restBytes = 128 * mebibyte
/**
 * Measured: 50 to 100 MiB, for 1 GiB and for 4 GiB alike: chunks that wait for the collector. A sidecar that reads on
 * while its receiver does not grows by 400 to 480 MiB here.
 */
const maxGrowth = 192 * mebibyte
const framings = ['length', 'chunks'] as const
type Framing = (typeof framings)[number]

function framing(kind: Framing, bytes: number): Record<string, string> {
  return kind === 'length' ? { 'Content-Length': String(bytes) } : { 'Transfer-Encoding': 'chunked' }
}

interface Transfer {
  readonly port: number
  readonly kind: Framing
  readonly bytes: number
}

function open({ port }: Transfer, method: string, headers: Record<string, string>) {
  return httpRequest({
    host: '127.0.0.1',
    port,
    method,
    headers: { Host: hosts.API, ...headers },
    agent: false,
  })
}

async function up(mesh: TestMesh, transfer: Transfer): Promise<void> {
  const { kind, bytes } = transfer
  const flow = new Flow()
  mesh.apps.API.handler = async (request, response) =>
    void response.end(JSON.stringify(await flow.drink(request, restBytes)))
  const request = open(transfer, 'POST', framing(kind, bytes))
  const sending = flow.pour(request, bytes)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  assert.deepEqual(await json(response), await sending)
}

async function down(mesh: TestMesh, transfer: Transfer): Promise<void> {
  const { kind, bytes } = transfer
  const flow = new Flow()
  const sent = Promise.withResolvers<Sum>()
  mesh.apps.API.handler = (_request, response) => {
    response.writeHead(200, framing(kind, bytes))
    sent.resolve(flow.pour(response, bytes))
  }
  const request = open(transfer, 'GET', {}).end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  assert.deepEqual(await flow.drink(response, restBytes), await sent.promise)
}

async function bothWays(mesh: TestMesh, port: number, bytes: number): Promise<void> {
  for (const kind of framings) {
    const transfer = { port, kind, bytes: bytes / framings.length }
    await up(mesh, transfer)
    await down(mesh, transfer)
  }
}

test(
  '1 GiB goes up and 1 GiB comes down through two sidecars whose memory stays flat',
  { skip: !isLinux },
  async (t) => {
    const mesh = await startMesh(t, { run: [] })
    const sidecars = {
      App: await startSidecarProcess(t, mesh, 'App'),
      API: await startSidecarProcess(t, mesh, 'API'),
    }
    await bothWays(mesh, sidecars.App.outbound, 64 * mebibyte)
    const watches = Object.entries(sidecars).map(([name, { pid }]) => ({
      name,
      before: residentOf(pid),
      watch: watchResident(pid),
    }))
    await bothWays(mesh, sidecars.App.outbound, scaled(1024) * mebibyte)
    const growths = watches.map(({ name, before, watch }) => ({
      name,
      before,
      growth: watch.stop() - before,
    }))
    for (const { name, before, growth } of growths) {
      const [held, more] = [before, growth].map((bytes) => Math.round(bytes / mebibyte))
      t.diagnostic(`${name}: ${held} MiB, and ${more} MiB more at the peak`)
    }
    for (const { name, growth } of growths) assert.ok(growth < maxGrowth, `${name} grew by ${growth} octets`)
  },
)
