// What one client connection can do: how many there may be, in which order they are served, and how they end.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { text } from 'node:stream/consumers'
import { asUser, closed, open, speak, until } from '../attacks/attack.ts'
import { send } from '../support/client.ts'
import { hosts, startMesh } from '../support/mesh.ts'

test('a connection beyond limits.connections is answered overloaded, and when one has ended there is room', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { limits: { connections: 2 } } })
  const { inbound, probes } = mesh.sidecars.App
  const [first] = [await open(inbound), await open(inbound)]
  const answer = await speak(inbound, '')
  assert.match(answer, /^HTTP\/1\.1 503 [^]*x-onbehalf-error: overloaded\r\n[^]*Retry-After: 1\r\n/)
  const metrics = await send({ port: probes, target: '/metrics' })
  assert.match(
    metrics.body,
    /^onbehalf_unreadable_requests_total\{direction="inbound",code="overloaded"\} 1$/m,
  )
  first.destroy()
  const headers = await asUser(mesh, 'alice')
  await until('there is room', async () => {
    const now = await send({ port: inbound, headers })
    return now.status === 200
  })
})

test('requests on one connection are carried out one after the other, also those whose bodies are refused', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const order: string[] = []
  mesh.apps.App.handler = async (request, response) => {
    order.push(`begin ${request.url}`)
    const body = await text(request)
    await new Promise((resolve) => setImmediate(resolve))
    order.push(`end ${request.url}`)
    response.end(body)
  }
  const [name, token] = await asUser(mesh, 'alice')
  const identity = `Host: a\r\n${name}: ${token}\r\n`
  const answers = await speak(
    mesh.sidecars.App.inbound,
    [
      `POST /1 HTTP/1.1\r\n${identity}Content-Length: 3\r\n\r\none`,
      `POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\ntwo`,
      `GET /3 HTTP/1.1\r\n${identity}\r\n`,
      `PUT /4 HTTP/1.1\r\n${identity}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n4\r\nfour\r\n0\r\n\r\n`,
    ].join(''),
  )
  assert.deepEqual(order, ['begin /1', 'end /1', 'begin /3', 'end /3', 'begin /4', 'end /4'])
  assert.deepEqual(answers.match(/HTTP\/1\.1 \d+/g), [
    'HTTP/1.1 200',
    'HTTP/1.1 401',
    'HTTP/1.1 200',
    'HTTP/1.1 200',
  ])
})

test('who sends a large body that is refused gets the answer, and no reset before it', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  for (let round = 0; round < 20; round++) {
    const socket = connect(mesh.sidecars.App.inbound, '127.0.0.1')
    let answer = ''
    socket.setEncoding('latin1').on('data', (part: string) => (answer += part))
    const failed = Promise.withResolvers<Error>()
    socket.once('error', failed.resolve)
    const size = 1_000_000
    socket.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${2 * size}\r\n\r\n`)
    socket.write(Buffer.alloc(size))
    const ended = once(socket, 'end')
    assert.equal(await Promise.race([ended.then(() => 'ended'), failed.promise]), 'ended')
    assert.match(answer, /x-onbehalf-error: assertion_missing/)
    socket.destroy()
    await closed(socket)
  }
})

test('Expect: 100-continue is answered when the request is permitted, and not before', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const [name, token] = await asUser(mesh, 'alice')
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n'
  const refused = await speak(mesh.sidecars.App.inbound, `${head}\r\n`)
  assert.match(refused, /^HTTP\/1\.1 401 /)
  const socket = await open(mesh.sidecars.App.inbound)
  socket.setEncoding('latin1').write(`${head}${name}: ${token}\r\nConnection: close\r\n\r\n`)
  const [interim] = (await once(socket, 'data')) as [string]
  assert.equal(interim, 'HTTP/1.1 100 Continue\r\n\r\n')
  assert.equal(mesh.apps.App.received.length, 0)
  socket.write('hello')
  const [answer] = (await once(socket, 'data')) as [string]
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/)
  assert.equal(mesh.apps.App.received[0]?.body, 'hello')
  assert.ok(!mesh.apps.App.received[0]?.rawHeaders.some((each) => each.toLowerCase() === 'expect'))
})

test('what has passed a sidecar before is refused with 421, and names no other sidecar', async (t) => {
  const mesh = await startMesh(t)
  const ask = async (more: readonly string[] = []) =>
    send({ port: mesh.sidecars.App.inbound, headers: [...(await asUser(mesh, 'alice')), ...more] })
  assert.equal((await ask()).status, 200)
  const via = String(mesh.apps.App.received[0]?.headers['via'])
  assert.match(via, /^1\.1 onbehalf-[0-9a-f]{8}$/)
  const again = await ask(['Via', via])
  assert.deepEqual([again.status, again.code], [421, 'route_not_found'])
  // An app that is a proxy itself takes Via along: its call passes the other side of the same sidecar.
  assert.equal((await ask()).status, 200)
  const handle = String(mesh.apps.App.received.at(-1)?.headers['x-onbehalf-handle'])
  const called = await send({
    port: mesh.sidecars.App.outbound,
    host: hosts.API,
    headers: ['Via', via, 'x-onbehalf-handle', handle],
  })
  assert.equal(called.status, 200)
  assert.equal(String(mesh.apps.API.received[0]?.headers['via']).split(', ').length, 3)
})
