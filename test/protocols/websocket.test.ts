// WebSocket (RFC 6455) through sidecars: identity at the handshake, then bytes untouched until either side ends.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { sendRaw } from '../support/client.ts'
import { hosts, startMesh } from '../support/mesh.ts'
import {
  aliceHeaders,
  nextMessage,
  openSocket,
  startSocketApp,
  startSocketGround,
} from './websocket-ground.ts'

test('a WebSocket opens with the identity at the handshake, and carries messages both ways', async (t) => {
  const { mesh, app } = await startSocketGround(t)
  const headers = await aliceHeaders(mesh)
  const socket = await openSocket(t, mesh.sidecars.App.inbound, { headers }, ['other', 'chat'])
  assert.equal(socket.protocol, 'chat')
  socket.send('hello')
  assert.equal(await nextMessage(socket), 'hello')
  const [handshake] = app.handshakes
  assert.equal(handshake?.headers['x-pomerium-authenticated-user-id'], 'alice-id')
  assert.equal(handshake?.url, '/socket')
})

test('a WebSocket that an app opens to another service carries the user on', async (t) => {
  const app = await startSocketApp(t)
  const mesh = await startMesh(t, { run: ['App', 'API'], services: { API: { app: app.origin } } })
  const opened = Promise.withResolvers<string>()
  mesh.apps.App.handler = async (request, response) => {
    const inner = httpRequest({
      host: '127.0.0.1',
      port: mesh.sidecars.App.outbound,
      path: `http://${hosts.API}/socket`,
      headers: {
        Host: hosts.API,
        Connection: 'Upgrade',
        Upgrade: 'websocket',
        'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
        'Sec-WebSocket-Version': '13',
        'x-onbehalf-handle': String(request.headers['x-onbehalf-handle']),
      },
    }).end()
    inner.once('upgrade', (answer, socket) => {
      opened.resolve(String(answer.statusCode))
      socket.destroy()
    })
    inner.once('response', (answer) => opened.resolve(String(answer.headers['x-onbehalf-error'])))
    await opened.promise
    response.end()
  }
  const request = httpRequest({
    host: '127.0.0.1',
    port: mesh.sidecars.App.inbound,
    headers: { Host: hosts.App, ...(await aliceHeaders(mesh)) },
  }).end()
  const [response] = (await once(request, 'response')) as [{ resume(): void }]
  response.resume()
  assert.equal(await opened.promise, '101')
  assert.equal(app.handshakes[0]?.headers['x-pomerium-original-user-id'], 'alice-id')
})

test('messages of 10 MB, messages in fragments, and pings pass', async (t) => {
  const { mesh } = await startSocketGround(t)
  const options = { headers: await aliceHeaders(mesh), maxPayload: 64 * 1024 * 1024 }
  const socket = await openSocket(t, mesh.sidecars.App.inbound, options)
  const large = randomBytes(10 * 1024 * 1024)
  socket.send(large)
  const [echoed] = (await once(socket, 'message')) as [Buffer]
  assert.ok(echoed.equals(large))
  socket.send('in ', { fin: false })
  socket.send('three ', { fin: false })
  socket.send('parts', { fin: true })
  assert.equal(await nextMessage(socket), 'in three parts')
  socket.ping('p')
  const [pong] = (await once(socket, 'pong')) as [Buffer]
  assert.equal(pong.toString(), 'p')
})

test('close codes and reasons pass in both directions', async (t) => {
  const { mesh, app } = await startSocketGround(t)
  const headers = await aliceHeaders(mesh)
  const heard = Promise.withResolvers<[number, string]>()
  app.onSocket = (socket) => socket.on('close', (code, reason) => heard.resolve([code, reason.toString()]))
  const first = await openSocket(t, mesh.sidecars.App.inbound, { headers })
  first.close(4001, 'done here')
  assert.deepEqual(await heard.promise, [4001, 'done here'])
  app.onSocket = (socket) => socket.close(4002, 'not today')
  const second = await openSocket(t, mesh.sidecars.App.inbound, { headers })
  const [code, reason] = (await once(second, 'close')) as [number, Buffer]
  assert.deepEqual([code, reason.toString()], [4002, 'not today'])
})

