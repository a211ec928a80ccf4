// What a Redis can answer that is out of order, full, or written by somebody else: no crash, no hang, no value of it.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { suite, test, type TestContext } from 'node:test'
import { maxValueBytes, StoreUnavailable } from '../../../sidecar/store/store.ts'
import { redisMissing, settingsFor, standalone, startRedis } from '../../support/redis.ts'
import { Heard, openObserved, whenUp } from './ground.ts'

const unavailable = (error: unknown) => error instanceof StoreUnavailable

type Answer = string | Buffer

/** Answers each chunk with the same bytes, or as a function says. */
async function startParrot(t: TestContext, answer: Answer | ((asked: string) => Answer)): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (asked) =>
      socket.write(typeof answer === 'function' ? answer(asked.toString()) : answer),
    )
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => void server.close())
  return (server.address() as AddressInfo).port
}

const garbage: Readonly<Record<string, string | Buffer>> = {
  HTTP: 'HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n',
  'random bytes': Buffer.from('f7003ec29a5b0d0a81ff', 'hex'),
  'a line without end': 'x'.repeat(70_000),
  'a TLS alert': Buffer.from([0x15, 3, 3, 0, 2, 2, 0x28]),
  nothing: '$-1\r\n',
  'two answers to one question': '$-1\r\n$-1\r\n',
  'a message without a channel': '*1\r\n$7\r\nmessage\r\n',
  'a message of nothing': '*1\r\n$-1\r\n',
  'a push of RESP3': '>2\r\n$9\r\nsubscribe\r\n$-1\r\n',
  'an empty list': '*0\r\n',
  'a list of lists': '*1\r\n'.repeat(50_000),
  'a list of a billion': '*1000000000\r\n',
  'a text of a gigabyte': `$1000000000\r\n${'x'.repeat(60_000)}`,
  'a number of no number': ':abc\r\n',
  'an error without words': '-\r\n',
}

for (const [what, answer] of Object.entries(garbage)) {
  test(`a server that answers with ${what} gives no value, and does not end the process`, async (t) => {
    const port = await startParrot(t, answer)
    const { store } = await openObserved(
      t,
      settingsFor({ kind: 'standalone', address: { host: '127.0.0.1', port } }),
    )
    store.subscribe('certificates', () => undefined)
    await assertNoValue(() => store.get('key'))
    await assertNoValue(async () => (await store.members('set', 0)).length || undefined)
    await assertNoValue(async () => (await store.lease('key', 'holder', 1_000)) || undefined)
    await assert.rejects(store.set('key', 'value', 1_000), unavailable)
  })
}

async function assertNoValue(ask: () => Promise<unknown>): Promise<void> {
  const value = await ask().catch((error: unknown) => {
    assert.ok(unavailable(error), String(error))
  })
  assert.equal(value, undefined)
}

test('what a server says in its errors is not repeated', async (t) => {
  const port = await startParrot(t, "-ERR unknown command 'x', with args beginning with: 'sEcReT'\r\n")
  const settings = settingsFor({ kind: 'standalone', address: { host: '127.0.0.1', port } })
  const { store, lines } = await openObserved(t, settings)
  await assert.rejects(store.get('key'), (error: Error) => {
    assert.match(error.message, /it answers with an error \(ERR\)/)
    return !error.message.includes('sEcReT')
  })
  assert.doesNotMatch(lines.join('\n'), /sEcReT/)
})

test('a sorted set without an end is not read for ever', async (t) => {
  const port = await startParrot(t, (asked) =>
    asked.includes('zscan') ? '*2\r\n$1\r\n7\r\n*0\r\n' : ':0\r\n',
  )
  const settings = settingsFor({ kind: 'standalone', address: { host: '127.0.0.1', port } })
  const { store } = await openObserved(t, settings)
  await assert.rejects(store.members('set', 0), unavailable)
})

