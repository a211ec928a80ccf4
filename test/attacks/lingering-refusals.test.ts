// The attacker has himself refused again and again, never hangs up, and wants the refused connections to take the room of others.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { send } from '../support/client.ts'
import { hosts, startMesh } from '../support/mesh.ts'
import { activeOutbound, gauge, open } from './attack.ts'

/** Refused, and held open from the client's side. */
async function holdRefused(t: TestContext, port: number, count: number, bytes: string): Promise<void> {
  const hold = async (): Promise<Socket> => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    t.after(() => socket.destroy())
    socket.on('error', () => undefined)
    socket.resume().write(bytes)
    await once(socket, 'end')
    return socket
  }
  await Promise.all(Array.from({ length: count }, hold))
}

test('tunnels that were refused are no requests under way', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { limits: { concurrent_requests: 10 } } })
  const { App } = mesh.sidecars
  await holdRefused(t, App.outbound, 20, `CONNECT ${hosts.API}:443 HTTP/1.1\r\nHost: a\r\n\r\n`)
  assert.equal(await gauge(App, activeOutbound), 0)
  assert.notEqual((await send({ port: App.outbound, host: hosts.API })).code, 'overloaded')
})

test('connections that were one too many do not count as open ones', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { limits: { connections: 5 } } })
  const { inbound } = mesh.sidecars.App
  const taken = await Promise.all(Array.from({ length: 5 }, () => open(inbound)))
  await holdRefused(t, inbound, 20, '')
  for (const socket of taken) {
    socket.resume().end('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    await once(socket, 'close')
  }
  assert.equal((await send({ port: inbound })).code, 'assertion_missing')
})
