// The attacker owns an upstream or a name, or finds a careless route, and wants the sidecar to send twice, to leak, to stall, or to take one address for another.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2'
import { connect as connectTcp, type AddressInfo, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { parsePathRewrite } from '../../shared/config/path-rewrite.ts'
import { OpenExchanges } from '../../sidecar/open-exchanges.ts'
import { Names } from '../../sidecar/upstream/names.ts'
import { send } from '../support/client.ts'
import { hosts, startMesh } from '../support/mesh.ts'
import { asUser, calling, handleName, open, speak, startRaw, until, untilIdle, verdict } from './attack.ts'

/** An upstream in HTTP/2 that does with each request what the test says. */
async function startHttp2(t: TestContext, onStream: (stream: ServerHttp2Stream) => void): Promise<string> {
  const server = createHttp2Server()
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    paths.set(stream, String(headers[':path']))
    stream.on('error', () => undefined)
    onStream(stream)
  })
  server.on('session', (session) => {
    session.on('error', () => undefined)
    t.after(() => session.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => void server.close())
  return `h2c://127.0.0.1:${(server.address() as AddressInfo).port}`
}

for (const method of ['POST', 'GET']) {
  test(`a ${method} without a body that an upstream in HTTP/2 broke off is carried out by no second address`, async (t) => {
    const seen: number[] = []
    const dying = (i: number) => (stream: ServerHttp2Stream) => {
      seen.push(i)
      stream.session?.destroy()
    }
    const to = [await startHttp2(t, dying(0)), await startHttp2(t, dying(1)), await startHttp2(t, dying(2))]
    const mesh = await startMesh(t, { run: ['App'], routes: { Ledger: { to } } })
    const bytes = `${method} /pay HTTP/1.1\r\nHost: ${hosts.Ledger}\r\nConnection: close\r\n\r\n`
    const answer = await speak(mesh.sidecars.App.outbound, bytes)
    await pause(100)
    assert.equal(verdict(answer), 'upstream_reset')
    const logs = mesh.sidecars.App.logs.filter((line) => line.includes('set aside'))
    // A GET may be sent again, for a bounded number of times (repetition).
    assert.ok(seen.length <= (method === 'POST' ? 1 : 3), `sent ${seen.length} times`)
    assert.deepEqual(logs, [], 'an address that took a connection is set aside')
  })
}

test('a value that no header can have is a fault of the mesh file', async (t) => {
  const routes = { API: { rewrite_response_headers: [{ header: 'Link', prefix: '</', value: '☃' }] } }
  await assert.rejects(
    startMesh(t, { run: ['App'], routes }),
    /must be of visible characters|visible characters/i,
  )
})

test('a rule about a path that is rewritten is a fault of the mesh file: it would never deny', async (t) => {
  const policy = [
    { allow: { or: [{ accept: true }] } },
    { deny: { or: [{ http_path: { starts_with: '/api/internal' } }] } },
  ]
  const routes = { API: { prefix: '/api', prefix_rewrite: '/v2', policy } }
  await assert.rejects(startMesh(t, { run: ['App'], routes }), /http_path/)
})

test('a call that is refused for what its route makes of it leaves nothing open', async (t) => {
  const { mock } = t.mock.method(OpenExchanges.prototype, 'open')
  const mesh = await startMesh(t, {
    run: ['App'],
    routes: { API: { host_rewrite_header: 'X-Target', timeout: '60s' } },
  })
  calling(mesh.apps.App, mesh.sidecars.App.outbound, hosts.API, ({ headers }) => [
    handleName,
    String(headers[handleName]),
    'X-Target',
    'no host',
  ])
  for (let i = 0; i < 5; i++) {
    const headers = await asUser(mesh, 'alice')
    assert.equal((await send({ port: mesh.sidecars.App.inbound, headers })).status, 400)
  }
  await untilIdle(mesh.sidecars.App)
  const exchanges = mock.calls.at(-1)?.this as OpenExchanges
  assert.equal(exchanges.size, 0)
})

test('a connection in HTTP/2 to another address than was asked for is not taken for one to that', async (t) => {
  // One name for two addresses, of which the first takes no connection at first.
  const addresses = ['127.0.0.2', '127.0.0.1']
  t.mock.method(Names.prototype, 'addressesOf', () => addresses)
  const served: string[] = []
  const serve = (address: string, port: number) => {
    const server = createHttp2Server((_request, response) => {
      served.push(address)
      response.end('served')
    })
    server.on('session', (session) => t.after(() => session.destroy()))
    server.listen(port, address)
    t.after(() => void server.close())
    return once(server, 'listening').then(() => (server.address() as AddressInfo).port)
  }
  const port = await serve('127.0.0.1', 0)
  const mesh = await startMesh(t, { run: ['App'], routes: { Ledger: { to: `h2c://two.test:${port}` } } })
  const call = () => send({ port: mesh.sidecars.App.outbound, host: hosts.Ledger })
  for (let i = 0; i < 4; i++) assert.equal((await call()).body, 'served')
  await serve('127.0.0.2', port)
  await pause(1_500)
  served.length = 0
  for (let i = 0; i < 20; i++) assert.equal((await call()).body, 'served')
  assert.deepEqual([...new Set(served)].sort(), ['127.0.0.1', '127.0.0.2'])
})

test('an upstream in HTTP/2 that is slow for long costs no memory', async (t) => {
  const warnings: string[] = []
  const onWarning = ({ message }: Error) => warnings.push(message)
  process.on('warning', onWarning)
  t.after(() => process.off('warning', onWarning))
  const to = await startHttp2(t, () => undefined)
  const mesh = await startMesh(t, {
    run: ['App'],
    routes: { Ledger: { to } },
    settings: { timeouts: { response: '100ms' } },
  })
  for (let i = 0; i < 15; i++) {
    const { code } = await send({ port: mesh.sidecars.App.outbound, host: hosts.Ledger })
    assert.equal(code, 'upstream_timeout')
  }
  assert.deepEqual(warnings, [])
})

test('a name that nobody answers for holds up no address that is known', async (t) => {
  const known = ['127.0.0.1']
  t.mock.method(Names.prototype, 'addressesOf', (host: string) =>
    host === 'silent.test' ? new Promise(() => undefined) : known,
  )
  const instance = await startHttp2(t, (stream) => {
    stream.respond()
    stream.end('served')
  })
  const mesh = await startMesh(t, {
    run: ['App'],
    routes: { Ledger: { to: [instance, 'h2c://silent.test:80'] } },
    settings: { timeouts: { connect: '1s' } },
  })
  const answer = await send({ port: mesh.sidecars.App.outbound, host: hosts.Ledger })
  assert.equal(answer.body, 'served')
})

test('all addresses together take no longer to connect than timeouts.connect allows', async (t) => {
  const silent = () => startRaw(t, () => undefined)
  const to: string[] = []
  for (let i = 0; i < 8; i++) to.push(`https://127.0.0.1:${await silent()}`)
  const mesh = await startMesh(t, {
    run: ['App'],
    routes: { Ledger: { to } },
    settings: { timeouts: { connect: '1s' } },
  })
  const startedMs = performance.now()
  const { code } = await send({ port: mesh.sidecars.App.outbound, host: hosts.Ledger })
  assert.equal(code, 'upstream_timeout')
  assert.ok(performance.now() - startedMs < 3_000, `${performance.now() - startedMs}`)
})

test('what an upstream does not serve sets none of its addresses aside', async (t) => {
  const to = [await startHttp2(t, () => undefined), await startHttp2(t, () => undefined)]
  const mesh = await startMesh(t, { run: ['App'], routes: { Ledger: { to } } })
  const bytes = `GET / HTTP/1.1\r\nHost: ${hosts.Ledger}\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`
  assert.equal(verdict(await speak(mesh.sidecars.App.outbound, bytes)), 'upstream_invalid')
  assert.deepEqual(
    mesh.sidecars.App.logs.filter((line) => line.includes('set aside')),
    [],
  )
})

for (const count of [1, 2]) {
  test(`with ${count} addresses a connection that stood still for less than timeouts.connect keeps its answers`, async (t) => {
    const dripping = await startHttp2(t, (stream) => {
      stream.once('close', () => clearInterval(timer))
      const timer = setInterval(() => {
        if (isDripping(stream)) stream.write('drop')
      }, 100)
    })
    const stalled = { is: false }
    const to: string[] = []
    for (let i = 0; i < count; i++) to.push(await startStalling(t, dripping, stalled))
    const mesh = await startMesh(t, {
      run: ['App'],
      routes: { Ledger: { to } },
      settings: { timeouts: { connect: '8s', response: '600ms' } },
    })
    const { outbound } = mesh.sidecars.App
    const ask = (target: string) => send({ port: outbound, host: hosts.Ledger, target })
    const client = await open(outbound)
    let dripped = ''
    client.setEncoding('latin1').on('data', (part: string) => (dripped += part))
    client.write(`GET /drip HTTP/1.1\r\nHost: ${hosts.Ledger}\r\n\r\n`)
    await until('the answer has begun', () => dripped.includes('drop'))
    const late = Array.from({ length: 4 }, () => ask('/never'))
    await pause(300)
    stalled.is = true
    for (const { code } of await Promise.all(late)) assert.equal(code, 'upstream_timeout')
    await pause(1_500)
    stalled.is = false
    const { length } = dripped
    await pause(500)
    assert.ok(dripped.length > length, 'the answer goes on')
    client.destroy()
  })
}

const paths = new WeakMap<ServerHttp2Stream, string>()

/** Responds to `/drip` alone. */
function isDripping(stream: ServerHttp2Stream): boolean {
  if (paths.get(stream) !== '/drip' || stream.destroyed) return false
  if (!stream.headersSent) stream.respond()
  return true
}

/** Before a server: passes nothing on while it is stalled. */
async function startStalling(
  t: TestContext,
  origin: string,
  stalled: { readonly is: boolean },
): Promise<string> {
  const port = await startRaw(t, (socket) => {
    const onward = connectTcp(Number(/\d+$/.exec(origin)?.[0]), '127.0.0.1')
    onward.on('error', () => undefined)
    const waiting: (() => void)[] = []
    const pass = (to: Socket) => (bytes: Buffer) => void waiting.push(() => to.write(bytes))
    socket.on('data', pass(onward)).once('close', () => onward.destroy())
    onward.on('data', pass(socket)).once('close', () => socket.destroy())
    const timer = setInterval(() => {
      while (!stalled.is && waiting.length > 0) waiting.shift()?.()
    }, 10)
    socket.once('close', () => clearInterval(timer))
  })
  return `h2c://127.0.0.1:${port}`
}

for (const pattern of ['^/a|/b', '^x|a*b*c*d', '^(?:/a)|(/b)']) {
  test(`the pattern ${pattern}, of which one alternative may begin anywhere, is refused`, () => {
    assert.ok('fault' in parsePathRewrite(pattern, '/z'))
  })
}

test('alternatives that begin where the path does are not', () => {
  for (const pattern of ['^(?:/a|/b)', '^/[|]\\|x'])
    assert.ok('value' in parsePathRewrite(pattern, '/z'), pattern)
})
