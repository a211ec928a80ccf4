// Who waits for the drain is told when it is over, and is not kept where none begins.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { maxConnections } from '../../../sidecar/admin/connections.ts'
import { Drained } from '../../../sidecar/admin/drained.ts'
import { createProbes } from '../../../sidecar/admin/probes.ts'
import { send, type Answer } from '../../support/client.ts'
import { eventually } from '../../support/eventually.ts'

async function start(t: TestContext) {
  const drained = new Drained()
  const subject = { isOpen: () => true, notReady: () => [], metrics: () => '', appProbes: undefined, drained }
  const server = createProbes(subject)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  const ask = async (): Promise<[number, string]> => {
    const { status, body }: Answer = await send({ port, target: '/drained' })
    return [status, body]
  }
  const waiting = (count: number) => eventually(async () => drained.waiting === count)
  /** Where the clock stands still. */
  const arrived = async () => {
    while (drained.waiting === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  const open = () =>
    new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count)))
  return { drained, port, ask, waiting, arrived, open }
}

test('all who wait are told when the drain is over, and whoever comes later at once', async (t) => {
  const { drained, ask, waiting } = await start(t)
  const early = ask()
  await waiting(1)
  drained.begin()
  const late = ask()
  await waiting(2)
  drained.finish(0)
  for (const answer of [early, late, ask()]) assert.deepEqual(await answer, [200, 'drained\n'])
})

test('what is still under way is told with it', async (t) => {
  const { drained, ask, waiting } = await start(t)
  drained.begin()
  const answer = ask()
  await waiting(1)
  drained.finish(2)
  assert.deepEqual(await answer, [200, 'drained but for 2 requests to the app\n'])
})

test('where no drain begins within ten seconds nobody waits longer', async (t) => {
  const { ask, arrived } = await start(t)
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const answer = ask()
  await arrived()
  t.mock.timers.tick(10_000)
  assert.deepEqual(await answer, [503, 'no drain has begun\n'])
})

test('where one begins before that, its end is waited for however long it takes', async (t) => {
  const { drained, ask, arrived } = await start(t)
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const answer = ask()
  await arrived()
  t.mock.timers.tick(9_999)
  drained.begin()
  t.mock.timers.tick(3_600_000)
  drained.finish(0)
  assert.deepEqual(await answer, [200, 'drained\n'])
})

test('64 of one address wait at most, which shuts nobody else out; and who has left is forgotten', async (t) => {
  const { port, ask, waiting } = await start(t)
  const waiters = Array.from({ length: 64 }, () => {
    const request = httpRequest({ port, path: '/drained', agent: false }).end()
    request.on('error', () => undefined)
    return request
  })
  await waiting(64)
  assert.deepEqual(await ask(), [503, '64 wait already\n'])
  const elsewhere = httpRequest({ port, path: '/drained', agent: false, localAddress: '127.0.0.2' }).end()
  elsewhere.on('error', () => undefined)
  waiters.push(elsewhere)
  await waiting(65)
  for (const waiter of waiters) waiter.destroy()
  await waiting(0)
})

for (const method of ['GET', 'POST'])
  test(`who asks by ${method} and is turned away is a connection like any other`, async (t) => {
    const { port, open } = await start(t)
    for (let i = 0; i < 64 + maxConnections + 20; i++) {
      const socket = connect(port, '127.0.0.1', () =>
        socket.write(`${method} /drained HTTP/1.1\r\nHost: a\r\n\r\n`),
      )
      socket.on('error', () => undefined)
      t.after(() => socket.destroy())
      if (i >= 64) await once(socket, 'data')
      else if (method === 'GET') await once(socket, 'connect')
    }
    await eventually(async () => (await open()) <= 64 + maxConnections, 1_000)
  })

test('it is asked by GET alone', async (t) => {
  const { port } = await start(t)
  for (const method of ['POST', 'HEAD'])
    assert.equal((await send({ port, target: '/drained', method })).status, 405)
})
