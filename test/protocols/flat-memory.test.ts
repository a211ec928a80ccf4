// Two sidecars, as processes of their own, hold next to nothing of 100 MB that pass at a slow reader's pace, in each version.
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { json } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { Flow, type Sum } from '../endurance/flow.ts'
import { isLinux, mebibyte, residentOf, watchResident } from '../endurance/resident.ts'
import { startSidecarProcess, type SidecarProcess } from '../endurance/sidecar-process.ts'
import { scaled } from '../endurance/soak.ts'
import { hosts, startMesh } from '../support/mesh.ts'
import { ask, type Asked, type Version } from './peers.ts'
import { serverVersions, startVersionedApp, type VersionedApp } from './versioned-app.ts'
import { trustedTls } from './trusted-tls.ts'

const clients: readonly Version[] = ['HTTP/1.1', 'h2c']
const bytes = scaled(100) * 1_000_000
/** After so many the reader stops until the writer is stuck. */
const restBytes = 10_000_000
/**
 * While the reader stops, the writer may get rid of what the buffers of three connections take: measured, up to 27 MB.
 * Without being held back it would be all the rest, 90 MB.
 */
const maxAhead = 60_000_000
/** What was read lies about until it is collected: measured, up to 72 MiB. Who kept all would hold 95 more. */
const maxGrowth = 90 * mebibyte

interface Transfer {
  readonly client: Version
  readonly app: VersionedApp
  readonly to: Pick<Asked, 'port' | 'host' | 'headers'>
  readonly bytes: number
}

/** Each gives the most octets that the writer was ahead of the reader. */
async function up(t: TestContext, transfer: Transfer): Promise<number> {
  const flow = new Flow()
  transfer.app.handler = async (request, response) =>
    void response.end(JSON.stringify(await flow.drink(request, restBytes, 1)))
  const body = new PassThrough()
  const sending = flow.pour(body, transfer.bytes)
  const answer = await ask(t, transfer.client, { ...transfer.to, method: 'POST', path: '/', body }).answered
  assert.deepEqual(await json(answer.body), await sending)
  return flow.mostAhead
}

async function down(t: TestContext, transfer: Transfer): Promise<number> {
  const flow = new Flow()
  const sent = Promise.withResolvers<Sum>()
  transfer.app.handler = (_request, response) => sent.resolve(flow.pour(response, transfer.bytes))
  const answer = await ask(t, transfer.client, { ...transfer.to, path: '/' }).answered
  assert.deepEqual(await flow.drink(answer.body, restBytes, 1), await sent.promise)
  return flow.mostAhead
}

interface Held {
  readonly ahead: number
  /** By how many octets each sidecar grew. */
  readonly growth: readonly number[]
}

async function heldDuring(sidecars: readonly SidecarProcess[], act: () => Promise<number>): Promise<Held> {
  const watches = sidecars.map(({ pid }) => ({ before: residentOf(pid), watch: watchResident(pid) }))
  const ahead = await act()
  return { ahead, growth: watches.map(({ before, watch }) => watch.stop() - before) }
}

for (const server of serverVersions) {
  for (const client of clients) {
    test(
      `100 MB pass in ${client} to and from an app that speaks ${server}`,
      { skip: !isLinux },
      async (t) => {
        const app = await startVersionedApp(t, server, () => undefined)
        const mesh = await startMesh(t, { run: [], services: { API: { app: app.origin } } })
        const roots = join(mesh.folder, 'outside.pem')
        await writeFile(roots, (await trustedTls()).caPem)
        // Of their own, and fresh: what a process has held once it keeps.
        const [calling, called] = await Promise.all([
          startSidecarProcess(t, mesh, 'App', { NODE_EXTRA_CA_CERTS: roots }),
          startSidecarProcess(t, mesh, 'API', { NODE_EXTRA_CA_CERTS: roots }),
        ])
        const transfer = { client, app, to: { port: calling.outbound, host: hosts.API, headers: {} } }
        for (const pass of [up, down]) await pass(t, { ...transfer, bytes: restBytes })
        for (const pass of [up, down]) {
          const { ahead, growth } = await heldDuring([calling, called], () => pass(t, { ...transfer, bytes }))
          const grown = growth.map((each) => Math.round(each / mebibyte)).join(' and ')
          const held = `${pass.name}: ${Math.round(ahead / 1_000_000)} MB ahead, grown by ${grown} MiB`
          t.diagnostic(held)
          assert.ok(ahead < maxAhead && Math.max(...growth) < maxGrowth, held)
        }
      },
    )
  }
}
