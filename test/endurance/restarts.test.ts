// A busy client through 50 restarts: what is safe to send again is answered, and nothing else is processed twice.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { freePorts } from '../../deploy/demo/ports.ts'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'
import { startBusyClient, type BusyClient, type Outcome } from './busy-client.ts'
import { startRestartingApp, type RestartingApp } from './restarting-app.ts'
import { startSidecarProcess } from './sidecar-process.ts'
import { scaled } from './soak.ts'

const restarts = scaled(25)
/** Between two restarts. */
const servedBetween = 80
/** An app is waited for by about a second; how long it is away differs. */
const downMs = (i: number) => (i * 60) % 300
const quick = (number: number) => 2 + (number % 11)
/** Some are under way for longer than any pause that a sidecar makes at its end for other reasons. */
const sometimesSlow = (number: number) => (number % 41 === 0 ? 500 : quick(number))

interface Ground {
  readonly mesh: TestMesh
  readonly app: RestartingApp
  readonly headers: Readonly<Record<string, string>>
}

async function startGround(t: TestContext): Promise<Ground> {
  const [port = 0] = await freePorts(1)
  const mesh = await startMesh(t, { run: [], services: { App: { app: `http://127.0.0.1:${port}` } } })
  const app = await startRestartingApp(t, port, join(mesh.folder, 'record'))
  return {
    mesh,
    app,
    headers: { 'X-Pomerium-Jwt-Assertion': await mesh.pomerium.assertion('alice', hosts.App) },
  }
}

const isPost = ({ method }: Outcome) => method === 'POST'
const lastResult = ({ results }: Outcome) => results.at(-1) as string
const under = (outcomes: readonly Outcome[], atMs: number) =>
  outcomes.filter(({ startedMs, endedMs }) => startedMs < atMs && endedMs > atMs)

/** How often each method had each result. */
function tally(outcomes: readonly Outcome[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { method, results } of outcomes) {
    for (const result of results) {
      const key = `${method} ${result}`
      counts[key] = (counts[key] ?? 0) + 1
    }
  }
  return counts
}

/** Restarts again and again while the client is at work; gives the moments at which a restart began. */
async function restartAgainAndAgain(
  client: BusyClient,
  restart: (i: number) => Promise<void>,
): Promise<number[]> {
  const moments: number[] = []
  for (let i = 0; i < restarts; i++) {
    await client.served(servedBetween)
    moments.push(performance.now())
    await restart(i)
  }
  await client.served(servedBetween)
  await client.stop()
  return moments
}

function assertNeverTwice(outcomes: readonly Outcome[], processed: ReadonlyMap<string, number>): void {
  const times = ({ id }: Outcome) => processed.get(id) ?? 0
  const posts = outcomes.filter(isPost)
  assert.deepEqual(
    posts.filter((post) => times(post) > 1),
    [],
    'a POST was processed twice',
  )
  assert.deepEqual(
    outcomes.filter((outcome) => lastResult(outcome) === '200' && times(outcome) === 0),
    [],
    'a request was answered and not processed',
  )
  const wasNotTaken = /^503 draining$|^502 upstream_refused$|^ECONNREFUSED$/
  assert.deepEqual(
    posts.filter((post) => wasNotTaken.test(lastResult(post)) && times(post) > 0),
    [],
    'a POST was processed, and its client told that it was not',
  )
}

/** Or else the test would prove nothing. */
function assertBusy(outcomes: readonly Outcome[], moments: readonly number[]): void {
  const served = outcomes.filter((outcome) => lastResult(outcome) === '200')
  assert.ok(served.length >= restarts * servedBetween, `${served.length} requests were served`)
  for (const atMs of moments) assert.ok(under(outcomes, atMs).length > 0, 'a restart met no request')
}

test(`${restarts} restarts of the app: nothing that is safe to send again is lost`, async (t) => {
  const { mesh, app, headers } = await startGround(t)
  const { inbound: port } = await startSidecarProcess(t, mesh, 'App')
  const client = startBusyClient({ port, headers, workMs: quick })
  const moments = await restartAgainAndAgain(client, (i) =>
    app.restart(i % 2 === 0 ? 'SIGTERM' : 'SIGKILL', downMs(i)),
  )
  const { outcomes } = client
  const processed = await app.processed()
  const twice = outcomes.filter(({ id }) => (processed.get(id) ?? 0) > 1)
  t.diagnostic(JSON.stringify({ ...tally(outcomes), twice: twice.length }))
  assertBusy(outcomes, moments)
  assertNeverTwice(outcomes, processed)
  assert.deepEqual(
    outcomes.filter((outcome) => !isPost(outcome) && lastResult(outcome) !== '200'),
    [],
  )
  const failed = outcomes.filter((outcome) => lastResult(outcome) !== '200')
  assert.deepEqual(
    failed.filter((outcome) => !/^502 upstream_(?:reset|refused)$/.test(lastResult(outcome))),
    [],
  )
  // Each app that is killed has requests under way, of which each is a POST that fails or is sent again.
  assert.ok(failed.length + twice.length >= restarts / 2 - 1, 'the restarts hurt nobody')
})

test(`${restarts} restarts of the sidecar: no answer is lost, and who is not taken is told`, async (t) => {
  const { mesh, app, headers } = await startGround(t)
  let sidecar = await startSidecarProcess(t, mesh, 'App')
  const repeats = /^E[A-Z]+$|^503 draining$/
  const client = startBusyClient({ port: sidecar.inbound, headers, workMs: sometimesSlow, repeats })
  const moments = await restartAgainAndAgain(client, async () => {
    assert.equal(await sidecar.terminate(), 0)
    sidecar = await startSidecarProcess(t, mesh, 'App')
  })
  const { outcomes } = client
  const processed = await app.processed()
  t.diagnostic(JSON.stringify(tally(outcomes)))
  assertBusy(outcomes, moments)
  assertNeverTwice(outcomes, processed)
  assert.deepEqual(
    outcomes.filter((outcome) => !isPost(outcome) && lastResult(outcome) !== '200'),
    [],
  )
  const posts = outcomes.filter(isPost)
  const failed = posts.filter((post) => lastResult(post) !== '200')
  assert.deepEqual(
    failed.filter((post) => !repeats.test(lastResult(post))),
    [],
  )
  assert.deepEqual(
    failed.filter(({ id }) => processed.has(id)),
    [],
    'the answer to a POST was lost',
  )
})
