// Connections in HTTP/2 that end or break, at either side, with what ran on them.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type ClientHttp2Stream } from 'node:http2'
import { connect as connectTcp } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { untilIdle } from '../endurance/held.ts'
import { hosts, startMesh } from '../support/mesh.ts'
import { ask } from './peers.ts'
import { startVersionedApp } from './versioned-app.ts'
import { startWay, ways } from './ways.ts'
import { aliceHeaders, startSocketGround } from './websocket-ground.ts'

const clients = ['HTTP/1.1', 'h2c'] as const
const timeout = 10_000
/** RFC 9113 sections 3.4 and 6.5: the connection preface, with no settings. */
const preface = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
])

for (const server of clients) {
  for (const way of ways) {
    test(
      `a connection that breaks takes with it all that ran on it, ${way}, which speaks ${server}`,
      { timeout },
      async (t) => {
        const gone: Promise<void>[] = []
        const app = await startVersionedApp(t, server, (_request, response) => {
          gone.push(new Promise((resolve) => response.once('close', resolve)))
          response.write('begun')
        })
        const { to } = await startWay(t, way, app.origin)
        const session = connect(`http://127.0.0.1:${to.port}`).on('error', () => undefined)
        const requests = Array.from({ length: 3 }, () =>
          session
            .request({ ':path': '/', ':authority': to.host, ...to.headers })
            .on('error', () => undefined),
        )
        await Promise.all(requests.map((request) => once(request, 'response')))
        session.destroy()
        await Promise.all(gone)
        assert.equal(gone.length, 3)
      },
    )
  }
}

test('a connection that a client ends is ended by the sidecar, too', { timeout }, async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const socket = connectTcp({ host: '127.0.0.1', port: mesh.sidecars.App.inbound, allowHalfOpen: true })
  t.after(() => socket.destroy())
  socket.write(preface)
  await once(socket, 'data')
  socket.resume().end()
  await once(socket, 'end')
})

test('an app whose connection in HTTP/2 breaks is connected anew', async (t) => {
  const streams: ClientHttp2Stream[] = []
  const app = await startVersionedApp(t, 'h2c', (request, response) => {
    if (request.url === '/next') response.end('next')
    else response.write('begun')
    streams.push((response as unknown as { stream: ClientHttp2Stream }).stream)
  })
  const { to } = await startWay(t, 'from an app to another service', app.origin)
  const answers = await Promise.all(clients.map((client) => ask(t, client, { ...to, path: '/' }).answered))
  const broken = answers.map(({ body }) => assert.rejects(text(body)))
  for (const { session } of streams) session?.destroy()
  await Promise.all(broken)
  for (const client of clients) {
    const { status, body } = await ask(t, client, { ...to, path: '/next' }).answered
    assert.deepEqual([status, await text(body)], [200, 'next'])
  }
})

/** The app answers it with one of its own. */
const maskedClose = Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x0f, 0xa1])

test('a WebSocket that a client resets while the app still talks leaves nothing open', async (t) => {
  const { mesh } = await startSocketGround(t)
  const session = connect(`http://127.0.0.1:${mesh.sidecars.App.inbound}`).on('error', () => undefined)
  t.after(() => session.destroy())
  await once(session, 'remoteSettings')
  const stream = session.request({
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':path': '/socket',
    ':authority': hosts.App,
    'sec-websocket-version': '13',
    ...(await aliceHeaders(mesh)),
  })
  await once(stream, 'response')
  stream.write(maskedClose, () => stream.destroy())
  await once(stream, 'close')
  await untilIdle(mesh.sidecars.App.probes)
})