suite('a Redis that others write to', { skip: redisMissing }, () => {
  test('a value that is longer than any of ours is not read', async (t) => {
    const server = await startRedis(t)
    const { store, outcomes } = await openObserved(t, standalone(server))
    await server.call('set', '{onbehalf}:key', 'x'.repeat(8 * 1024 * 1024))
    await assert.rejects(store.get('key'), /longer than any that is expected/)
    assert.equal(outcomes.get('get error'), 1)
    assert.equal(store.isUp, true, 'and costs no connection')
    assert.ok(maxValueBytes < 8 * 1024 * 1024)
  })

  test('a member that is longer than all that is expected ends the connection, and the next one works', async (t) => {
    const server = await startRedis(t)
    const { store, line } = await openObserved(t, standalone(server))
    await server.call('zadd', '{onbehalf}:set', 1, 'x'.repeat(16 * 1024 * 1024))
    // In time or not: on a slow machine it is the deadline that ends it.
    await assert.rejects(store.members('set', 0), unavailable)
    await line(/away .*longer than any that is expected/)
    await whenUp(store)
    assert.equal(await store.get('key'), undefined)
  })

  test('a key of another type is no value', async (t) => {
    const server = await startRedis(t)
    const { store } = await openObserved(t, standalone(server))
    await server.call('rpush', '{onbehalf}:key', 'x')
    await assert.rejects(store.get('key'), /another type/)
    await assert.rejects(store.lease('key', 'holder', 1_000), unavailable)
    await assert.rejects(store.members('key', 0), /another type/)
    await assert.rejects(store.merge('key', [['a', 1]], 0), /another type/)
    assert.equal(store.isUp, true)
  })

  test('a message that is longer than any of ours counts as lost', async (t) => {
    const server = await startRedis(t)
    const { store } = await openObserved(t, standalone(server))
    const heard = new Heard(store, 'certificates')
    await heard.gap(1)
    await server.call('publish', '{onbehalf}:certificates', 'x'.repeat(maxValueBytes + 1))
    await heard.gap(2)
    assert.deepEqual(heard.messages, [])
  })

  test('a listener that throws is logged, and the others are told', async (t) => {
    const server = await startRedis(t)
    const { store, line } = await openObserved(t, standalone(server))
    store.subscribe('certificates', (message) => {
      if (message !== undefined) throw new SyntaxError('sEcReT')
    })
    const heard = new Heard(store, 'certificates')
    await heard.gap(1)
    await store.publish('certificates', 'hello')
    assert.deepEqual(await heard.until(1), ['hello'])
    assert.doesNotMatch(await line(/error a message of the store was not understood/), /sEcReT/)
  })

  test('that is full refuses writes, and is read as before', async (t) => {
    const server = await startRedis(t, { args: ['--maxmemory-policy', 'noeviction'] })
    const { store, outcomes } = await openObserved(t, standalone(server))
    await store.set('key', 'value', 60_000)
    await server.call('config', 'set', 'maxmemory', '1')
    await assert.rejects(store.set('other', 'value', 60_000), /its memory is full/)
    await assert.rejects(store.merge('set', [['a', 1]], 0), /its memory is full/)
    assert.equal(await store.get('key'), 'value')
    assert.equal(store.isUp, true)
    assert.equal(outcomes.get('set error'), 1)
  })

  test('that is flushed has nothing, and takes everything anew', async (t) => {
    const server = await startRedis(t)
    const { store } = await openObserved(t, standalone(server))
    await store.set('key', 'value', 60_000)
    await store.lease('lease', 'a', 60_000)
    await store.merge('set', [['a', 1]], 0)
    await server.call('flushall')
    await server.call('script', 'flush')
    assert.equal(await store.get('key'), undefined)
    assert.deepEqual(await store.members('set', 0), [])
    assert.equal(await store.lease('lease', 'b', 60_000), true)
    await store.merge('set', [['a', 1]], 0)
    assert.deepEqual(await store.members('set', 0), [['a', 1]])
  })
})
