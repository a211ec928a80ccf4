// A service at several addresses: who gets a request, and what becomes of it where an address takes none.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { send, type Answer } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { startHole } from '../support/hole.ts'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'

interface Instance {
  readonly origin: string
  readonly port: number
  served: number
  handler: RequestListener
  stop(): Promise<void>
  start(): Promise<void>
}

async function startInstance(t: TestContext, isHttp2 = false): Promise<Instance> {
  let server: Server | undefined
  const serve: RequestListener = (request, response) => {
    instance.served++
    instance.handler(request, response)
  }
  const start = async (port = 0) => {
    server = isHttp2 ? (createHttp2Server(serve as never) as unknown as Server) : createServer(serve)
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  }
  const instance: Instance = {
    origin: '',
    port: 0,
    served: 0,
    handler: (_request, response) => void response.end('served'),
    async stop() {
      const closed = server?.listening === true ? once(server, 'close') : undefined
      server?.close()
      if (server !== undefined && 'closeAllConnections' in server) server.closeAllConnections()
      await closed
    },
    start: async () => void (await start(instance.port)),
  }
  const port = await start()
  Object.assign(instance, { port, origin: `${isHttp2 ? 'h2c' : 'http'}://127.0.0.1:${port}` })
  t.after(() => instance.stop())
  return instance
}

const startLedger = (t: TestContext, to: readonly string[]) =>
  startMesh(t, { run: ['App'], routes: { Ledger: { to } } })
const call = ({ sidecars }: TestMesh, method = 'GET'): Promise<Answer> =>
  send({ port: sidecars.App.outbound, host: hosts.Ledger, method, ...(method === 'POST' && { body: 'x' }) })

const times = <T>(count: number, make: (i: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, i) => make(i)))

for (const isHttp2 of [false, true]) {
  test(`requests are shared out among all ${isHttp2 ? 'in HTTP/2' : 'in HTTP/1.1'}`, async (t) => {
    const instances = await times(3, () => startInstance(t, isHttp2))
    const mesh = await startLedger(
      t,
      instances.map(({ origin }) => origin),
    )
    for (let i = 0; i < 12; i++) assert.equal((await call(mesh)).body, 'served')
    assert.deepEqual(
      instances.map(({ served }) => served),
      [4, 4, 4],
    )
  })
}

for (const isHttp2 of [false, true]) {
  for (const method of ['POST', 'GET']) {
    test(`what may have been carried out goes to no other address: ${method} in HTTP/${isHttp2 ? 2 : 1.1}`, async (t) => {
      const instances = await times(3, () => startInstance(t, isHttp2))
      for (const instance of instances) instance.handler = (request) => void request.socket.destroy()
      const mesh = await startLedger(
        t,
        instances.map(({ origin }) => origin),
      )
      const answer = await send({ port: mesh.sidecars.App.outbound, host: hosts.Ledger, method })
      assert.equal(answer.code, 'upstream_reset')
      const served = instances.reduce((sum, instance) => sum + instance.served, 0)
      // A GET may be sent again, as to a single address; nothing else may.
      assert.equal(served, method === 'POST' ? 1 : 3)
      assert.doesNotMatch(mesh.sidecars.App.logs.join('\n'), /is set aside/)
    })
  }
}

test('a weight is a share', async (t) => {
  const instances = await times(2, () => startInstance(t))
  const mesh = await startLedger(
    t,
    instances.map(({ origin }, i) => `${origin},${i === 0 ? 3 : 1}`),
  )
  for (let i = 0; i < 12; i++) await call(mesh)
  assert.deepEqual(
    instances.map(({ served }) => served),
    [9, 3],
  )
})

test('the one that is slow gets what it can carry', async (t) => {
  const instances = await times(2, () => startInstance(t))
  const [slow, quick] = instances as [Instance, Instance]
  const over = Promise.withResolvers<void>()
  t.after(() => over.resolve())
  slow.handler = (_request, response) => void over.promise.then(() => response.end())
  const mesh = await startLedger(
    t,
    instances.map(({ origin }) => origin),
  )
  const held = times(2, () => call(mesh))
  await eventually(async () => slow.served + quick.served === 2)
  for (let i = 0; i < 10; i++) await call(mesh)
  assert.deepEqual([slow.served, quick.served], [1, 11])
  over.resolve()
  await held
})

test('one ends under load and comes back: no request fails, and it is used again', async (t) => {
  const instances = await times(3, () => startInstance(t))
  const [first] = instances as [Instance]
  const mesh = await startLedger(
    t,
    instances.map(({ origin }) => origin),
  )
  const load = { on: true, failed: [] as string[], done: 0 }
  // What is under way when a connection is cut is sent again where that is safe.
  const worker = async () => {
    while (load.on) {
      const answer = await call(mesh)
      if (answer.status === 200) load.done++
      else load.failed.push(answer.body)
    }
  }
  const workers = times(6, worker)
  await eventually(async () => load.done > 100)
  await first.stop()
  // Where no connection is taken nothing was sent, and so it may be anything.
  const posts = await times(20, () => call(mesh, 'POST'))
  assert.deepEqual([...new Set(posts.map(({ body }) => body))], ['served'])
  const { done } = load
  await eventually(async () => load.done > done + 200)
  await first.start()
  const { served } = first
  await eventually(async () => first.served > served + 20)
  load.on = false
  await workers
  assert.deepEqual(load.failed, [])
  const logs = mesh.sidecars.App.logs.join('\n')
  assert.match(logs, new RegExp(`an address of a route is set aside.*127\\.0\\.0\\.1:${first.port}.*ECONNRE`))
  assert.match(logs, new RegExp(`takes connections again.*127\\.0\\.0\\.1:${first.port}`))
  const metrics = await send({ port: mesh.sidecars.App.probes, target: '/metrics' })
  assert.match(metrics.body, /^onbehalf_upstream_set_aside_total\{route="Ledger"\} [1-9]/m)
})

test('where one does not answer at all, the next is asked, and the first left alone', async (t) => {
  const hole = `http://127.0.0.1:${await startHole(t)}`
  const live = await startInstance(t)
  const mesh = await startLedger(t, [hole, live.origin])
  for (let i = 0; i < 4; i++) assert.equal((await call(mesh, 'POST')).body, 'served')
  assert.equal(live.served, 4)
  const { logs } = mesh.sidecars.App
  assert.equal(logs.filter((line) => line.includes('is set aside')).length, 1)
})

test('where none takes a connection the failure is that of a single one', async (t) => {
  const instances = await times(2, () => startInstance(t))
  const mesh = await startLedger(
    t,
    instances.map(({ origin }) => origin),
  )
  await Promise.all(instances.map((instance) => instance.stop()))
  const answer = await call(mesh)
  assert.deepEqual([answer.status, answer.code], [502, 'upstream_refused'])
})

test('a name is looked up, and one that cannot be is a refusal', async (t) => {
  const live = await startInstance(t)
  const mesh = await startLedger(t, [`http://localhost:${live.port}`])
  assert.equal((await call(mesh)).body, 'served')
  const nowhere = await startLedger(t, ['http://nowhere.invalid:8080'])
  const answer = await call(nowhere)
  assert.deepEqual([answer.status, answer.code], [502, 'upstream_refused'])
  assert.match(nowhere.sidecars.App.logs.join('\n'), /ENOTFOUND|EAI_AGAIN/)
})
