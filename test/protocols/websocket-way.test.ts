// WebSocket from an app to another service, through both of their sidecars in mutual TLS, by HTTP/1.1 and on streams of one HTTP/2 connection.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type ClientHttp2Session } from 'node:http2'
import type { Duplex } from 'node:stream'
import { test, type TestContext } from 'node:test'
import { WebSocket, type ClientOptions } from 'ws'
import type { MeshOptions } from '../support/mesh.ts'
import type { Asked } from './peers.ts'
import { securedWay, startWay } from './ways.ts'
import { nextMessage, openSocket, startSocketApp, type SocketApp } from './websocket-ground.ts'

const maxPayload = 64 * 1024 * 1024

interface Ground {
  readonly app: SocketApp
  readonly to: Pick<Asked, 'port' | 'host' | 'headers'>
}

async function start(t: TestContext, options: MeshOptions = {}): Promise<Ground> {
  const app = await startSocketApp(t)
  const { to } = await startWay(t, securedWay, app.origin, options)
  return { app, to }
}

type Open = (protocols?: string[]) => Promise<WebSocket>

function inHttp1(t: TestContext, { to }: Ground): Open {
  const options: ClientOptions = { headers: { Host: to.host, ...to.headers }, maxPayload }
  return (protocols) => openSocket(t, to.port, options, protocols)
}

/** All on one connection (RFC 8441). */
async function inHttp2(t: TestContext, { to }: Ground): Promise<Open> {
  const session = connect(`http://127.0.0.1:${to.port}`).on('error', () => undefined)
  t.after(() => session.destroy())
  await once(session, 'remoteSettings')
  return (protocols = []) => openOn(session, to, protocols)
}

async function openOn(
  session: ClientHttp2Session,
  { host, headers }: Ground['to'],
  protocols: readonly string[],
): Promise<WebSocket> {
  const stream = session.request({
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':path': '/socket',
    ':authority': host,
    'sec-websocket-version': '13',
    ...(protocols.length > 0 && { 'sec-websocket-protocol': protocols.join(', ') }),
    ...headers,
  })
  stream.on('error', () => undefined)
  const [head] = await once(stream, 'response')
  assert.equal(head[':status'], 200, String(head['x-onbehalf-error']))
  return asClient(stream, String(head['sec-websocket-protocol'] ?? ''))
}

/** `ws` on a stream that is open already: made for servers, who do not mask. */
function asClient(stream: Duplex, protocol: string): WebSocket {
  const socket = new WebSocket(null as never, undefined, {
    autoPong: true,
    closeTimeout: 30_000,
  } as ClientOptions)
  Object.assign(socket, { _isServer: false, _protocol: protocol })
  const opening = socket as unknown as { setSocket(on: Duplex, head: Buffer, options: object): void }
  opening.setSocket(stream, Buffer.alloc(0), { maxPayload, allowSynchronousEvents: true })
  return socket
}

const carriers: Readonly<Record<string, (t: TestContext, ground: Ground) => Open | Promise<Open>>> = {
  'HTTP/1.1': inHttp1,
  'HTTP/2': inHttp2,
}

/** A thousand are open at once where one sidecar is on the way: websocket.test.ts. */
const manyAtOnce = 250

for (const [name, by] of Object.entries(carriers)) {
  test(`in ${name} it opens as the user, with the protocol that the app chose`, async (t) => {
    const ground = await start(t)
    const open = await by(t, ground)
    const socket = await open(['other', 'chat'])
    assert.equal(socket.protocol, 'chat')
    socket.send('hello')
    assert.equal(await nextMessage(socket), 'hello')
    const [handshake] = ground.app.handshakes
    assert.equal(handshake?.headers['x-pomerium-original-user-id'], 'alice-id')
    assert.equal(handshake?.headers['x-onbehalf-chain'], 'api-access')
  })

  test(`in ${name} messages of 10 MB, messages in fragments, and pings pass`, async (t) => {
    const open = await by(t, await start(t))
    const socket = await open()
    const large = randomBytes(10 * 1024 * 1024)
    socket.send(large)
    const [echoed] = (await once(socket, 'message')) as [Buffer]
    assert.ok(echoed.equals(large))
    for (const part of ['in ', 'three ']) socket.send(part, { fin: false })
    socket.send('parts', { fin: true })
    assert.equal(await nextMessage(socket), 'in three parts')
    socket.ping('p')
    const [pong] = (await once(socket, 'pong')) as [Buffer]
    assert.equal(pong.toString(), 'p')
  })

  test(`in ${name} the app's pings come, and close codes pass in both directions`, async (t) => {
    const ground = await start(t)
    const open = await by(t, ground)
    const heard = Promise.withResolvers<[number, string]>()
    const ponged = Promise.withResolvers<string>()
    ground.app.onSocket = (socket) => {
      socket.on('pong', (data) => ponged.resolve(data.toString()))
      socket.on('close', (code, reason) => heard.resolve([code, reason.toString()]))
      socket.ping('there?')
    }
    const first = await open()
    assert.equal(await ponged.promise, 'there?')
    first.close(4001, 'done here')
    assert.deepEqual(await heard.promise, [4001, 'done here'])
    ground.app.onSocket = (socket) => socket.on('message', () => socket.close(4002, 'not today'))
    const second = await open()
    second.send('?')
    const [code, reason] = (await once(second, 'close')) as [number, Buffer]
    assert.deepEqual([code, reason.toString()], [4002, 'not today'])
  })

  test(`in ${name} each side hears that the other is gone`, async (t) => {
    const ground = await start(t)
    const open = await by(t, ground)
    const gone = Promise.withResolvers<number>()
    ground.app.onSocket = (socket) => socket.on('close', (code) => gone.resolve(code))
    const first = await open()
    first.terminate()
    assert.equal(await gone.promise, 1006)
    ground.app.onSocket = (socket) => socket.on('message', () => socket.terminate())
    const second = await open()
    second.on('error', () => undefined).send('?')
    const [code] = (await once(second, 'close')) as [number]
    assert.equal(code, 1006)
  })

  test(`in ${name} ${manyAtOnce} are open at once, each with its own messages`, async (t) => {
    // One process makes both sides of all handshakes here.
    const ground = await start(t, { settings: { timeouts: { connect: '30s', linger: '2s', drain: '5s' } } })
    const open = await by(t, ground)
    const all = await Promise.all(Array.from({ length: manyAtOnce }, () => open()))
    for (const round of ['first', 'second']) {
      const answers = all.map(async (socket, i) => {
        socket.send(`${round} of ${i}`)
        return (await nextMessage(socket)) === `${round} of ${i}`
      })
      assert.deepEqual([...new Set(await Promise.all(answers))], [true])
    }
    for (const socket of all) socket.terminate()
  })
}

test('what the called sidecar refuses comes at the handshake', async (t) => {
  const { to } = await start(t, { routes: { API: { policy: [{ deny: { or: [{ accept: true }] } }] } } })
  const headers = { Host: to.host, ...to.headers }
  const socket = new WebSocket(`ws://127.0.0.1:${to.port}/socket`, { headers })
  socket.on('error', () => undefined)
  const [, response] = (await once(socket, 'unexpected-response')) as [
    unknown,
    { statusCode: number; headers: Record<string, string> },
  ]
  assert.deepEqual([response.statusCode, response.headers['x-onbehalf-error']], [403, 'policy_denied'])
})
