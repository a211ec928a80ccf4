// Every refusal code that concerns the form of a request, its size, the load, or the upstream, through a socket.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import {
  connect as connectHttp2,
  createServer as createHttp2Server,
  type ServerHttp2Stream,
} from 'node:http2'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { send, sendRaw } from '../support/client.ts'
import { freePorts } from '../../deploy/demo/ports.ts'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'

const assertionName = 'X-Pomerium-Jwt-Assertion'

async function asAlice(mesh: TestMesh): Promise<string[]> {
  return [assertionName, await mesh.pomerium.assertion('alice', hosts.App)]
}

const malformed: [name: string, bytes: string, code: string][] = [
  ['no Host', 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n', 'request_malformed'],
  ['an empty Host', 'GET / HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n', 'request_malformed'],
  ['two Hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n', 'request_ambiguous'],
  [
    'user information in Host',
    'GET / HTTP/1.1\r\nHost: a@b\r\nConnection: close\r\n\r\n',
    'request_malformed',
  ],
  [
    'an absolute target that disagrees with Host',
    'GET http://a/ HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n',
    'request_ambiguous',
  ],
  [
    'a fragment in the target',
    'GET /a#b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    'request_malformed',
  ],
  ['no HTTP', 'hello\r\n\r\n', 'request_malformed'],
  [
    'a length and chunks',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'request_malformed',
  ],
  [
    'two lengths',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello',
    'request_malformed',
  ],
  [
    'a header of 40 KiB',
    `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(40_960)}\r\n\r\n`,
    'headers_too_large',
  ],
  [
    '101 header fields',
    `GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${'X: y\r\n'.repeat(99)}\r\n`,
    'headers_too_large',
  ],
  ['CONNECT to the inbound side', 'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n', 'request_malformed'],
]

test('what is no request, or two, is refused with its code and never reaches the app', async (t) => {
  const mesh = await startMesh(t, {
    run: ['App'],
    routes: { App: { policy: undefined, allow_public_unauthenticated_access: true } },
  })
  for (const [name, bytes, code] of malformed) {
    const answer = await sendRaw(mesh.sidecars.App.inbound, bytes)
    assert.match(answer, new RegExp(`x-onbehalf-error: ${code}\r\n`), name)
    assert.match(answer, /x-onbehalf-request-id: \S+/, name)
  }
  assert.equal(mesh.apps.App.received.length, 0)
})

test('a TLS handshake on a plain listener is answered by nothing that could be taken for success', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const answer = await sendRaw(mesh.sidecars.App.inbound, '\x16\x03\x01\x00\x05hello\r\n\r\n')
  assert.doesNotMatch(answer, /^HTTP\/1\.1 2/)
})

const ambiguousPaths = [
  '/public/%2e%2e/admin',
  '/public/..%2fadmin',
  '/public/%252e%252e/admin',
  '/a\\b',
  '/public/..;/admin',
]

test('a path that can be read in two ways is refused, but only where a route reads it', async (t) => {
  const routes = { App: { prefix: '/public' } }
  const reading = await startMesh(t, { run: ['App'], routes })
  const passing = await startMesh(t, { run: ['App'] })
  for (const target of ambiguousPaths) {
    const refused = await send({
      port: reading.sidecars.App.inbound,
      target,
      headers: await asAlice(reading),
    })
    assert.deepEqual([refused.status, refused.code], [400, 'request_ambiguous'], target)
    const passed = await send({ port: passing.sidecars.App.inbound, target, headers: await asAlice(passing) })
    assert.equal(passed.status, 200, target)
    assert.equal(passing.apps.App.received.at(-1)?.url, target)
  }
})

test('a path that no route of the audience takes is route_not_found', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], routes: { App: { prefix: '/public/' } } })
  const answer = await send({
    port: mesh.sidecars.App.inbound,
    target: '/private',
    headers: await asAlice(mesh),
  })
  assert.deepEqual([answer.status, answer.code], [404, 'route_not_found'])
})

for (const [name, headers] of [
  ['by its length', (length: number) => ['Content-Length', String(length)]],
  ['by its chunks', () => ['Transfer-Encoding', 'chunked']],
] as const) {
  test(`a body that is too large is refused ${name}`, async (t) => {
    const mesh = await startMesh(t, { run: ['App'], settings: { limits: { body_bytes: '1KiB' } } })
    const token = await mesh.pomerium.assertion('alice', hosts.App)
    const lines = ['Host: a', 'Connection: close', `${assertionName}: ${token}`, headers(2_000).join(': ')]
    const head = ['POST / HTTP/1.1', ...lines].join('\r\n')
    const body = name === 'by its length' ? 'x'.repeat(2_000) : `7d0\r\n${'x'.repeat(2_000)}\r\n0\r\n\r\n`
    const answer = await sendRaw(mesh.sidecars.App.inbound, `${head}\r\n\r\n${body}`)
    assert.match(answer, /^HTTP\/1\.1 413 [^]*x-onbehalf-error: body_too_large/)
    assert.equal(mesh.apps.App.received.length, 0)
  })
}

