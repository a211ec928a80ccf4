// The attacker owns an upstream and a client: the one sends interim answers without end, the other never reads, and he wants the memory full.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { usedBytes, usedBytesOnceBelow } from '../support/memory.ts'
import { startMesh } from '../support/mesh.ts'
import { asUser, open, startRaw, until } from './attack.ts'

test('interim answers without end do not fill the memory for a client that does not read', async (t) => {
  let sent = 0
  const hint = `HTTP/1.1 103 Early Hints\r\nLink: <${'x'.repeat(4_000)}>\r\n\r\n`
  const port = await startRaw(t, (socket) => {
    const pour = () => {
      while (sent < 64 * 1024 * 1024) {
        sent += hint.length
        if (!socket.write(hint)) return
      }
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    }
    socket.once('data', pour).on('drain', pour)
  })
  const mesh = await startMesh(t, { run: ['App'], services: { App: { app: `http://127.0.0.1:${port}` } } })
  const [name, token] = await asUser(mesh, 'alice')
  const socket = await open(mesh.sidecars.App.inbound)
  socket.pause()
  const before = await usedBytes()
  socket.write(`GET / HTTP/1.1\r\nHost: a\r\n${name}: ${token}\r\n\r\n`)
  await until('all were sent', () => sent >= 64 * 1024 * 1024)
  const bound = 16 * 1024 * 1024
  const grown = (await usedBytesOnceBelow(before + bound)) - before
  assert.ok(grown < bound, `${grown} bytes`)
  socket.destroy()
})
