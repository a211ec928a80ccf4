// Connections of clients, with nothing behind them but the test.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import type { Incoming } from '../../sidecar/http/incoming.ts'
import { Http1Server, listen, type ServerOptions } from '../../sidecar/http1/server.ts'
import { maxWaitingBytes } from '../../sidecar/http1/unread-requests.ts'
import { until } from '../attacks/attack.ts'
import { meshOf } from '../support/tokens.ts'

const headersMs = 50
const nowhere = {
  peer: '127.0.0.1',
  localPort: undefined,
  originalDestination: undefined,
  isTls: false,
  shown: undefined,
}

async function serve(
  t: TestContext,
  onRequest: (incoming: Incoming) => void,
  more: Partial<ServerOptions> = {},
): Promise<{ server: Http1Server; client: Socket }> {
  const { limits, timeouts } = meshOf()
  const server = new Http1Server({
    limits,
    timeouts,
    connectionOf: () => nowhere,
    onRequest,
    onUnreadable: () => undefined,
    onFault: (error) => assert.fail(String(error)),
    ...more,
  })
  const { port } = await listen(server, { host: '127.0.0.1', port: 0 })
  const client = connect({ port, host: '127.0.0.1', noDelay: true })
  t.after(() => {
    client.destroy()
    server.closeAllConnections()
    server.close()
  })
  await once(client, 'connect')
  return { server, client }
}

/** What has come when it ends with `end`. */
async function upTo(client: Socket, end: string): Promise<string> {
  let got = ''
  while (!got.endsWith(end)) {
    const [part] = (await once(client, 'data')) as [Buffer]
    got += part.toString('latin1')
  }
  return got
}

function answer({ reply }: Incoming, body: string): void {
  reply.send({ status: 200, reason: '', headers: ['Content-Length', String(body.length)] }, body)
}

test('a head that is late by our own stand-still alone is not refused behind its answer', async (t) => {
  const { timeouts } = meshOf()
  const begun = Promise.withResolvers<void>()
  const { client } = await serve(t, (incoming) => answer(incoming, 'served'), {
    timeouts: { ...timeouts, headersMs },
  })
  client.write('GET / HTTP/1.1\r\n', () => setImmediate(() => begun.resolve()))
  await begun.promise
  client.write('\r\n')
  for (const untilMs = performance.now() + 2 * headersMs; performance.now() < untilMs;);
  assert.match(await upTo(client, 'served'), /^HTTP\/1\.1 200 /)
  client.write('GET / HTTP/1.1\r\n\r\n')
  assert.match(await upTo(client, 'served'), /^HTTP\/1\.1 200 /)
})

test('of connections that are closed because they are idle none is within a head', async (t) => {
  const { server, client } = await serve(t, (incoming) => answer(incoming, 'served'))
  client.write('GET / HTTP/1.1\r\n\r\nGET ')
  await upTo(client, 'served')
  server.closeIdleConnections()
  client.write('/ HTTP/1.1\r\n\r\n')
  assert.match(await upTo(client, 'served'), /^HTTP\/1\.1 200 /)
  server.closeIdleConnections()
  await once(client, 'close')
})

test('of an answer that breaks off where it begins the client has what came', async (t) => {
  const { client } = await serve(t, ({ reply }) => {
    reply.begin({ status: 200, reason: 'OK', headers: ['Content-Length', '9'] }, false)
    reply.write(Buffer.from('part'))
    reply.breakOff()
  })
  client.write('GET / HTTP/1.1\r\n\r\n')
  assert.match(await text(client), /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\npart$/)
})

test('of an answer that cannot be sent nothing is left in the one that is sent instead', async (t) => {
  const { client } = await serve(t, (incoming) => {
    const unsayable = { status: 200, reason: '', headers: ['X', 'a\nb'] }
    assert.throws(() => incoming.reply.begin(unsayable, false))
    answer(incoming, 'instead')
  })
  client.write('GET / HTTP/1.1\r\n\r\n')
  assert.doesNotMatch(await upTo(client, 'instead'), /Transfer-Encoding/)
})

for (const ahead of ['ping', 'GET / HTTP/1.1\r\n\r\nping', `${'\r\n'.repeat(4_000)}ping`]) {
  test(`what a client says ahead of another protocol is said in that: ${ahead.slice(0, 24).trim()}`, async (t) => {
    const heard = Promise.withResolvers<string>()
    const refused: string[] = []
    const { client } = await serve(
      t,
      ({ upgrade }) => {
        assert.ok(upgrade !== undefined)
        heard.resolve(text(upgrade.accept('other', [])))
      },
      { onUnreadable: ({ code }) => refused.push(code) },
    )
    client.end(`GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n${ahead}`)
    assert.equal(await heard.promise, ahead)
    assert.deepEqual(refused, [])
  })
}

for (const line of ['Content-Length: 5', 'Transfer-Encoding: chunked', 'Transfer-Encoding: gzip']) {
  test(`CONNECT has no content, so none opens a tunnel: ${line}`, async (t) => {
    const { client } = await serve(t, () => assert.fail(), { onConnect: () => assert.fail() })
    client.write(`CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n${line}\r\n\r\nhello`)
    assert.match(await text(client), /^HTTP\/1\.1 400 /)
  })
}

test('behind a request that ends its connection nothing is looked at', async (t) => {
  const held = Promise.withResolvers<Incoming>()
  const refused: string[] = []
  const { client } = await serve(t, (incoming) => held.resolve(incoming), {
    onUnreadable: ({ code }) => refused.push(code),
  })
  client.write('GET / HTTP/1.1\r\nConnection: close\r\n\r\n')
  const incoming = await held.promise
  client.write('no request\r\n\r\n', () => setImmediate(() => answer(incoming, 'last')))
  assert.match(await text(client), /^HTTP\/1\.1 200 /)
  assert.deepEqual(refused, [])
})