test('beyond limits.concurrent_requests a request is overloaded, and afterwards served again', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { limits: { concurrent_requests: 1 } } })
  const arrived = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  mesh.apps.App.handler = async (_request, response) => {
    arrived.resolve()
    await release.promise
    response.end()
  }
  const port = mesh.sidecars.App.inbound
  const first = send({ port, headers: await asAlice(mesh) })
  await arrived.promise
  const second = await send({ port, headers: await asAlice(mesh) })
  assert.deepEqual([second.status, second.code], [503, 'overloaded'])
  release.resolve()
  assert.equal((await first).status, 200)
  assert.equal((await send({ port, headers: await asAlice(mesh) })).status, 200)
})

test('when sessions under way fill their memory, a request is session_unavailable', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { limits: { session_bytes: '5KiB' } } })
  const arrived = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  mesh.apps.App.handler = async (_request, response) => {
    arrived.resolve()
    await release.promise
    response.end()
  }
  const port = mesh.sidecars.App.inbound
  const first = send({ port, headers: await asAlice(mesh) })
  await arrived.promise
  const second = await send({ port, headers: await asAlice(mesh) })
  assert.deepEqual([second.status, second.code], [503, 'session_unavailable'])
  release.resolve()
  assert.equal((await first).status, 200)
})

/** A server that does with each connection what the test says. */
async function misbehaving(
  onConnection: (socket: Socket) => void,
): Promise<{ port: number; close: () => void }> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    onConnection(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = () => {
    server.close()
    for (const socket of sockets) socket.destroy()
  }
  return { port: (server.address() as { port: number }).port, close }
}

const upstreams: [code: string, status: number, name: string, onConnection: (socket: Socket) => void][] = [
  ['upstream_reset', 502, 'ends the connection', (socket) => socket.once('data', () => socket.destroy())],
  [
    'upstream_invalid',
    502,
    'answers in no HTTP',
    (socket) => socket.once('data', () => socket.end('hello\r\n\r\n')),
  ],
  [
    'upstream_invalid',
    502,
    'switches protocols unasked',
    (socket) =>
      socket.once('data', () =>
        socket.write('HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'),
      ),
  ],
  ['upstream_timeout', 504, 'never answers', () => undefined],
]

for (const [code, status, name, onConnection] of upstreams) {
  test(`an app that ${name} is ${code}`, async (t) => {
    const upstream = await misbehaving(onConnection)
    t.after(() => upstream.close())
    const services = { App: { app: `http://127.0.0.1:${upstream.port}` } }
    const mesh = await startMesh(t, { run: ['App'], services, settings: { timeouts: { response: '300ms' } } })
    const answer = await send({
      port: mesh.sidecars.App.inbound,
      method: 'POST',
      body: 'x',
      headers: await asAlice(mesh),
    })
    assert.deepEqual([answer.status, answer.code], [status, code])
  })
}

test('an app that is silent for timeouts.idle is upstream_timeout, and not a connection that ends', async (t) => {
  const upstream = await misbehaving(() => undefined)
  t.after(() => upstream.close())
  const services = { App: { app: `http://127.0.0.1:${upstream.port}` } }
  const mesh = await startMesh(t, { run: ['App'], services, settings: { timeouts: { idle: '300ms' } } })
  const answer = await send({ port: mesh.sidecars.App.inbound, headers: await asAlice(mesh) })
  assert.deepEqual([answer.status, answer.code], [504, 'upstream_timeout'])
})

test('an app that stops reading is upstream_timeout, though the body is not all there', async (t) => {
  const upstream = await misbehaving((socket) => socket.pause())
  t.after(() => upstream.close())
  const services = { App: { app: `http://127.0.0.1:${upstream.port}` } }
  const mesh = await startMesh(t, { run: ['App'], services, settings: { timeouts: { idle: '500ms' } } })
  const body = 'x'.repeat(16 * 1024 * 1024)
  const headers = await asAlice(mesh)
  const answer = await send({ port: mesh.sidecars.App.inbound, method: 'POST', headers, body })
  assert.deepEqual([answer.status, answer.code], [504, 'upstream_timeout'])
})

