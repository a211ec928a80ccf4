// Takes one client through every scenario on every way.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { writeFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { rawValues } from '../support/app.ts'
import { hosts } from '../support/mesh.ts'
import { contents, zipped } from './app.ts'
import {
  sha256,
  toldValues,
  type Ability,
  type Ask,
  type Client,
  type RunningClient,
  type Told,
} from './ask.ts'
import { deadlineMs } from './child.ts'
import { scenarios, type Scenario } from './scenarios.ts'
import { startWays, type Way } from './ways.ts'

/** One client on one way. */
interface Pair {
  readonly client: Client
  readonly running: RunningClient
  readonly way: Way
  readonly upload: Upload
}

interface Upload {
  readonly file: string
  readonly sha256: string
}

/** Registers the tests of a client. */
export function testClient(client: Client): void {
  test(`${client.name} works through the sidecar`, { skip: client.missing ?? false }, async (t) => {
    const { mesh, all, caFile, caPin } = await startWays(t)
    const content = randomBytes(1024 * 1024)
    const upload = { file: join(mesh.folder, 'upload'), sha256: sha256(content) }
    await writeFile(upload.file, content)
    for (const way of all) {
      const { proxy, origin } = way
      const place = { proxy, origin, caFile, caPin, folder: mesh.folder }
      await t.test(way.name, async (onWay) => {
        const running = await client.start(place)
        onWay.after(() => running.stop())
        await testWay(onWay, { client, running, way, upload })
      })
    }
  })
}

async function testWay(t: TestContext, pair: Pair): Promise<void> {
  const { client, way } = pair
  const { cannot } = client
  const check = (name: string, needs: Ability | undefined, act: () => Promise<void>) => {
    const reason = needs === undefined ? undefined : cannot[needs]
    return t.test(name, { skip: reason ?? false, timeout: 2 * deadlineMs }, act)
  }
  for (const scenario of scenarios) await check(scenario.name, scenario.needs, () => play(pair, scenario))
  await check('compressed content, untouched', undefined, () => compressed(pair))
  await check('a client that leaves, and comes again', undefined, () => leaving(pair))
  const { tunnel, url } = way.refused
  const keeping = tunnel && cannot['keep-alive'] === undefined ? 'keep-alive in a tunnel' : 'keep-alive'
  await check('several requests on one connection', keeping, () => keptAlive(pair))
  const reading = url.startsWith(way.origin) ? undefined : 'other origins'
  if (tunnel) {
    await check('a refused tunnel, which says so', reading, () => refusedTunnel(pair))
    return
  }
  await check('a refusal, told from an answer', reading, () => refusal(pair, {}))
  const uploading = { method: 'POST', bodyFile: pair.upload.file }
  await check('the refusal of an upload', reading, () => refusal(pair, uploading))
  if (way.checkAccount === undefined) return
  await check('a call that names no user, as the service account', undefined, () => withoutUser(pair))
}

async function one({ running, way }: Pair, path: string, ask: Partial<Ask>): Promise<Told> {
  way.app.received.splice(0)
  const headers = [...way.headers, ...(ask.headers ?? [])]
  const [told] = await running.ask([{ method: 'GET', url: way.origin + path, ...ask, headers }])
  return told as Told
}

async function play(pair: Pair, scenario: Scenario): Promise<void> {
  const { way, upload } = pair
  const { path, ask = {}, uploads, status = 200, content, headers = {} } = scenario
  const told = await one(pair, path, { ...ask, ...(uploads && { bodyFile: upload.file }) })
  assert.deepEqual([told.status, told.error], [status, ''])
  if (content !== undefined) assert.equal(told.sha256, sha256(content))
  for (const [name, values] of Object.entries(headers)) assert.deepEqual(toldValues(told, name), values)
  const { received } = way.app
  const arrived = received.map(({ method, url }) => `${method} ${url}`)
  assert.deepEqual(arrived, scenario.arrives ?? [`${ask.method ?? 'GET'} ${path}`])
  received.forEach(way.checkIdentity)
  const body = Buffer.from(received[0]?.body ?? '', 'latin1')
  assert.equal(sha256(body), uploads ? upload.sha256 : sha256(contents.nothing))
  if (ask.streamed) assert.deepEqual(rawValues(received[0], 'content-length'), [])
}

async function compressed(pair: Pair): Promise<void> {
  const told = await one(pair, '/gzip', {})
  assert.equal(told.error, '')
  assert.equal(told.sha256, pair.client.decodes ? sha256(contents.text) : sha256(zipped))
}

async function keptAlive({ running, way }: Pair): Promise<void> {
  let connections = 0
  // The sidecar runs in this process: its listener says who connects.
  const onSocket = (message: unknown) => {
    if ((message as { socket: Socket }).socket.localPort === way.port) connections++
  }
  subscribe('net.server.socket', onSocket)
  const asks = Array.from({ length: 5 }, (_, i) => ({
    method: 'GET',
    url: `${way.origin}/plain?${i}`,
    headers: way.headers,
  }))
  const told = await running.ask(asks)
  unsubscribe('net.server.socket', onSocket)
  const each = asks.map(() => [200, sha256(contents.plain)])
  assert.deepEqual(
    told.map(({ status, sha256: hash }) => [status, hash]),
    each,
  )
  // None, where the one of before is still open.
  assert.ok(connections <= 1, `${connections} connections`)
}

async function leaving(pair: Pair): Promise<void> {
  const left = pair.way.app.nextLeft()
  await one(pair, '/endless', { leave: true })
  await left
  const told = await one(pair, '/plain', {})
  assert.deepEqual([told.status, told.error, told.sha256], [200, '', sha256(contents.plain)])
}

async function withoutUser({ running, way }: Pair): Promise<void> {
  way.app.received.splice(0)
  await running.ask([{ method: 'GET', url: `${way.origin}/plain`, headers: [] }])
  assert.equal(way.app.received.length, 1)
  way.app.received.forEach(way.checkAccount as Way['checkIdentity'])
}

async function askRefused({ running, way }: Pair, how: Partial<Ask>): Promise<Told> {
  way.app.received.splice(0)
  const { url, headers } = way.refused
  const [told] = await running.ask([{ method: 'GET', url, headers, ...how }])
  assert.deepEqual(way.app.received, [])
  return told as Told
}

async function refusal(pair: Pair, how: Partial<Ask>): Promise<void> {
  const { status, code } = pair.way.refused
  const told = await askRefused(pair, how)
  assert.deepEqual([told.status, toldValues(told, 'x-onbehalf-error')], [status, [code]])
  const isHidden = status === 401 && pair.client.cannot['content of 401'] !== undefined
  if (!isHidden) assert.equal(JSON.parse(told.text).error, code)
}

/** Few clients show more of what a proxy answers to CONNECT than its status. */
async function refusedTunnel(pair: Pair): Promise<void> {
  const told = await askRefused(pair, {})
  assert.match(`${told.status} ${told.error}`, /403|Forbidden|http:\/\/api\./)
  if (told.status !== 0) assert.deepEqual(toldValues(told, 'x-onbehalf-error'), [pair.way.refused.code])
  if (told.text !== '') assert.match(JSON.parse(told.text).message, new RegExp(`http://${hosts.API}/`))
}
