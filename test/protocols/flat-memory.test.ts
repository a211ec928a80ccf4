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
/** Measured: 2 to 42 MiB. Without holding a sender back, 60 to 187 in one of the two directions. */
const maxGrowth = 64 * mebibyte

interface Transfer {
  readonly client: Version
  readonly app: VersionedApp
  readonly to: Pick<Asked, 'port' | 'host' | 'headers'>
  readonly bytes: number
}

async function up(t: TestContext, transfer: Transfer): Promise<void> {
  const flow = new Flow()
  transfer.app.handler = async (request, response) =>
    void response.end(JSON.stringify(await flow.drink(request, restBytes, 1)))
  const body = new PassThrough()
  const sending = flow.pour(body, transfer.bytes)
  const answer = await ask(t, transfer.client, { ...transfer.to, method: 'POST', path: '/', body }).answered
  assert.deepEqual(await json(answer.body), await sending)
}

async function down(t: TestContext, transfer: Transfer): Promise<void> {
  const flow = new Flow()
  const sent = Promise.withResolvers<Sum>()
  transfer.app.handler = (_request, response) => sent.resolve(flow.pour(response, transfer.bytes))
  const answer = await ask(t, transfer.client, { ...transfer.to, path: '/' }).answered
  assert.deepEqual(await flow.drink(answer.body, restBytes, 1), await sent.promise)
}

async function growthOf(sidecars: readonly SidecarProcess[], act: () => Promise<void>): Promise<number[]> {
  const watches = sidecars.map(({ pid }) => ({ before: residentOf(pid), watch: watchResident(pid) }))
  await act()
  return watches.map(({ before, watch }) => watch.stop() - before)
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
          const growth = await growthOf([calling, called], () => pass(t, { ...transfer, bytes }))
          const grown = `${pass.name}: grown by ${growth.map((each) => Math.round(each / mebibyte)).join(' and ')} MiB`
          t.diagnostic(grown)
          assert.ok(Math.max(...growth) < maxGrowth, grown)
        }
      },
    )
  }
}
