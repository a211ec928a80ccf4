// The attacker wants the sidecar to die of a connection that is reset just as it is answered.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { send } from '../support/client.ts'
import { startMesh } from '../support/mesh.ts'
import { closed, open, untilIdle } from './attack.ts'

const listeners = ['inbound', 'outbound', 'admin', 'probes'] as const

const endings: [name: string, bytes: string][] = [
  ['CONNECT', 'CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n'],
  ['CONNECT with something behind it', `CONNECT a.test:443 HTTP/1.1\r\nHost: a\r\n\r\n${'x'.repeat(4_096)}`],
  ['CONNECT to nowhere', 'CONNECT nonsense HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['what is no request', 'hello\r\n\r\n'],
  ['headers that are too large', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(60_000)}\r\n\r\n`],
  ['half a request', 'GET / HTTP/1.1\r\nHost: a\r\nX-Pome'],
  ['a request', 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n'],
  ['two requests', 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n'.repeat(2)],
  ['a body that breaks off', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf'],
  ['chunks that break off', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf'],
  ['an upgrade', 'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n'],
  ['an expectation', 'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n'],
  ['an expectation that is none', 'POST / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n'],
  ['a TLS handshake', '\x16\x03\x01\x00\x05hello'],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
]

async function resetBehind(bytes: string, port: number): Promise<void> {
  const socket = await open(port)
  socket.write(bytes, 'latin1', () => socket.resetAndDestroy())
  await closed(socket)
}

for (const listener of listeners) {
  test(`the ${listener} listener survives connections that are reset behind their first bytes`, async (t) => {
    const mesh = await startMesh(t, { run: ['App'] })
    for (const [name, bytes] of endings) {
      await t.test(name, async () => {
        await Promise.all(Array.from({ length: 30 }, () => resetBehind(bytes, mesh.sidecars.App[listener])))
        assert.equal((await send({ port: mesh.sidecars.App.probes, target: '/livez' })).status, 200)
      })
    }
    await untilIdle(mesh.sidecars.App)
  })
}
