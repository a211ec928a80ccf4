// A busy client through 50 restarts: nothing is lost that was safe to send again, nothing is done twice that was not.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { freePorts } from '../../deploy/demo/ports.ts'
import { startSidecarProcess } from '../endurance/sidecar-process.ts'
import { hosts, startMesh } from '../support/mesh.ts'
import { startBusyClient, type BusyClient, type Outcome } from './busy-client.ts'
import { startRestartingApp } from './restarting-app.ts'

const restarts = 25

/** How often each result came, for messages. */
function tally(outcomes: readonly Outcome[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { method, result } of outcomes)
    counts[`${method} ${result}`] = (counts[`${method} ${result}`] ?? 0) + 1
  return counts
}

/** Resolves when so many more requests have ended: the client is at work again. */
async function untilBusy(client: BusyClient): Promise<void> {
  const enough = client.outcomes.length + 50
  while (client.outcomes.length < enough) await pause(5)
}

/** What may never be, whoever started again. */
function assertHonest(outcomes: readonly Outcome[], carriedOut: ReadonlyMap<string, number>): void {
  for (const { id, method, result } of outcomes) {
    const times = carriedOut.get(id) ?? 0
    if (method === 'POST') assert.ok(times <= 1, `POST ${id} was carried out ${times} times`)
    if (result === '200') assert.ok(times >= 1, `${method} ${id} was answered and not carried out`)
    const wasRefused = /draining|upstream_refused|ECONNREFUSED/.test(result)
    if (method === 'POST' && wasRefused) assert.equal(times, 0, `POST ${id} was ${result} and carried out`)
  }
}

test(`${restarts} restarts of the app, half of them sudden`, async (t) => {
  const [port = 0] = await freePorts(1)
  const mesh = await startMesh(t, { run: [], services: { App: { app: `http://127.0.0.1:${port}` } } })
  const app = await startRestartingApp(t, port, join(mesh.folder, 'record'))
  const sidecar = await startSidecarProcess(t, mesh, 'App')
  const assertion = await mesh.pomerium.assertion('alice', hosts.App)
  const client = startBusyClient(() => sidecar.inbound, { 'X-Pomerium-Jwt-Assertion': assertion }, false)
  for (let i = 0; i < restarts; i++) {
    await untilBusy(client)
    await app.restart(i % 2 === 0 ? 'SIGTERM' : 'SIGKILL')
  }
  await untilBusy(client)
  await client.stop()
  const { outcomes } = client
  t.diagnostic(JSON.stringify(tally(outcomes)))
  assert.ok(outcomes.length > 1_000, `only ${outcomes.length} requests`)
  assertHonest(outcomes, await app.carriedOut())
  const lost = outcomes.filter(({ method, result }) => method !== 'POST' && result !== '200')
  assert.deepEqual(lost, [])
  const posts = outcomes.filter(({ method }) => method === 'POST')
  assert.deepEqual([...new Set(posts.map(({ result }) => result))].toSorted(), ['200', '502 upstream_reset'])
})

test(`${restarts} restarts of the sidecar`, async (t) => {
  const [port = 0] = await freePorts(1)
  const services = { App: { app: `http://127.0.0.1:${port}` } }
  const mesh = await startMesh(t, { run: [], services, settings: { timeouts: { drain_delay: '50ms' } } })
  const app = await startRestartingApp(t, port, join(mesh.folder, 'record'))
  let sidecar = await startSidecarProcess(t, mesh, 'App')
  const { inbound } = sidecar
  const assertion = await mesh.pomerium.assertion('alice', hosts.App)
  const client = startBusyClient(() => inbound, { 'X-Pomerium-Jwt-Assertion': assertion }, true)
  for (let i = 0; i < restarts; i++) {
    await untilBusy(client)
    assert.equal(await sidecar.terminate(), 0)
    sidecar = await startSidecarProcess(t, mesh, 'App')
  }
  await untilBusy(client)
  await client.stop()
  const { outcomes } = client
  t.diagnostic(JSON.stringify(tally(outcomes)))
  assert.ok(outcomes.length > 1_000, `only ${outcomes.length} requests`)
  const carriedOut = await app.carriedOut()
  assertHonest(outcomes, carriedOut)
  const answered = new Set(outcomes.filter(({ result }) => result === '200').map(({ id }) => id))
  const lost = outcomes.filter(({ id, method }) => method !== 'POST' && !answered.has(id))
  assert.deepEqual(lost, [])
  // Whoever drains tells so: a connection that just ends leaves a client in doubt whether its POST was carried out.
  const inDoubt = outcomes.filter(
    ({ method, result }) => method === 'POST' && /^E(?!CONNREFUSED)/.test(result),
  )
  t.diagnostic(`${inDoubt.length} POSTs in doubt`)
})
