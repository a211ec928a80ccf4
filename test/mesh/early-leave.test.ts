// A client that leaves while its request is still being decided holds nothing, and its request reaches nobody.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { startApp } from '../support/app.ts'
import { send } from '../support/client.ts'
import { hosts, startMesh } from '../support/mesh.ts'

const requests = 5

test('clients that leave while a key is fetched leave no request and no session behind', async (t) => {
  const keyServer = await startApp()
  t.after(() => keyServer.close())
  let offsetMs = 0
  const asked = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  let isSlow = false
  const mesh = await startMesh(t, {
    run: [],
    clockOffsetMs: () => offsetMs,
  })
  keyServer.handler = async (_request, response) => {
    if (isSlow) {
      asked.resolve()
      await release.promise
    }
    const keys = await fetch(mesh.pomerium.jwksUrl)
    response.end(await keys.text())
  }
  const own = await startMesh(t, {
    run: ['App'],
    issuer: { jwks: `${keyServer.origin}/jwks.json` },
    clockOffsetMs: () => offsetMs,
  })
  isSlow = true
  await mesh.pomerium.rotateKey()
  offsetMs = 6_000
  const { inbound, probes } = own.sidecars.App
  const token = await mesh.pomerium.assertion('alice', hosts.App)
  const sockets = Array.from({ length: requests }, () => {
    const socket = connect(inbound, '127.0.0.1')
    socket.write(`GET / HTTP/1.1\r\nHost: a\r\nX-Pomerium-Jwt-Assertion: ${token}\r\n\r\n`)
    return socket
  })
  await asked.promise
  const metrics = async () => (await send({ port: probes, target: '/metrics' })).body
  const until = async (line: RegExp) => {
    const startedMs = Date.now()
    while (!line.test(await metrics())) {
      assert.ok(Date.now() - startedMs < 5_000, `${line} did not come`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  await until(new RegExp(`^onbehalf_active_requests\\{direction="inbound"\\} ${requests}$`, 'm'))
  for (const socket of sockets) {
    const closed = once(socket, 'close')
    socket.destroy()
    await closed
  }
  // One more request goes round, so that the sidecar has heard of all of them.
  assert.equal((await send({ port: inbound })).code, 'assertion_missing')
  release.resolve()
  await until(/^onbehalf_active_requests\{direction="inbound"\} 0$/m)
  await until(/^onbehalf_sessions\{state="active"\} 0$/m)
  assert.equal(own.apps.App.received.length, 0)
})
