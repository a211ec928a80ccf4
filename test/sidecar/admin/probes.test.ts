// What the probes listener says, to whom it may be: nothing secret, nothing that changes anything.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { maxConnections } from '../../../sidecar/admin/connections.ts'
import { Drained } from '../../../sidecar/admin/drained.ts'
import { createProbes } from '../../../sidecar/admin/probes.ts'
import { send } from '../../support/client.ts'

async function startProbes(t: TestContext, reasons: readonly string[] = [], isOpen = true): Promise<number> {
  const server = createProbes({
    isOpen: () => isOpen,
    notReady: () => reasons,
    metrics: () => 'a_total 1\n',
    appProbes: undefined,
    drained: new Drained(),
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

test('it is ready when there is no reason against it', async (t) => {
  const { status, body } = await send({ port: await startProbes(t), target: '/ready' })
  assert.deepEqual([status, body], [200, 'ready\n'])
})

test('it says all the reasons why it is not ready', async (t) => {
  const { status, body } = await send({ port: await startProbes(t, ['a', 'b']), target: '/ready?x' })
  assert.deepEqual([status, body], [503, 'not ready: a\nnot ready: b\n'])
})

test('it lives though it is not ready', async (t) => {
  assert.equal((await send({ port: await startProbes(t, ['a']), target: '/livez' })).status, 200)
})

test('it does not live before all listeners are open', async (t) => {
  const { status, body } = await send({ port: await startProbes(t, [], false), target: '/livez' })
  assert.deepEqual([status, body], [503, 'the listeners are not open\n'])
})

test('metrics are of the text format', async (t) => {
  const { headers, body } = await send({ port: await startProbes(t), target: '/metrics' })
  assert.equal(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
  assert.equal(body, 'a_total 1\n')
})

test('HEAD is answered without a body', async (t) => {
  const { status, body } = await send({ port: await startProbes(t), target: '/ready', method: 'HEAD' })
  assert.deepEqual([status, body], [200, ''])
})

test('it only reads', async (t) => {
  const port = await startProbes(t)
  for (const method of ['POST', 'PUT', 'DELETE'])
    assert.equal((await send({ port, target: '/ready', method })).status, 405)
})

test('what is not there is 404', async (t) => {
  const port = await startProbes(t)
  for (const target of ['/', '/healthz', '/ready/', '/config', '/drain'])
    assert.equal((await send({ port, target })).status, 404)
})

test('whoever holds connections open shuts nobody out: the oldest goes', async (t) => {
  const port = await startProbes(t)
  const held: Socket[] = []
  t.after(() => held.forEach((socket) => socket.destroy()))
  const hold = async () => {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined)
    held.push(socket)
    await once(socket, 'connect')
    return socket
  }
  const ended = once((await hold()).resume(), 'close', { signal: AbortSignal.timeout(2_000) })
  for (let i = 0; i < maxConnections; i++) await hold()
  await ended
  assert.equal((await send({ port, target: '/livez' })).status, 200)
})
