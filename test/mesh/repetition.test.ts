// A request that was not answered is sent again where that is safe, and nowhere else.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { freePorts } from '../../deploy/demo/ports.ts'
import { assertionName } from '../attacks/attack.ts'
import { startApp } from '../support/app.ts'
import { send } from '../support/client.ts'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'

/** An app of raw connections: says what it does with the request that comes as the nth on a connection. */
async function startUnsteady(t: TestContext, onRequest: (socket: Socket, nth: number, text: string) => void) {
  const requests: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    let nth = 0
    socket.setEncoding('latin1').on('error', () => socket.destroy())
    socket.on('data', (text: string) => {
      requests.push(text)
      onRequest(socket, ++nth, text)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return { port: (server.address() as AddressInfo).port, requests }
}

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

async function startBefore(t: TestContext, port: number): Promise<TestMesh> {
  return startMesh(t, { run: ['App'], services: { App: { app: `http://127.0.0.1:${port}` } } })
}

async function ask(mesh: TestMesh, method: string, body?: string) {
  const headers = [assertionName, await mesh.pomerium.assertion('alice', hosts.App)]
  const { inbound } = mesh.sidecars.App
  const answer = await send({ port: inbound, method, headers, ...(body !== undefined && { body }) })
  return [answer.status, answer.code]
}

/** The first request of a connection is answered, the second ends it unanswered. */
const endsTheSecond = (socket: Socket, nth: number) =>
  nth === 1 ? socket.write(ok) : socket.resetAndDestroy()

for (const [method, body] of [
  ['GET', undefined],
  ['HEAD', undefined],
  ['OPTIONS', undefined],
  ['DELETE', undefined],
  ['PUT', 'a small body'],
  ['DELETE', 'a small body'],
] as const) {
  test(`${method}${body === undefined ? '' : ' with a body'} on a connection that has ended is sent once more`, async (t) => {
    const app = await startUnsteady(t, endsTheSecond)
    const mesh = await startBefore(t, app.port)
    assert.deepEqual(await ask(mesh, 'GET'), [200, ''])
    assert.deepEqual(await ask(mesh, method, body), [200, ''])
    assert.equal(app.requests.length, 3)
    if (body !== undefined)
      for (const text of app.requests.slice(1)) assert.ok(text.endsWith(`\r\n\r\n${body}`))
    const metrics = await send({ port: mesh.sidecars.App.probes, target: '/metrics' })
    assert.match(metrics.body, /^onbehalf_repeated_requests_total\{direction="inbound",route="App"\} 1$/m)
  })
}

for (const method of ['POST', 'PATCH']) {
  test(`${method} on a connection that has ended is not: it may have been carried out`, async (t) => {
    const app = await startUnsteady(t, endsTheSecond)
    const mesh = await startBefore(t, app.port)
    assert.deepEqual(await ask(mesh, 'GET'), [200, ''])
    assert.deepEqual(await ask(mesh, method, 'x'), [502, 'upstream_reset'])
    assert.equal(app.requests.length, 2)
  })
}

test('a body of which more was sent than is kept goes once', async (t) => {
  let puts = 0
  const app = await startUnsteady(t, (socket, nth, text) => {
    if (nth === 1 && text.startsWith('GET')) socket.write(ok)
    else if (text.startsWith('PUT')) puts++
    else if (text.endsWith('end')) socket.resetAndDestroy()
  })
  const mesh = await startBefore(t, app.port)
  assert.deepEqual(await ask(mesh, 'GET'), [200, ''])
  assert.deepEqual(await ask(mesh, 'PUT', `${'x'.repeat(100_000)}end`), [502, 'upstream_reset'])
  assert.equal(puts, 1)
})

test('a new connection that ends unanswered is tried twice more, and then no more', async (t) => {
  const app = await startUnsteady(t, (socket) => socket.resetAndDestroy())
  const mesh = await startBefore(t, app.port)
  assert.deepEqual(await ask(mesh, 'GET'), [502, 'upstream_reset'])
  assert.equal(app.requests.length, 3)
})

test('an answer that has begun is not asked for again', async (t) => {
  const app = await startUnsteady(t, (socket) =>
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf', () => socket.resetAndDestroy()),
  )
  const mesh = await startBefore(t, app.port)
  await assert.rejects(ask(mesh, 'GET'))
  assert.equal(app.requests.length, 1)
})

for (const method of ['GET', 'POST']) {
  test(`a ${method} that comes while the app starts again waits for it`, async (t) => {
    const [port = 0] = await freePorts(1)
    const mesh = await startBefore(t, port)
    const answer = ask(mesh, method, method === 'POST' ? 'x' : undefined)
    const started = new Promise((resolve) => setTimeout(resolve, 200)).then(() => startApp(undefined, port))
    const app = await started
    t.after(() => app.close())
    assert.deepEqual(await answer, [200, ''])
    assert.deepEqual(
      app.received.map(({ body }) => body),
      [method === 'POST' ? 'x' : ''],
    )
  })
}

test('a host that no route names is not waited for', async (t) => {
  const [port = 0] = await freePorts(1)
  const mesh = await startMesh(t, { run: ['App'], settings: { egress: { local: 'allow' } } })
  const { outbound, probes } = mesh.sidecars.App
  const answer = await send({ port: outbound, host: `127.0.0.1:${port}` })
  assert.deepEqual([answer.status, answer.code], [502, 'upstream_refused'])
  const metrics = await send({ port: probes, target: '/metrics' })
  assert.doesNotMatch(metrics.body, /^onbehalf_repeated_requests_total\{/m)
})

test('a request is sent again twice, however many kept connections have ended', async (t) => {
  let poisoned = 0
  const app = await startUnsteady(t, (socket, _nth, text) => {
    if (!text.includes('/poison')) socket.write(ok)
    else if (++poisoned > 0) socket.resetAndDestroy()
  })
  const mesh = await startBefore(t, app.port)
  await Promise.all(Array.from({ length: 20 }, () => ask(mesh, 'GET')))
  const headers = [assertionName, await mesh.pomerium.assertion('alice', hosts.App)]
  const answer = await send({ port: mesh.sidecars.App.inbound, target: '/poison', headers })
  assert.equal(answer.code, 'upstream_reset')
  assert.equal(poisoned, 3)
  const metrics = await send({ port: mesh.sidecars.App.probes, target: '/metrics' })
  assert.match(metrics.body, /^onbehalf_repeated_requests_total\{direction="inbound",route="App"\} 2$/m)
})

for (const [name, begin] of [
  ['an interim answer', 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'],
  ['a part of a status line', 'HTTP/1.1 20'],
] as const) {
  test(`after ${name} a request is not sent again`, async (t) => {
    const app = await startUnsteady(t, (socket) => {
      socket.write(begin, () => setTimeout(() => socket.resetAndDestroy(), 20))
    })
    const mesh = await startBefore(t, app.port)
    assert.deepEqual(await ask(mesh, 'PUT', 'x'), [502, 'upstream_reset'])
    assert.equal(app.requests.length, 1)
  })
}