test('a thousand WebSockets are open at once, and each gets its own messages', async (t) => {
  const { mesh } = await startSocketGround(t)
  const headers = await aliceHeaders(mesh)
  const all = await Promise.all(
    Array.from({ length: 1_000 }, () => openSocket(t, mesh.sidecars.App.inbound, { headers })),
  )
  const answers = all.map(async (socket, i) => {
    socket.send(`message ${i}`)
    return (await nextMessage(socket)) === `message ${i}`
  })
  assert.deepEqual([...new Set(await Promise.all(answers))], [true])
  for (const socket of all) socket.terminate()
})

test('a handshake that is refused has its status and its code', async (t) => {
  const { mesh, app } = await startSocketGround(t)
  const socket = new WebSocket(`ws://127.0.0.1:${mesh.sidecars.App.inbound}/socket`)
  socket.on('error', () => undefined)
  const [, response] = (await once(socket, 'unexpected-response')) as [
    unknown,
    { statusCode: number; headers: Record<string, string> },
  ]
  assert.deepEqual([response.statusCode, response.headers['x-onbehalf-error']], [401, 'assertion_missing'])
  assert.equal(app.handshakes.length, 0)
})

test('an app that answers a handshake in HTTP is heard, and the connection ends', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  mesh.apps.App.handler = (_request, response) => {
    response.statusCode = 426
    response.end('use something else')
  }
  const [name, token] = Object.entries(await aliceHeaders(mesh))[0] as [string, string]
  const lines = `Host: a\r\n${name}: ${token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`
  const answer = await sendRaw(mesh.sidecars.App.inbound, `GET / HTTP/1.1\r\n${lines}`)
  assert.match(answer, /^HTTP\/1\.1 426 [^]*\r\nConnection: close\r\n[^]*use something else$/)
})

test('what a client sends before the change is granted reaches nobody who did not grant it', async (t) => {
  let got = ''
  const server = createServer((socket: Socket) => {
    socket.setEncoding('latin1').on('error', () => undefined)
    socket.on('data', (part: string) => {
      got += part
      if (got.includes('\r\n\r\n'))
        socket.end('HTTP/1.1 403 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const app = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const mesh = await startMesh(t, { run: ['App'], services: { App: { app } } })
  const [name, token] = Object.entries(await aliceHeaders(mesh))[0] as [string, string]
  const lines = `Host: a\r\n${name}: ${token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`
  const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'
  const answer = await sendRaw(mesh.sidecars.App.inbound, `GET / HTTP/1.1\r\n${lines}${smuggled}`)
  assert.match(answer, /^HTTP\/1\.1 403 /)
  assert.equal(answer.match(/HTTP\/1\.1 /g)?.length, 1)
  assert.doesNotMatch(got, /smuggled/)
})

test('an app hears that its client is gone, and a client that its app is', async (t) => {
  const { mesh, app } = await startSocketGround(t)
  const headers = await aliceHeaders(mesh)
  const closed = Promise.withResolvers<number>()
  app.onSocket = (socket) => socket.on('close', (code) => closed.resolve(code))
  const socket = await openSocket(t, mesh.sidecars.App.inbound, { headers })
  socket.terminate()
  assert.equal(await closed.promise, 1006)
  app.onSocket = (accepted) => accepted.terminate()
  const other = await openSocket(t, mesh.sidecars.App.inbound, { headers })
  const [code] = (await once(other, 'close')) as [number]
  assert.equal(code, 1006)
})

test('a WebSocket on which nothing passes for timeouts.idle ends', async (t) => {
  const { mesh } = await startSocketGround(t, { settings: { timeouts: { idle: '300ms' } } })
  const socket = await openSocket(t, mesh.sidecars.App.inbound, { headers: await aliceHeaders(mesh) })
  const [code] = (await once(socket, 'close')) as [number]
  assert.equal(code, 1006)
})