test('a body that stops coming is refused with its code, and aborted at the app', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { timeouts: { idle: '300ms' } } })
  const outcome = Promise.withResolvers<string>()
  mesh.apps.App.handler = (request) => {
    request.once('end', () => outcome.resolve('ended'))
    request.once('error', () => outcome.resolve('aborted'))
    request.resume()
  }
  const identity = (await asAlice(mesh)).join(': ')
  const answer = await sendRaw(
    mesh.sidecars.App.inbound,
    `POST / HTTP/1.1\r\nHost: a\r\n${identity}\r\nContent-Length: 100\r\n\r\nhalf`,
  )
  assert.match(answer, /^HTTP\/1\.1 400 [^]*x-onbehalf-error: request_malformed\r\n[^]*timeouts\.idle/)
  assert.equal(await outcome.promise, 'aborted')
})

/** Keeps the process, and so the sidecar in it, from whatever else it has to do. */
function standStill(durationMs: number): void {
  const endMs = performance.now() + durationMs
  while (performance.now() < endMs);
}

test('a sidecar that stood still takes nobody for silent whom it has not heard yet', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { timeouts: { idle: '300ms' } } })
  const begun = Promise.withResolvers<void>()
  mesh.apps.App.handler = async (request, response) => {
    begun.resolve()
    response.end(await text(request))
  }
  const identity = (await asAlice(mesh)).join(': ')
  const client = connect(mesh.sidecars.App.inbound, '127.0.0.1').setEncoding('latin1')
  t.after(() => client.destroy())
  await once(client, 'connect')
  // Accepted, and not yet read.
  await new Promise(setImmediate)
  client.write(
    `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${identity}\r\nContent-Length: 10\r\n\r\nhello`,
  )
  standStill(400)
  await begun.promise
  client.write('world')
  standStill(400)
  assert.match(await text(client), /^HTTP\/1\.1 200 [^]*helloworld/)
})

test('nor an app for late that was connected meanwhile', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { timeouts: { connect: '150ms' } } })
  const headers = await asAlice(mesh)
  let isOver = false
  // Whatever is begun in one turn has stood still for longer when the next one looks.
  const again = () => {
    if (isOver) return
    standStill(200)
    setImmediate(again)
  }
  again()
  const answer = await send({ port: mesh.sidecars.App.inbound, headers })
  isOver = true
  assert.equal(answer.status, 200, answer.body)
})

test('nor in HTTP/2, neither a client nor an app', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { timeouts: { idle: '300ms' } } })
  const app = createHttp2Server().on('stream', (stream: ServerHttp2Stream) => {
    stream.respond({ ':status': 200 })
    stream.on('data', (part) => {
      stream.write(part)
      // Its answer is on its way, and not yet read.
      setImmediate(() => standStill(400))
    })
    stream.on('end', () => stream.end())
  })
  app.listen(0, '127.0.0.1')
  await once(app, 'listening')
  t.after(() => app.close())
  await mesh.writeMeshFile(({ services }) => {
    Object.assign(services['App'] ?? {}, { app: `h2c://127.0.0.1:${(app.address() as AddressInfo).port}` })
  })
  await mesh.sidecars.App.sidecar.reload('the test says so')
  const session = connectHttp2(`http://127.0.0.1:${mesh.sidecars.App.inbound}`)
  t.after(() => session.destroy())
  const [name = '', value = ''] = await asAlice(mesh)
  const stream = session.request({ ':method': 'POST', ':path': '/', [name]: value }, { endStream: false })
  stream.setEncoding('utf8').write('hello')
  const parts = stream[Symbol.asyncIterator]()
  assert.equal((await parts.next()).value, 'hello')
  stream.end('world')
  assert.equal((await parts.next()).value, 'world')
  assert.equal((await parts.next()).done, true)
  assert.equal(stream.rstCode, 0)
})

test('an app that is not there is upstream_refused', async (t) => {
  const [port] = await freePorts(1)
  const mesh = await startMesh(t, { run: ['App'], services: { App: { app: `http://127.0.0.1:${port}` } } })
  const answer = await send({ port: mesh.sidecars.App.inbound, headers: await asAlice(mesh) })
  assert.deepEqual([answer.status, answer.code], [502, 'upstream_refused'])
})

test('an answer that breaks off breaks off for the client too', async (t) => {
  const upstream = await misbehaving((socket) =>
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf')
      setImmediate(() => socket.destroy())
    }),
  )
  t.after(() => upstream.close())
  const services = { App: { app: `http://127.0.0.1:${upstream.port}` } }
  const mesh = await startMesh(t, { run: ['App'], services })
  await assert.rejects(send({ port: mesh.sidecars.App.inbound, headers: await asAlice(mesh) }))
})
