// The attacker leaves at the worst moment, thousands of times, and wants the sidecar to keep what it held for him.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { send } from '../support/client.ts'
import { hosts, startMesh, type MeshOptions, type TestMesh } from '../support/mesh.ts'
import {
  activeInbound,
  asUser,
  closed,
  gauge,
  open,
  socketCount,
  startRaw,
  until,
  untilIdle,
  assertServes,
} from './attack.ts'

/** Each answer of the app closes its connection, so that sockets can be counted. */
async function startWithoutReuse(t: TestContext, options: MeshOptions = {}): Promise<TestMesh> {
  const mesh = await startMesh(t, { run: ['App', 'API'], ...options })
  for (const app of [mesh.apps.App, mesh.apps.API]) {
    app.handler = (request, response) => {
      response.shouldKeepAlive = false
      request.resume().once('end', () => response.end('x'.repeat(50_000)))
    }
  }
  return mesh
}

async function abortMany(port: number, count: number, head: string): Promise<void> {
  const requests = [
    `GET / HTTP/1.1\r\n${head}\r\n\r\n`,
    `POST / HTTP/1.1\r\n${head}\r\nContent-Length: 100000\r\n\r\nhalf`,
    `POST / HTTP/1.1\r\n${head}\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\nhalf`,
    `GET / HTTP/1.1\r\n${head}\r\n\r\n`.repeat(5),
  ]
  for (let done = 0; done < count; done += 40) {
    await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        const socket = await open(port)
        const end = () => (i % 2 === 0 ? socket.resetAndDestroy() : socket.destroy())
        socket.write(requests[i % requests.length] ?? '', () => (i % 3 === 0 ? end() : setImmediate(end)))
        if (i % 5 === 0) socket.once('data', end)
        await closed(socket)
      }),
    )
  }
}

async function untilSocketsAre(count: number): Promise<void> {
  await until(`there are ${count} sockets as before`, async () => {
    await new Promise((resolve) => setImmediate(resolve))
    return socketCount() <= count
  })
}

test('2,000 requests that their clients leave hold nothing: no request, no session, no socket', async (t) => {
  const mesh = await startWithoutReuse(t)
  await assertServes(mesh)
  const before = socketCount()
  const [name, token] = await asUser(mesh, 'alice')
  await abortMany(mesh.sidecars.App.inbound, 2_000, `Host: a\r\n${name}: ${token}`)
  await untilIdle(mesh.sidecars.App)
  await untilSocketsAre(before)
  await assertServes(mesh)
})

test('1,000 calls that the app leaves hold nothing, on either side', async (t) => {
  const mesh = await startWithoutReuse(t)
  await assertServes(mesh)
  await abortMany(mesh.sidecars.App.outbound, 1_000, `Host: ${hosts.API}`)
  for (const sidecar of [mesh.sidecars.App, mesh.sidecars.API]) await untilIdle(sidecar)
  assert.equal((await send({ port: mesh.sidecars.App.outbound, host: hosts.API })).status, 200)
})

test('300 tunnels that the app leaves hold no socket', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { egress: { local: 'allow' } } })
  const upstream = await startRaw(t, (socket) => socket.resume())
  await assertServes(mesh)
  const before = socketCount()
  const connectTo = `CONNECT 127.0.0.1:${upstream} HTTP/1.1\r\nHost: x\r\n\r\n`
  for (let i = 0; i < 300; i++) {
    const socket = await open(mesh.sidecars.App.outbound)
    if (i % 3 === 0) socket.once('data', () => socket.end())
    else if (i % 3 === 1) socket.once('data', () => socket.resetAndDestroy())
    socket.write(connectTo, () => (i % 3 === 2 ? socket.resetAndDestroy() : undefined))
    await closed(socket)
  }
  await untilSocketsAre(before)
})

/** An issuer whose keys come only when the test says so. */
async function startSlowIssuer(t: TestContext) {
  const waiting: (() => void)[] = []
  const state = { isSlow: false, jwks: '{"keys":[]}' }
  const server = createServer((_request, response) => {
    const answer = () => response.end(state.jwks)
    if (state.isSlow) waiting.push(answer)
    else answer()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const release = () => {
    for (const answer of waiting.splice(0)) answer()
  }
  return { state, url, waiting, release }
}

for (const body of ['', 'x'.repeat(200_000)]) {
  test(`a client that leaves while keys are fetched for its token holds nothing (answer of ${body.length} octets)`, async (t) => {
    const issuer = await startSlowIssuer(t)
    let offsetMs = 0
    const options: MeshOptions = { run: ['App'], issuer: { jwks: issuer.url }, clockOffsetMs: () => offsetMs }
    const mesh = await startMesh(t, options)
    mesh.apps.App.handler = (_request, response) => void response.end(body)
    issuer.state.jwks = JSON.stringify({ keys: [mesh.pomerium.signingKey().jwk] })
    issuer.state.isSlow = true
    offsetMs = 6_000
    const [name, token] = await asUser(mesh, 'alice')
    const { App } = mesh.sidecars
    const sockets = await Promise.all(Array.from({ length: 5 }, () => open(App.inbound)))
    for (const socket of sockets) socket.write(`GET / HTTP/1.1\r\nHost: a\r\n${name}: ${token}\r\n\r\n`)
    await until('all requests wait for keys', async () => (await gauge(App, activeInbound)) === 5)
    await until('the issuer is asked', () => issuer.waiting.length === 1)
    for (const socket of sockets) socket.resetAndDestroy()
    await Promise.all(sockets.map((socket) => closed(socket)))
    issuer.state.isSlow = false
    issuer.release()
    await untilIdle(App)
  })
}
