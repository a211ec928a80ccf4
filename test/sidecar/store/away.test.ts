// A Redis that goes away and comes back: nobody waits for it meanwhile, and listeners know that they missed something.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { suite, test, type TestContext } from 'node:test'
import { StoreUnavailable } from '../../../sidecar/store/store.ts'
import { freePort, redisMissing, settingsFor, standalone, startRedis } from '../../support/redis.ts'
import { Heard, openObserved, whenDown, whenUp } from './ground.ts'

const unavailable = (error: unknown) => error instanceof StoreUnavailable

suite('a store that goes away', { skip: redisMissing, concurrency: 3 }, () => {
  test('is opened also where there is none yet, and is there when the server is', async (t) => {
    const server = await startRedis(t)
    await server.kill()
    const { store, line } = await openObserved(t, standalone(server))
    assert.equal(store.isUp, false)
    await assert.rejects(store.get('key'), unavailable)
    await line(/warn the store is away .*nothing listens there/)
    await server.restart()
    await whenUp(store)
    await store.set('key', 'value', 60_000)
    await line(/info the store answers/)
  })

  test('answers again when the server was killed and restarted', async (t) => {
    const server = await startRedis(t)
    const { store, outcomes } = await openObserved(t, standalone(server))
    const heard = new Heard(store, 'certificates')
    await heard.gap(1)
    await store.set('key', 'value', 60_000)
    await server.kill()
    await whenDown(store)
    await assert.rejects(store.get('key'), unavailable)
    assert.equal(outcomes.get('get open'), 1)
    await server.restart()
    await whenUp(store)
    assert.equal(await store.get('key'), undefined, 'nothing was kept on disk')
    await heard.gap(2)
    await store.publish('certificates', 'after')
    assert.deepEqual(await heard.until(1), ['after'])
    assert.equal(outcomes.get('reconnect commands'), 1)
  })

  test('that is frozen is waited for no more after three commands, and is heard again when it thaws', async (t) => {
    const server = await startRedis(t)
    const { store, outcomes, line } = await openObserved(t, standalone(server))
    const heard = new Heard(store, 'certificates')
    await heard.gap(1)
    server.freeze()
    for (let i = 0; i < 3; i++) await assert.rejects(store.get('key'), unavailable)
    assert.equal(outcomes.get('get timeout'), 3)
    assert.equal(store.isUp, false)
    await assert.rejects(store.get('key'), unavailable)
    assert.equal(outcomes.get('get open'), 1)
    // Both connections see it by themselves, for neither is closed.
    await line(/away .*"commands".*no answer in time/)
    await line(/away .*"messages".*no answer in time/)
    server.thaw()
    await whenUp(store)
    assert.equal(await store.get('key'), undefined)
    await heard.gap(2)
  })

  test('is noticed by its heartbeat alone, where nobody asks it anything', async (t) => {
    const server = await startRedis(t)
    const { store } = await openObserved(t, standalone(server))
    server.freeze()
    await whenDown(store)
    server.thaw()
    await whenUp(store)
  })

  test('behind a network that is cut without a word is left, and found again', async (t) => {
    const server = await startRedis(t)
    const cable = await startCable(t, server.port)
    const { store, line } = await openObserved(
      t,
      standalone({ address: { host: '127.0.0.1', port: cable.port } }),
    )
    const heard = new Heard(store, 'certificates')
    await heard.gap(1)
    cable.cut()
    await server.call('publish', '{onbehalf}:certificates', 'lost')
    await line(/away .*"commands"/)
    await line(/away .*"messages"/)
    cable.mend()
    await whenUp(store)
    await heard.gap(2)
    assert.deepEqual(heard.messages, [])
  })

  test('that pauses for a moment is asked again without a new connection', async (t) => {
    const server = await startRedis(t)
    const { store, outcomes } = await openObserved(t, standalone(server))
    await server.call('client', 'pause', 500)
    await Promise.all([1, 2, 3].map(() => assert.rejects(store.get('key'), unavailable)))
    assert.equal(store.isUp, false)
    await whenUp(store)
    assert.equal(await store.get('key'), undefined)
    assert.equal(outcomes.get('reconnect commands'), undefined)
  })

  test('is not blamed for a moment in which this process itself was held up', async (t) => {
    const server = await startRedis(t)
    const { store, outcomes } = await openObserved(t, standalone(server))
    const asked = [1, 2, 3, 4].map(() => store.get('key'))
    // What was asked is on its way only after this turn.
    await new Promise((resolve) => setImmediate(resolve))
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
    await Promise.all(asked)
    assert.equal(outcomes.get('get ok'), 4)
    assert.equal(store.isUp, true)
  })

  test('tells listeners of a gap when only the connection for messages was closed', async (t) => {
    const server = await startRedis(t)
    const { store, outcomes } = await openObserved(t, standalone(server))
    const heard = new Heard(store, 'certificates')
    await heard.gap(1)
    await server.call('client', 'kill', 'type', 'pubsub')
    await heard.gap(2)
    assert.equal(store.isUp, true)
    assert.equal(outcomes.get('reconnect messages'), 1)
  })

  test('tells each listener of the gap, also one that came while there was no connection', async (t) => {
    const server = await startRedis(t)
    const { store } = await openObserved(t, standalone(server))
    const first = new Heard(store, 'certificates')
    await first.gap(1)
    await server.kill()
    await whenDown(store)
    const second = new Heard(store, 'jwks')
    await server.restart()
    await Promise.all([first.gap(2), second.gap(1), whenUp(store)])
    await store.publish('jwks', 'hello')
    assert.deepEqual(await second.until(1), ['hello'])
  })

  test('says what is the matter once, and again when it is another matter', async (t) => {
    const server = await startRedis(t)
    const { store, lines, line } = await openObserved(t, standalone(server))
    await server.kill()
    await line(/away .*nothing listens/)
    const other = createServer((socket) => {
      socket.on('error', () => undefined).resume()
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')
    }).listen(server.port, '127.0.0.1')
    await once(other, 'listening')
    await line(/away .*not the protocol of Redis/)
    other.close()
    await once(other, 'close')
    await server.restart()
    await whenUp(store)
    assert.equal(lines.filter((each) => each.includes('nothing listens')).length <= 2, true, lines.join('\n'))
  })

  test('leaves no connection when it is closed', async (t) => {
    const server = await startRedis(t)
    const { store } = await openObserved(t, standalone(server))
    const heard = new Heard(store, 'certificates')
    await heard.gap(1)
    assert.equal(await clientsOf(server), 3, 'two of the store, and who asks')
    await store.close()
    await server.until((reply) => countClients(reply) === 1, 'client', 'list')
    await assert.rejects(store.get('key'), unavailable)
  })

  test('can be closed while it is away', async (t) => {
    const address = { host: '127.0.0.1', port: await freePort() }
    const { store } = await openObserved(t, settingsFor({ kind: 'standalone', address }))
    store.subscribe('certificates', () => undefined)
    await store.close()
    assert.equal(store.isUp, false)
  })

  test('can be closed while it is frozen', async (t) => {
    const server = await startRedis(t)
    const { store } = await openObserved(t, standalone(server))
    server.freeze()
    await store.close()
    server.thaw()
    await server.until((reply) => countClients(reply) === 1, 'client', 'list')
  })
})

const countClients = (reply: unknown) => String(reply).trim().split('\n').length

async function clientsOf(server: Awaited<ReturnType<typeof startRedis>>): Promise<number> {
  return countClients(await server.call('client', 'list'))
}

/** Between the store and its server: once cut, nothing passes any more, and nobody is told. */
async function startCable(t: TestContext, to: number) {
  let isCut = false
  const sockets = new Set<Socket>()
  const carry = (from: Socket, other: Socket) => {
    sockets.add(from)
    from.on('data', (part) => isCut || other.write(part))
    from.on('error', () => other.destroy())
    from.on('close', () => sockets.delete(from) && !isCut && other.destroy())
  }
  const server = createServer((near) => {
    const far = connect(to, '127.0.0.1')
    carry(near, far)
    carry(far, near)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return {
    port: (server.address() as AddressInfo).port,
    cut: () => (isCut = true),
    mend() {
      isCut = false
      // What was cut stays so: only new connections work.
      for (const socket of sockets) socket.destroy()
    },
  }
}
