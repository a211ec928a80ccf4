// The attacker has one address, takes every connection or every request that the sidecar has room for, and wants nobody else to be served.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { startMesh, type TestMesh } from '../support/mesh.ts'
import { asUser, closed, until, untilIdle, verdict } from './attack.ts'

const greedy = '127.0.0.1'
const other = '127.0.0.2'

async function openFrom(t: TestContext, port: number, localAddress: string): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', localAddress })
  t.after(() => socket.destroy())
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

/** A request of alice's on a connection that ends with it. @returns its code, or the status line. */
async function askFrom(t: TestContext, mesh: TestMesh, localAddress: string): Promise<string> {
  const socket = await openFrom(t, mesh.sidecars.App.inbound, localAddress)
  let answer = ''
  socket.setEncoding('latin1').on('data', (part: string) => (answer += part))
  const [name, token] = await asUser(mesh, 'alice')
  socket.write(`GET / HTTP/1.1\r\nHost: a\r\n${name}: ${token}\r\nConnection: close\r\n\r\n`)
  await closed(socket)
  return verdict(answer)
}

/** The sidecar may hear a moment later than we that a connection is gone. */
async function untilServed(t: TestContext, mesh: TestMesh): Promise<void> {
  await until('another is served', async () => (await askFrom(t, mesh, other)) === 'HTTP/1.1 200 OK')
}

test('where one address holds every connection, another is served', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { limits: { connections: 20 } } })
  const held = Array.from({ length: 20 }, () => openFrom(t, mesh.sidecars.App.inbound, greedy))
  await Promise.all(held)
  assert.equal(await askFrom(t, mesh, greedy), 'overloaded')
  for (let i = 0; i < 5; i++) await untilServed(t, mesh)
  assert.equal(await askFrom(t, mesh, greedy), 'overloaded')
})

test('where one address has every request under way, another is served', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { limits: { concurrent_requests: 20 } } })
  let underWay = 0
  mesh.apps.App.handler = ({ url }, response) => {
    if (url === '/never') underWay++
    else response.end()
  }
  const [name, token] = await asUser(mesh, 'alice')
  const sockets: Socket[] = []
  for (let i = 0; i < 20; i++) {
    const socket = await openFrom(t, mesh.sidecars.App.inbound, greedy)
    socket.write(`GET /never HTTP/1.1\r\nHost: a\r\n${name}: ${token}\r\n\r\n`)
    sockets.push(socket)
  }
  await until('all of them are under way', () => underWay === 20)
  assert.equal(await askFrom(t, mesh, greedy), 'overloaded')
  for (let i = 0; i < 5; i++) await untilServed(t, mesh)
  assert.equal(await askFrom(t, mesh, greedy), 'overloaded')
  for (const socket of sockets) socket.destroy()
  await untilIdle(mesh.sidecars.App)
})
