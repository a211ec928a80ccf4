// The attacker sends what is too slow, too much or without end, and wants the sidecar to wait for it, or to hold it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { usedBytes, usedBytesOnceBelow } from '../support/memory.ts'
import { startMesh } from '../support/mesh.ts'
import { assertionName, asUser, closed, open, speak, untilIdle, verdict, assertServes } from './attack.ts'

test('headers that never end are cut off in time', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { timeouts: { headers: '1s', drain: '1s' } } })
  const sockets = await Promise.all(Array.from({ length: 20 }, () => open(mesh.sidecars.App.inbound)))
  for (const socket of sockets) socket.write('GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ')
  await assertServes(mesh)
  for (const socket of sockets) socket.resume()
  await Promise.all(sockets.map((socket) => closed(socket, 'with half a header section')))
  await untilIdle(mesh.sidecars.App)
})

test('an idle connection, or a body that stops coming, is cut off in time', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { timeouts: { idle: '1s', drain: '1s' } } })
  const [name, token] = await asUser(mesh, 'alice')
  const head = `POST / HTTP/1.1\r\nHost: a\r\n${name}: ${token}`
  const beginnings = [
    '',
    `${head}\r\nContent-Length: 10\r\n\r\nhalf`,
    `${head}\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n`,
  ]
  for (const bytes of beginnings) {
    const socket = await open(mesh.sidecars.App.inbound)
    socket.resume().write(bytes)
    await closed(socket, 'though nothing comes any more')
  }
  await untilIdle(mesh.sidecars.App)
})

const endless: [name: string, framing: string, bytes: string][] = [
  ['a body beyond its limit', 'Transfer-Encoding: chunked', `10000\r\n${'x'.repeat(65_536)}\r\n`],
  ['a chunk of 2^64 - 1 octets', 'Transfer-Encoding: chunked', `ffffffffffffffff\r\n${'x'.repeat(65_536)}`],
  ['a chunk extension', 'Transfer-Encoding: chunked', `5;${'x'.repeat(65_536)}`],
  ['trailers', 'Transfer-Encoding: chunked', `0\r\nX: ${'x'.repeat(65_536)}`],
  ['a length of 2^64 - 1', 'Content-Length: 18446744073709551615', 'x'.repeat(65_536)],
]
for (const [name, framing, bytes] of endless) {
  test(`${name} without end ends where the limit is`, async (t) => {
    const settings = { limits: { body_bytes: '256KiB' } }
    const mesh = await startMesh(t, { run: ['App'], settings })
    const [header, token] = await asUser(mesh, 'alice')
    const socket = await open(mesh.sidecars.App.inbound)
    let answer = ''
    socket.setEncoding('latin1').on('data', (part: string) => (answer += part))
    socket.write(`POST / HTTP/1.1\r\nHost: a\r\n${header}: ${token}\r\n${framing}\r\n\r\n`)
    const more = () => {
      if (!socket.destroyed) socket.write(bytes, () => setImmediate(more))
    }
    more()
    await closed(socket, 'with a body without end')
    assert.match(verdict(answer), /^(body_too_large|request_malformed|headers_too_large|)$/)
    assert.equal(mesh.apps.App.received.length, 0)
    await untilIdle(mesh.sidecars.App)
    await assertServes(mesh)
  })
}

test('without a limit, a body without end is streamed and held nowhere, and ends with its client', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const bound = 32 * 1024 * 1024
  const arrived = Promise.withResolvers<void>()
  let octets = 0
  mesh.apps.App.handler = (request) => {
    request.on('data', (part: Buffer) => {
      octets += part.length
      if (octets > 4 * bound) arrived.resolve()
    })
  }
  const [header, token] = await asUser(mesh, 'alice')
  const socket = await open(mesh.sidecars.App.inbound)
  socket.write(`POST / HTTP/1.1\r\nHost: a\r\n${header}: ${token}\r\nTransfer-Encoding: chunked\r\n\r\n`)
  const chunk = Buffer.from(`100000\r\n${'x'.repeat(0x100000)}\r\n`)
  const before = await usedBytes()
  const more = () => {
    if (!socket.destroyed) socket.write(chunk, more)
  }
  more()
  await arrived.promise
  const grown = (await usedBytesOnceBelow(before + bound)) - before
  assert.ok(grown < bound, `${grown} bytes`)
  socket.destroy()
  await untilIdle(mesh.sidecars.App)
})

const bombs: [name: string, lines: string][] = [
  ['5,000 fields', 'X: y\r\n'.repeat(5_000)],
  ['a field of 40 KB', `X: ${'x'.repeat(40_000)}\r\n`],
  ['a name of 40 KB', `${'X'.repeat(40_000)}: y\r\n`],
  ['a target of 40 KB', ''],
  ['200 assertions', `${assertionName}: x\r\n`.repeat(200)],
  ['300 times Connection', 'Connection: a,b,c\r\n'.repeat(300)],
]
for (const [name, lines] of bombs) {
  test(`${name} are refused, and the next request is served`, async (t) => {
    const mesh = await startMesh(t, { run: ['App'] })
    const target = name.startsWith('a target') ? `/${'x'.repeat(40_000)}` : '/'
    const bytes = `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${lines}\r\n`
    for (let i = 0; i < 50; i++)
      assert.equal(verdict(await speak(mesh.sidecars.App.inbound, bytes)), 'headers_too_large')
    await assertServes(mesh)
    await untilIdle(mesh.sidecars.App)
  })
}
