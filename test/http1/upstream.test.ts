// Connections to upstreams: what comes on one belongs to the request that is on it, and to nobody else.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import type { Refusal } from '../../shared/errors.ts'
import { Unanswered } from '../../sidecar/http/failures.ts'
import type { Framing } from '../../sidecar/http/incoming.ts'
import type { Sent } from '../../sidecar/http/forwarding.ts'
import type { Answer, Outgoing, OutgoingEvents } from '../../sidecar/http/outgoing.ts'
import { keepAliveHintMs, openHttp1 } from '../../sidecar/http1/outgoing.ts'
import { Http1Pool } from '../../sidecar/http1/pool.ts'
import { Dialler } from '../../sidecar/upstream/dial.ts'
import { startRaw, until } from '../attacks/attack.ts'

const key = 'upstream'

function sentTo(port: number, method: string, framing: Framing): Sent {
  const forwarding = {
    upstream: { tls: false, host: '127.0.0.1', port },
    timeouts: { connectMs: 0, idleMs: 0 },
    incoming: { head: { method, headers: [] }, upgrade: undefined },
    path: '/',
    headers: ['Host', 'a'],
  }
  return { forwarding, framing, onNewConnection: false } as unknown as Sent
}

interface Asked {
  readonly outgoing: Outgoing
  readonly answers: Answer[]
  /** What became of it, but for an answer. */
  readonly faults: string[]
}

function ask(sent: Sent, pool: Http1Pool, more: Partial<OutgoingEvents> = {}): Asked {
  const answers: Answer[] = []
  const faults: string[] = []
  const events: OutgoingEvents = {
    onReady: () => undefined,
    onInformation: () => undefined,
    onAnswer: (answer) => answers.push(answer),
    onUpgrade: () => faults.push('upgrade'),
    onFailure: ({ code }) => faults.push(code),
    onBroken: () => faults.push('broken'),
    onIdle: () => faults.push('idle'),
    onFault: () => faults.push('fault'),
    ...more,
  }
  return { outgoing: openHttp1(sent, pool, key, events), answers, faults }
}

function makePool(t: TestContext): Http1Pool {
  const pool = new Http1Pool(new Dialler())
  t.after(() => pool.destroy())
  return pool
}

const early = 'HTTP/1.1 413 Too Large\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nearly\r\n'

/** Asks with a body that never ends, of an upstream that answers early, and says `rest` when the answer has begun. */
async function answeredEarly(t: TestContext, rest: (socket: Socket) => void): Promise<Asked> {
  const accepted = Promise.withResolvers<Socket>()
  const port = await startRaw(t, (socket) => {
    accepted.resolve(socket)
    socket.once('data', () => socket.write(early))
  })
  const asked = ask(sentTo(port, 'POST', 'open'), makePool(t))
  await until('the answer has begun', () => asked.answers.length === 1)
  rest(await accepted.promise)
  await until('the answer is whole', () => asked.answers[0]?.isWhole === true)
  return asked
}

test('an answer that came whole before its request is whole though the connection has ended', async (t) => {
  const closed = Promise.withResolvers<void>()
  const { answers, faults } = await answeredEarly(t, (socket) => {
    socket.once('close', () => closed.resolve())
    socket.end('0\r\n\r\n')
  })
  await closed.promise
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.deepEqual(faults, [])
  assert.equal(await text((answers[0] as Answer).body), 'early')
})

test('a second answer is none, though the request is not sent whole yet', async (t) => {
  const second = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'
  const { answers, faults, outgoing } = await answeredEarly(t, (socket) => {
    socket.write('0\r\n\r\n', () => setImmediate(() => socket.write(second, () => socket.end())))
  })
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(answers.length, 1)
  assert.deepEqual(faults, [])
  outgoing.abandon()
})

test('an error of our own in the midst of an answer ends its connection, and no other', async (t) => {
  const sockets: Socket[] = []
  const port = await startRaw(t, (socket) => {
    sockets.push(socket)
    socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'))
  })
  const pool = makePool(t)
  const sent = sentTo(port, 'GET', 'none')
  const broken = ask(sent, pool, {
    onAnswer: () => {
      throw new TypeError('it is not there')
    },
  })
  const whole = ask(sent, pool)
  await until('both are over', () => broken.faults.length > 0 && whole.answers.length > 0)
  assert.deepEqual(broken.faults, ['fault'])
  assert.deepEqual(whole.faults, [])
  await until('that connection is closed', () => sockets.some((socket) => socket.destroyed))
  assert.equal(sockets.filter((socket) => socket.destroyed).length, 1)
})

test('what an upstream says before it is asked answers nothing, and the request was not sent', async (t) => {
  const whole = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'
  const sockets: Socket[] = []
  let heard = 0
  const port = await startRaw(t, (socket) => {
    sockets.push(socket)
    socket.on('data', () => heard++ === 0 && socket.write(whole))
  })
  const pool = makePool(t)
  const first = ask(sentTo(port, 'GET', 'none'), pool)
  await until('the first is answered', () => first.answers.length === 1)
  const refusals: Refusal[] = []
  // In one turn, so that it has come when the request would be written.
  ;(sockets[0] as Socket).write(whole)
  const second = ask(sentTo(port, 'POST', 'none'), pool, { onFailure: (refusal) => refusals.push(refusal) })
  await until('it has failed', () => refusals.length > 0)
  assert.deepEqual(second.answers, [])
  const [refusal] = refusals
  assert.ok(refusal instanceof Unanswered)
  assert.deepEqual([refusal.code, refusal.wasSent, sockets.length, heard], ['upstream_reset', false, 1, 1])
})

for (const line of [
  'Content-Length: 5, 5',
  'Content-Length: 1\r\nContent-Length: 1',
  'Transfer-Encoding: gzip',
])
  test(`an answer ahead of the answer whose length readers read differently is refused: ${line}`, async (t) => {
    const port = await startRaw(t, (socket) => {
      socket.write(`HTTP/1.1 103 Early Hints\r\n${line}\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n`)
    })
    const { answers, faults } = ask(sentTo(port, 'GET', 'none'), makePool(t))
    await until('it is refused', () => faults.length > 0)
    assert.deepEqual([answers, faults], [[], ['upstream_invalid']])
  })

const hints: readonly (readonly [value: string, hintMs: number])[] = [
  ['timeout=5', 5_000],
  ['timeout=5, max=100', 5_000],
  ['max=100, timeout=5', 5_000],
  ['max=100 ,\tTimeout = 5', 5_000],
  ['max=100, timeout="5"', 5_000],
  ['max=100', Infinity],
  ['x-timeout=5', Infinity],
  ['timeout=', Infinity],
]
for (const [value, hintMs] of hints)
  test(`an upstream says how long it keeps a connection, wherever it does: ${value}`, () =>
    assert.equal(keepAliveHintMs(['Keep-Alive', value]), hintMs))

test('a connection is not used beyond the time that its upstream keeps it', async (t) => {
  const sockets: Socket[] = []
  const port = await startRaw(t, (socket) => void sockets.push(socket))
  const pool = makePool(t)
  const { forwarding } = sentTo(port, 'GET', 'none')
  const marginMs = 1_000
  const first = pool.open(forwarding, key)
  await once(first.socket, 'connect')
  pool.keep(key, first, marginMs + 5)
  await new Promise((resolve) => setTimeout(resolve, 10))
  assert.notEqual(pool.take(forwarding, key), first)
  await until('it is closed', () => first.socket.closed)
})
