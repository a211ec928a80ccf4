// What ends streams that outlive their decision (`streams.end_at`), on each protocol that has them.
import assert from 'node:assert/strict'
import { once, type EventEmitter } from 'node:events'
import { connect } from 'node:http2'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { test, type TestContext } from 'node:test'
import { byAdmin } from '../mesh/revocation-ground.ts'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'
import { aliceHeaders, openSocket, startSocketApp } from './websocket-ground.ts'

interface Ground {
  readonly mesh: TestMesh
  /** Moves the clock of the sidecar beyond the life of what was issued before. */
  readonly expire: () => void
}

async function start(t: TestContext, endAt: string): Promise<Ground> {
  const app = await startSocketApp(t)
  let offsetMs = 0
  const mesh = await startMesh(t, {
    run: ['App'],
    services: { App: { app: app.origin } },
    settings: { streams: { end_at: endAt } },
    clockOffsetMs: () => offsetMs,
  })
  return { mesh, expire: () => (offsetMs = 24 * 3_600_000) }
}

/** However it ends. */
function closed(emitter: EventEmitter): Promise<void> {
  return new Promise((resolve) => emitter.once('close', () => resolve()))
}

/** Each opens a stream of alice's, and resolves with a promise of its end. */
const protocols: Record<string, (t: TestContext, mesh: TestMesh) => Promise<{ ended: Promise<unknown> }>> = {
  async WebSocket(t, mesh) {
    const socket = await openSocket(t, mesh.sidecars.App.inbound, { headers: await aliceHeaders(mesh) })
    return { ended: closed(socket) }
  },
  async 'WebSocket over HTTP/2'(t, mesh) {
    const session = connect(`http://127.0.0.1:${mesh.sidecars.App.inbound}`)
    session.on('error', () => undefined)
    t.after(() => session.destroy())
    await once(session, 'remoteSettings')
    assert.equal(session.remoteSettings.enableConnectProtocol, true)
    const stream = session.request({
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':path': '/socket',
      ':authority': hosts.App,
      'sec-websocket-version': '13',
      ...(await aliceHeaders(mesh)),
    })
    stream.on('error', () => undefined)
    const [head] = await once(stream, 'response')
    assert.equal(head[':status'], 200)
    // A text message of two letters, masked with zeros, and the same unmasked.
    stream.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]))
    const [echoed] = (await once(stream, 'data')) as [Buffer]
    assert.deepEqual([...echoed], [0x81, 2, 0x68, 0x69])
    stream.resume()
    return { ended: closed(stream) }
  },
  async 'an answer in HTTP/1.1'(t, mesh) {
    const headers = { Host: hosts.App, ...(await aliceHeaders(mesh)) }
    const where = {
      host: '127.0.0.1',
      port: mesh.sidecars.App.inbound,
      path: '/endless',
      agent: false as const,
    }
    const request = httpRequest({ ...where, headers }).end()
    t.after(() => request.destroy())
    request.on('error', () => undefined)
    const [answer] = (await once(request, 'response')) as [IncomingMessage]
    answer.on('error', () => undefined).resume()
    return { ended: closed(answer) }
  },
  async 'an answer in HTTP/2'(t, mesh) {
    const session = connect(`http://127.0.0.1:${mesh.sidecars.App.inbound}`)
    session.on('error', () => undefined)
    t.after(() => session.destroy())
    const stream = session.request({
      ':path': '/endless',
      ':authority': hosts.App,
      ...(await aliceHeaders(mesh)),
    })
    stream.on('error', () => undefined)
    await once(stream, 'response')
    stream.resume()
    return { ended: closed(stream) }
  },
}

for (const [name, open] of Object.entries(protocols)) {
  test(`${name} ends when the user's assertion expires, where the mesh file says so`, async (t) => {
    const { mesh, expire } = await start(t, 'expiry')
    const { ended } = await open(t, mesh)
    expire()
    await ended
  })

  test(`${name} ends when the user is revoked`, async (t) => {
    const { mesh } = await start(t, 'revocation')
    const { ended } = await open(t, mesh)
    await byAdmin(mesh, 'App', { kind: 'subject', issuer: 'pomerium', value: 'alice-id' })
    await ended
  })
}
