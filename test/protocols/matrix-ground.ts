// What holds in every cell of the matrix: a version that the client speaks, a way, and a version that the app does.
import assert from 'node:assert/strict'
import { text } from 'node:stream/consumers'
import { Readable } from 'node:stream'
import { test, type TestContext } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { ask, bodyOf, digestOf, startServer, versions, type RunningServer, type Version } from './peers.ts'
import { startWay, type Ground, type Way } from './ways.ts'

const megabytes100 = 100 * 1024 * 1024

interface Cell {
  readonly client: Version
  readonly server: RunningServer
  /** Where and as whom the client asks. */
  readonly way: Ground['to']
}

async function start(t: TestContext, client: Version, serverVersion: Version, way: Way): Promise<Cell> {
  const server = await startServer(t, serverVersion)
  const { to } = await startWay(t, way, `${schemeFor(client, serverVersion)}:${server.port}`)
  return { client, server, way: to }
}

function schemeFor(client: Version, server: Version): string {
  if (server === 'h2') return 'https://localhost'
  // What came in HTTP/2 finds by itself what the app speaks.
  return client === 'HTTP/1.1' && server === 'h2c' ? 'h2c://127.0.0.1' : 'http://127.0.0.1'
}

const checks: Record<string, (t: TestContext, cell: Cell) => Promise<void>> = {
  async 'GET, as the user'(t, { client, way }) {
    const { status, headers, body } = await ask(t, client, { ...way, path: '/get' }).answered
    assert.deepEqual([status, await text(body), headers['x-user']], [200, 'ok', 'alice-id'])
  },
  async 'an upload of 100 MB'(t, { client, way }) {
    const sent = { ...way, method: 'POST', path: '/up', body: bodyOf(megabytes100) }
    const { status, body } = await ask(t, client, sent).answered
    assert.deepEqual([status, await text(body)], [200, await expectedDigest])
  },
  async 'a download of 100 MB'(t, { client, way }) {
    const { status, body } = await ask(t, client, { ...way, path: `/down/${megabytes100}` }).answered
    assert.deepEqual([status, await digestOf(body)], [200, await expectedDigest])
  },
  async 'trailers both ways'(t, { client, way }) {
    const body = Readable.from([Buffer.from('body')])
    const trailers = { 'x-forth': 'and back' }
    const answer = await ask(t, client, { ...way, method: 'POST', path: '/trailers', body, trailers })
      .answered
    assert.equal(await text(answer.body), 'body')
    assert.equal(answer.trailers()['x-back'], 'and back')
  },
  async 'a server that ends the connection before it answers'(t, { client, way }) {
    const { status, headers, body } = await ask(t, client, {
      ...way,
      method: 'POST',
      path: '/reset',
      body: Readable.from(['x']),
    }).answered
    body.resume()
    assert.deepEqual([status, headers['x-onbehalf-error']], [502, 'upstream_reset'])
  },
  async 'a server that breaks its answer off'(t, { client, way }) {
    const { body } = await ask(t, client, { ...way, path: '/break' }).answered
    await assert.rejects(text(body))
  },
  async 'a client that leaves in the middle of its request'(t, { client, server, way }) {
    const held = new Promise<void>((resolve) => (server.onHeld = resolve))
    const body = new Readable({ read: () => undefined })
    body.push('first')
    const asking = ask(t, client, { ...way, method: 'POST', path: '/hold/request', body })
    await held
    asking.leave()
    await eventually(async () => server.heldEnds.includes('/hold/request'))
  },
  async 'a client that leaves in the middle of the answer'(t, { client, server, way }) {
    const body = new Readable({ read: () => undefined })
    body.push('first')
    const asking = ask(t, client, { ...way, method: 'POST', path: '/hold/answer', body })
    const answer = await asking.answered
    answer.body.on('error', () => undefined).resume()
    asking.leave()
    await eventually(async () => server.heldEnds.includes('/hold/answer'))
  },
}

const expectedDigest = digestOf(bodyOf(megabytes100))

/** A row of cells: what a client that speaks this meets on the way to each version of an app. */
export function testRow(client: Version, way: Way): void {
  for (const serverVersion of versions) {
    test(`${client} ${way}, which speaks ${serverVersion}`, async (t) => {
      const cell = await start(t, client, serverVersion, way)
      for (const [name, check] of Object.entries(checks)) await t.test(name, (inner) => check(inner, cell))
    })
  }
}
