// The attacker sends requests behind a slow one, and wants those that wait for their turn to shut others out, or never to end.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { send } from '../support/client.ts'
import { startMesh } from '../support/mesh.ts'
import { asUser, closed, open, untilIdle } from './attack.ts'

test('a client that leaves while more of its requests wait than are read leaves nothing under way', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const [name, token] = await asUser(mesh, 'alice')
  const never = `GET /never HTTP/1.1\r\nHost: a\r\n${name}: ${token}\r\n\r\n`
  for (const end of ['destroy', 'resetAndDestroy'] as const) {
    const asked = Promise.withResolvers<void>()
    mesh.apps.App.handler = () => asked.resolve()
    const socket = await open(mesh.sidecars.App.inbound)
    socket.write(never.repeat(100))
    await asked.promise
    socket[end]()
    await untilIdle(mesh.sidecars.App)
  }
})

test('one connection holds one of limits.concurrent_requests, however many requests wait on it', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { limits: { concurrent_requests: 2 } } })
  const asked = Promise.withResolvers<void>()
  mesh.apps.App.handler = ({ url }, response) => {
    if (url === '/never') asked.resolve()
    else response.end('ok')
  }
  const [name, token] = await asUser(mesh, 'alice')
  const socket = await open(mesh.sidecars.App.inbound)
  socket.write(`GET /never HTTP/1.1\r\nHost: a\r\n${name}: ${token}\r\n\r\n`.repeat(20))
  await asked.promise
  for (let i = 0; i < 5; i++) {
    const headers = await asUser(mesh, 'bob')
    assert.equal((await send({ port: mesh.sidecars.App.inbound, headers })).status, 200)
  }
  socket.destroy()
  await untilIdle(mesh.sidecars.App)
})

test('a sidecar that stops waits for the request under way, and for none behind it', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const asked = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<void>()
  const seen: (string | undefined)[] = []
  mesh.apps.App.handler = async ({ url }, response) => {
    seen.push(url)
    asked.resolve()
    await answer.promise
    response.end('ok')
  }
  const [name, token] = await asUser(mesh, 'alice')
  const socket = await open(mesh.sidecars.App.inbound)
  let got = ''
  socket.setEncoding('latin1').on('data', (part: string) => (got += part))
  const numbered = (i: number) => `GET /${i} HTTP/1.1\r\nHost: a\r\n${name}: ${token}\r\n\r\n`
  socket.write([1, 2, 3, 4].map(numbered).join(''))
  await asked.promise
  const stopped = mesh.sidecars.App.sidecar.stop()
  answer.resolve()
  await stopped
  await closed(socket)
  assert.deepEqual(seen, ['/1'])
  assert.match(got, /^HTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n[^]*ok$/)
})