test('an error of our own ends the connection that it came up on, and no other', async (t) => {
  const error = new TypeError('it is not there')
  const faults: unknown[] = []
  const { server, client } = await serve(
    t,
    (incoming) => {
      if (incoming.head.target === '/broken') throw error
      answer(incoming, 'served')
    },
    { onFault: (fault) => faults.push(fault) },
  )
  const { port } = server.address() as AddressInfo
  const another = connect({ port, host: '127.0.0.1' })
  t.after(() => another.destroy())
  // The second is begun in a turn of its own.
  client.write('GET / HTTP/1.1\r\n\r\nGET /broken HTTP/1.1\r\n\r\n')
  assert.match(await text(client), /served$/)
  assert.deepEqual(faults, [error])
  another.write('GET / HTTP/1.1\r\n\r\n')
  await upTo(another, 'served')
  another.write('GET /broken HTTP/1.1\r\n\r\n')
  assert.equal(await text(another), '')
  assert.deepEqual(faults, [error, error])
})

const headerBytes = 32 * 1024
/** What Node reads in one piece. */
const pieceBytes = 64 * 1024

for (const length of [700, headerBytes + 4]) {
  test(`of requests of ${length} bytes sent ahead little is kept, and all are answered, each in its turn`, async (t) => {
    const count = Math.ceil((3 * 1024 * 1024) / length)
    const accepted = Promise.withResolvers<Socket>()
    const held = Promise.withResolvers<void>()
    let underWay = 0
    const serveOne = async (incoming: Incoming) => {
      assert.equal(underWay++, 0)
      await held.promise
      setImmediate(() => {
        answer(incoming, '!')
        // As whoever counts requests hears of it.
        process.nextTick(() => underWay--)
      })
    }
    const { client } = await serve(t, (incoming) => void serveOne(incoming), {
      limits: { ...meshOf().limits, headerBytes },
      connectionOf: (socket) => {
        accepted.resolve(socket)
        return nowhere
      },
    })
    const start = 'GET / HTTP/1.1\r\nX: '
    const one = `${start}${'x'.repeat(length - start.length - 4)}\r\n\r\n`
    let answered = 0
    client.on(
      'data',
      (part: Buffer) => (answered += part.toString('latin1').split('HTTP/1.1 200').length - 1),
    )
    client.write(one.repeat(count))
    const socket = await accepted.promise
    await until('no more is read', () => socket.isPaused())
    // The head that is served, the next, what waits behind them; what came with it, and what Node reads though paused.
    const most = 2 * (headerBytes + 4) + maxWaitingBytes + 2 * pieceBytes
    assert.ok(socket.bytesRead <= most, `${socket.bytesRead} bytes were read`)
    held.resolve()
    await until('all are answered', () => answered === count)
  })
}

test('empty lines within bodies do not add up to requests that wait', async (t) => {
  const body = '\r\n'.repeat(800)
  let held = Promise.withResolvers<Incoming>()
  const { client } = await serve(t, (incoming) => {
    if (incoming.head.method === 'GET') held.resolve(incoming)
    else incoming.body.resume().once('end', () => answer(incoming, 'served'))
  })
  for (let i = 0; i < 4; i++) {
    client.write('GET / HTTP/1.1\r\n\r\n')
    const first = await held.promise
    held = Promise.withResolvers()
    client.write(`POST / HTTP/1.1\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
    answer(first, 'first')
    await upTo(client, 'served')
  }
})

test('many small chunks that come together are one part of the body', async (t) => {
  const parts: number[] = []
  const { client } = await serve(t, (incoming) => {
    incoming.body.on('data', (part: Buffer) => parts.push(part.length))
    incoming.body.once('end', () => answer(incoming, 'whole'))
  })
  const head = 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n'
  client.write(`${head}${'1\r\na\r\n'.repeat(10_000)}0\r\n\r\n`)
  await upTo(client, 'whole')
  const total = parts.reduce((sum, length) => sum + length, 0)
  assert.equal(total, 10_000)
  assert.ok(parts.length < 100, `${parts.length} parts`)
})

test('a body that came with its head is at hand at once, in chunks as well', async (t) => {
  const came: (string | undefined)[] = []
  const { client } = await serve(t, (incoming) => {
    came.push(incoming.content?.toString())
    answer(incoming, 'served')
  })
  client.write('POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nwhole')
  await upTo(client, 'served')
  client.write('POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nwh\r\n3\r\nole\r\n0\r\n\r\n')
  await upTo(client, 'served')
  assert.deepEqual(came, ['whole', 'whole'])
})

test('who wants a stream has what is at hand as one', async (t) => {
  const came = Promise.withResolvers<string>()
  const { client } = await serve(t, (incoming) => came.resolve(text(incoming.body)))
  client.write('POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nwhole')
  assert.equal(await came.promise, 'whole')
})

test('of a body that came in part nothing is at hand, and the rest comes behind it', async (t) => {
  const came = Promise.withResolvers<string>()
  const contents: unknown[] = []
  const { client } = await serve(t, (incoming) => {
    contents.push(incoming.content)
    came.resolve(text(incoming.body))
    client.write('st')
  })
  client.write('POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nfir')
  assert.equal(await came.promise, 'first')
  assert.deepEqual(contents, [undefined])
})
