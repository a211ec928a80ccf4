// The attacker sends requests behind each other, and wants those that nobody answers yet to be kept for him.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { usedBytes } from '../support/memory.ts'
import { startMesh, type TestMesh } from '../support/mesh.ts'
import { asUser, assertServes, closed, open, speak, until, untilIdle, verdict } from './attack.ts'

const bare = 'GET / HTTP/1.1\r\n\r\n'

/** Writes until the other side takes no more, though it has ended its own side; keeps the connection. */
async function pour(mesh: TestMesh, first: string): Promise<Socket> {
  const socket = connect({ port: mesh.sidecars.App.inbound, host: '127.0.0.1', allowHalfOpen: true })
  await once(socket, 'connect')
  socket.on('error', () => undefined).resume()
  socket.write(first)
  const chunk = bare.repeat(50_000)
  let stuck = 0
  while (stuck < 200 && !socket.destroyed && socket.bytesWritten < 40_000_000) {
    if (socket.writableLength === 0) {
      socket.write(chunk)
      stuck = 0
    } else stuck++
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return socket
}

test('behind a request that is not answered yet no more than a thousand wait: the connection ends', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const gate = Promise.withResolvers<void>()
  mesh.apps.App.handler = async (_request, response) => {
    await gate.promise
    response.end()
  }
  const [name, token] = await asUser(mesh, 'alice')
  const socket = await open(mesh.sidecars.App.inbound)
  socket.resume()
  socket.write(`GET / HTTP/1.1\r\nHost: a\r\n${name}: ${token}\r\n\r\n${bare.repeat(2_000)}`)
  await closed(socket, 'though 2,000 requests wait on it')
  await untilIdle(mesh.sidecars.App)
  gate.resolve()
  await assertServes(mesh)
})

test('of what comes behind the last answer of a connection nothing is kept', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const before = await usedBytes()
  const socket = await pour(
    mesh,
    'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n',
  )
  const grown = (await usedBytes()) - before
  assert.ok(socket.bytesWritten > 40_000_000)
  assert.ok(grown < 10_000_000, `${grown} bytes`)
  socket.destroy()
  await assertServes(mesh)
})

test('a broken body behind a request under way is refused when that is answered, and holds nothing', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const [name, token] = await asUser(mesh, 'alice')
  const identity = `Host: a\r\n${name}: ${token}\r\n`
  const answers = await speak(
    mesh.sidecars.App.inbound,
    `GET /1 HTTP/1.1\r\n${identity}\r\nPOST /2 HTTP/1.1\r\n${identity}Transfer-Encoding: chunked\r\n\r\nZZ\r\n`,
  )
  assert.deepEqual(answers.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 400'])
  assert.deepEqual(
    mesh.apps.App.received.map(({ url }) => url),
    ['/1'],
  )
  await untilIdle(mesh.sidecars.App)
})

test('a client that leaves in the body of a waiting request leaves nothing under way', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const [name, token] = await asUser(mesh, 'alice')
  const identity = `Host: a\r\n${name}: ${token}\r\n`
  for (let i = 0; i < 20; i++) {
    const socket = await open(mesh.sidecars.App.inbound)
    socket.resume()
    socket.end(
      `GET /1 HTTP/1.1\r\n${identity}\r\nPUT /2 HTTP/1.1\r\n${identity}Content-Length: 10\r\n\r\nhal`,
    )
    await closed(socket)
  }
  await untilIdle(mesh.sidecars.App)
})

test('a refusal of a request without a body leaves the connection open for the next', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const answers = await speak(
    mesh.sidecars.App.inbound,
    `GET / HTTP/1.1\r\nHost: a\r\nVia: 1.1 x\r\nExpect: more\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
  )
  assert.deepEqual(answers.match(/x-onbehalf-error: \S+/g), [
    'x-onbehalf-error: request_malformed',
    'x-onbehalf-error: assertion_missing',
  ])
})

test('who is gone before he is looked at reaches no policy that judges by address', async (t) => {
  const policy = [{ allow: { or: [{ accept: true }] }, deny: { or: [{ source_ip: '127.0.0.1' }] } }]
  const mesh = await startMesh(t, { run: ['App'], routes: { App: { policy } } })
  assert.equal(
    verdict(await speak(mesh.sidecars.App.inbound, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')),
    'assertion_missing',
  )
  for (let i = 0; i < 100; i++) {
    const socket = await open(mesh.sidecars.App.inbound)
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n', () => socket.resetAndDestroy())
    await closed(socket)
  }
  await until('all are over', () => true)
  await untilIdle(mesh.sidecars.App)
  assert.equal(mesh.apps.App.received.length, 0)
})
