// The attacker breaks connections to the app, and wants a request that is sent again to count as none, or as two.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { send } from '../support/client.ts'
import { hosts, startMesh } from '../support/mesh.ts'
import { assertionName, startRaw } from './attack.ts'

test('a single-use assertion is used up by a request that was sent twice, and only once', async (t) => {
  let asked = 0
  const port = await startRaw(t, (socket) => {
    socket.on('data', () => {
      asked++
      if (asked === 1) socket.end()
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    })
  })
  const services = { App: { app: `http://127.0.0.1:${port}` } }
  const mesh = await startMesh(t, { run: ['App'], services, issuer: { single_use: true } })
  const headers = [assertionName, await mesh.pomerium.assertion('alice', hosts.App)]
  assert.equal((await send({ port: mesh.sidecars.App.inbound, headers })).body, 'ok')
  assert.equal(asked, 2)
  assert.equal((await send({ port: mesh.sidecars.App.inbound, headers })).code, 'assertion_reused')
  assert.equal(asked, 2)
})
