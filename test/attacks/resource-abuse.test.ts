// The attacker wants the sidecar dead, deaf or full: by connections that end at the worst moment, floods, and things without end.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { basicConstraints, keyUsage, makeLeaf, makeRoot } from '../support/certificates.ts'
import { forge } from '../../deploy/demo/forge.ts'
import { keyThumbprint } from '../../shared/certificate/thumbprint.ts'
import { send } from '../support/client.ts'
import {
  hosts,
  meshIssuer,
  startMesh,
  type MeshOptions,
  type RunningSidecar,
  type TestMesh,
} from '../support/mesh.ts'
import {
  activeInbound,
  activeSessions,
  assertionName,
  asUser,
  closed,
  gauge,
  handleName,
  mintedClaims,
  open,
  socketCount,
  speak,
  startRaw,
  until,
  untilIdle,
  verdict,
} from './attack.ts'

const listeners = ['inbound', 'outbound', 'admin', 'probes'] as const

const endings: [name: string, bytes: string][] = [
  ['CONNECT', 'CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n'],
  ['CONNECT with something behind it', `CONNECT a.test:443 HTTP/1.1\r\nHost: a\r\n\r\n${'x'.repeat(4_096)}`],
  ['CONNECT to nowhere', 'CONNECT nonsense HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['what is no request', 'hello\r\n\r\n'],
  ['headers that are too large', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(60_000)}\r\n\r\n`],
  ['half a request', 'GET / HTTP/1.1\r\nHost: a\r\nX-Pome'],
  ['a request', 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n'],
  ['two requests', 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n'.repeat(2)],
  ['a body that breaks off', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf'],
  ['chunks that break off', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf'],
  ['an upgrade', 'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n'],
  ['an expectation', 'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n'],
  ['an expectation that is none', 'POST / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n'],
  ['a TLS handshake', '\x16\x03\x01\x00\x05hello'],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
]

for (const listener of listeners) {
  test(`the ${listener} listener survives connections that are reset behind their first bytes`, async (t) => {
    const mesh = await startMesh(t, { run: ['App'] })
    for (const [name, bytes] of endings) {
      await t.test(name, async () => {
        for (let i = 0; i < 30; i++) {
          const socket = await open(mesh.sidecars.App[listener])
          socket.write(bytes, 'latin1', () => socket.resetAndDestroy())
          await closed(socket)
        }
        assert.equal((await send({ port: mesh.sidecars.App.probes, target: '/livez' })).status, 200)
      })
    }
    await untilIdle(mesh.sidecars.App)
  })
}

/** Whether alice is served, as if nothing had happened. */
async function assertServes(mesh: TestMesh): Promise<void> {
  const headers = await asUser(mesh, 'alice')
  assert.equal((await send({ port: mesh.sidecars.App.inbound, headers })).status, 200)
}

/** Each answer of the app closes its connection, so that sockets can be counted. */
async function startWithoutReuse(t: TestContext, options: MeshOptions = {}): Promise<TestMesh> {
  const mesh = await startMesh(t, { run: ['App', 'API'], ...options })
  for (const app of [mesh.apps.App, mesh.apps.API]) {
    app.handler = (request, response) => {
      response.shouldKeepAlive = false
      request.resume().once('end', () => response.end('x'.repeat(50_000)))
    }
  }
  return mesh
}

async function abortMany(port: number, count: number, head: string): Promise<void> {
  const requests = [
    `GET / HTTP/1.1\r\n${head}\r\n\r\n`,
    `POST / HTTP/1.1\r\n${head}\r\nContent-Length: 100000\r\n\r\nhalf`,
    `POST / HTTP/1.1\r\n${head}\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\nhalf`,
    `GET / HTTP/1.1\r\n${head}\r\n\r\n`.repeat(5),
  ]
  for (let done = 0; done < count; done += 40) {
    await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        const socket = await open(port)
        const end = () => (i % 2 === 0 ? socket.resetAndDestroy() : socket.destroy())
        socket.write(requests[i % requests.length] ?? '', () => (i % 3 === 0 ? end() : setImmediate(end)))
        if (i % 5 === 0) socket.once('data', end)
        await closed(socket)
      }),
    )
  }
}

async function untilSocketsAre(count: number): Promise<void> {
  await until(`there are ${count} sockets as before`, async () => {
    await new Promise((resolve) => setImmediate(resolve))
    return socketCount() <= count
  })
}

test('2,000 requests that their clients leave hold nothing: no request, no session, no socket', async (t) => {
  const mesh = await startWithoutReuse(t)
  await assertServes(mesh)
  const before = socketCount()
  const [name, token] = await asUser(mesh, 'alice')
  await abortMany(mesh.sidecars.App.inbound, 2_000, `Host: a\r\n${name}: ${token}`)
  await untilIdle(mesh.sidecars.App)
  await untilSocketsAre(before)
  await assertServes(mesh)
})

test('1,000 calls that the app leaves hold nothing, on either side', async (t) => {
  const mesh = await startWithoutReuse(t)
  await assertServes(mesh)
  await abortMany(mesh.sidecars.App.outbound, 1_000, `Host: ${hosts.API}`)
  for (const sidecar of [mesh.sidecars.App, mesh.sidecars.API]) await untilIdle(sidecar)
  assert.equal((await send({ port: mesh.sidecars.App.outbound, host: hosts.API })).status, 200)
})

test('300 tunnels that the app leaves hold no socket', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { egress: { local: 'allow' } } })
  const upstream = await startRaw(t, (socket) => socket.resume())
  await assertServes(mesh)
  const before = socketCount()
  const connectTo = `CONNECT 127.0.0.1:${upstream} HTTP/1.1\r\nHost: x\r\n\r\n`
  for (let i = 0; i < 300; i++) {
    const socket = await open(mesh.sidecars.App.outbound)
    if (i % 3 === 0) socket.once('data', () => socket.end())
    else if (i % 3 === 1) socket.once('data', () => socket.resetAndDestroy())
    socket.write(connectTo, () => (i % 3 === 2 ? socket.resetAndDestroy() : undefined))
    await closed(socket)
  }
  await untilSocketsAre(before)
})

/** An issuer whose keys come only when the test says so. */
async function startSlowIssuer(t: TestContext) {
  const waiting: (() => void)[] = []
  const state = { isSlow: false, jwks: '{"keys":[]}' }
  const server = createServer((_request, response) => {
    const answer = () => response.end(state.jwks)
    if (state.isSlow) waiting.push(answer)
    else answer()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const release = () => {
    for (const answer of waiting.splice(0)) answer()
  }
  return { state, url, waiting, release }
}

for (const body of ['', 'x'.repeat(200_000)]) {
  test(`a client that leaves while keys are fetched for its token holds nothing (answer of ${body.length} octets)`, async (t) => {
    const issuer = await startSlowIssuer(t)
    let offsetMs = 0
    const options: MeshOptions = { run: ['App'], issuer: { jwks: issuer.url }, clockOffsetMs: () => offsetMs }
    const mesh = await startMesh(t, options)
    mesh.apps.App.handler = (_request, response) => void response.end(body)
    issuer.state.jwks = JSON.stringify({ keys: [mesh.pomerium.signingKey().jwk] })
    issuer.state.isSlow = true
    offsetMs = 6_000
    const [name, token] = await asUser(mesh, 'alice')
    const { App } = mesh.sidecars
    const sockets = await Promise.all(Array.from({ length: 5 }, () => open(App.inbound)))
    for (const socket of sockets) socket.write(`GET / HTTP/1.1\r\nHost: a\r\n${name}: ${token}\r\n\r\n`)
    await until('all requests wait for keys', async () => (await gauge(App, activeInbound)) === 5)
    await until('the issuer is asked', () => issuer.waiting.length === 1)
    for (const socket of sockets) socket.resetAndDestroy()
    await Promise.all(sockets.map((socket) => closed(socket)))
    issuer.state.isSlow = false
    issuer.release()
    await untilIdle(App)
  })
}

test('headers that never end are cut off in time', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { timeouts: { headers: '1s', drain: '1s' } } })
  const sockets = await Promise.all(Array.from({ length: 20 }, () => open(mesh.sidecars.App.inbound)))
  for (const socket of sockets) socket.write('GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ')
  await assertServes(mesh)
  for (const socket of sockets) socket.resume()
  await Promise.all(sockets.map((socket) => closed(socket, 'with half a header section')))
  await untilIdle(mesh.sidecars.App)
})

test('an idle connection, or a body that stops coming, is cut off in time', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { timeouts: { idle: '1s', drain: '1s' } } })
  const [name, token] = await asUser(mesh, 'alice')
  const head = `POST / HTTP/1.1\r\nHost: a\r\n${name}: ${token}`
  const beginnings = [
    '',
    `${head}\r\nContent-Length: 10\r\n\r\nhalf`,
    `${head}\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n`,
  ]
  for (const bytes of beginnings) {
    const socket = await open(mesh.sidecars.App.inbound)
    socket.resume().write(bytes)
    await closed(socket, 'though nothing comes any more')
  }
  await untilIdle(mesh.sidecars.App)
})

const endless: [name: string, framing: string, bytes: string][] = [
  ['a body beyond its limit', 'Transfer-Encoding: chunked', `${'10000\r\n'}${'x'.repeat(65_536)}\r\n`],
  ['a chunk of 2^64 - 1 octets', 'Transfer-Encoding: chunked', `ffffffffffffffff\r\n${'x'.repeat(65_536)}`],
  ['a chunk extension', 'Transfer-Encoding: chunked', `5;${'x'.repeat(65_536)}`],
  ['trailers', 'Transfer-Encoding: chunked', `0\r\nX: ${'x'.repeat(65_536)}`],
  ['a length of 2^64 - 1', 'Content-Length: 18446744073709551615', 'x'.repeat(65_536)],
]
for (const [name, framing, bytes] of endless) {
  test(`${name} without end ends where the limit is`, async (t) => {
    const settings = { limits: { body_bytes: '256KiB' } }
    const mesh = await startMesh(t, { run: ['App'], settings })
    const [header, token] = await asUser(mesh, 'alice')
    const socket = await open(mesh.sidecars.App.inbound)
    let answer = ''
    socket.setEncoding('latin1').on('data', (part: string) => (answer += part))
    socket.write(`POST / HTTP/1.1\r\nHost: a\r\n${header}: ${token}\r\n${framing}\r\n\r\n`)
    const more = () => {
      if (!socket.destroyed) socket.write(bytes, () => setImmediate(more))
    }
    more()
    await closed(socket, 'with a body without end')
    assert.match(verdict(answer), /^(body_too_large|request_malformed|headers_too_large|)$/)
    assert.equal(mesh.apps.App.received.length, 0)
    await untilIdle(mesh.sidecars.App)
    await assertServes(mesh)
  })
}

test('without a limit, a body without end is streamed and held nowhere, and ends with its client', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const arrived = Promise.withResolvers<void>()
  let octets = 0
  mesh.apps.App.handler = (request) => {
    request.on('data', (part: Buffer) => {
      octets += part.length
      if (octets > 20_000_000) arrived.resolve()
    })
  }
  const [header, token] = await asUser(mesh, 'alice')
  const socket = await open(mesh.sidecars.App.inbound)
  socket.write(`POST / HTTP/1.1\r\nHost: a\r\n${header}: ${token}\r\nTransfer-Encoding: chunked\r\n\r\n`)
  const chunk = Buffer.from(`100000\r\n${'x'.repeat(0x100000)}\r\n`)
  const more = () => {
    if (!socket.destroyed) socket.write(chunk, more)
  }
  more()
  await arrived.promise
  assert.ok(process.memoryUsage().arrayBuffers < 100_000_000)
  socket.destroy()
  await untilIdle(mesh.sidecars.App)
})

const bombs: [name: string, lines: string][] = [
  ['5,000 fields', 'X: y\r\n'.repeat(5_000)],
  ['a field of 40 KB', `X: ${'x'.repeat(40_000)}\r\n`],
  ['a name of 40 KB', `${'X'.repeat(40_000)}: y\r\n`],
  ['a target of 40 KB', ''],
  ['200 assertions', `${assertionName}: x\r\n`.repeat(200)],
  ['300 times Connection', 'Connection: a,b,c\r\n'.repeat(300)],
]
for (const [name, lines] of bombs) {
  test(`${name} are refused, and the next request is served`, async (t) => {
    const mesh = await startMesh(t, { run: ['App'] })
    const target = name.startsWith('a target') ? `/${'x'.repeat(40_000)}` : '/'
    const bytes = `GET ${target} HTTP/1.1\r\nHost: a\r\n${lines}\r\n`
    for (let i = 0; i < 50; i++)
      assert.equal(verdict(await speak(mesh.sidecars.App.inbound, bytes)), 'headers_too_large')
    await assertServes(mesh)
    await untilIdle(mesh.sidecars.App)
  })
}

test('a flood of unknown keys asks the issuer once in the while, and good tokens are served meanwhile', async (t) => {
  let offsetMs = 0
  const mesh = await startMesh(t, { run: ['App'], clockOffsetMs: () => offsetMs })
  const { inbound } = mesh.sidecars.App
  const claims = mesh.pomerium.claims('alice', hosts.App)
  for (let round = 1; round <= 3; round++) {
    offsetMs = round * 6_000
    const before = mesh.pomerium.jwksFetches()
    const flood = Array.from({ length: 200 }, async (_, i) => {
      const token = await mesh.pomerium.sign(claims, { header: { alg: 'ES256', kid: `${round}-${i}` } })
      return (await send({ port: inbound, headers: [assertionName, token] })).code
    })
    await assertServes(mesh)
    assert.deepEqual(new Set(await Promise.all(flood)), new Set(['assertion_key_unknown']))
    assert.equal(mesh.pomerium.jwksFetches() - before, 1)
  }
})

test('while the issuer is down, a flood of unknown keys does not shut out those whose keys are known', async (t) => {
  let offsetMs = 0
  const mesh = await startMesh(t, { run: ['App'], clockOffsetMs: () => offsetMs })
  mesh.pomerium.failJwks('status')
  offsetMs = 6_000
  const claims = mesh.pomerium.claims('alice', hosts.App)
  const flood = Array.from({ length: 100 }, async (_, i) => {
    const token = await mesh.pomerium.sign(claims, { header: { alg: 'ES256', kid: `${i}` } })
    return (await send({ port: mesh.sidecars.App.inbound, headers: [assertionName, token] })).code
  })
  await assertServes(mesh)
  assert.deepEqual(new Set(await Promise.all(flood)), new Set(['keys_unavailable']))
  await assertServes(mesh)
})

test('a flood of bad certificates is cut short, does not shut out a known account, and is forgiven in time', async (t) => {
  let offsetMs = 0
  const mesh = await startMesh(t, { run: ['API'], clockOffsetMs: () => offsetMs })
  const { inbound } = mesh.sidecars.API
  const known = await (await mesh.minter('api-access')).assertionFor(hosts.API)
  const ask = async (token: string) => (await send({ port: inbound, headers: [assertionName, token] })).code
  assert.equal(await ask(known), '')
  const validNow = { notBeforeMs: Date.now() - 1_000, notAfterMs: Date.now() + 3_600_000 }
  const evil = makeRoot({ ...validNow, extensions: [basicConstraints(true), keyUsage('keyCertSign')] })
  const codes = new Map<string, number>()
  for (let i = 0; i < 100; i++) {
    const leaf = makeLeaf(evil, `spiffe://${meshIssuer}/api-access`, validNow)
    const header = { alg: 'ES256', kid: keyThumbprint(leaf.keys.publicKey), x5c: [leaf.base64] }
    const code = await ask(forge({ header, payload: mintedClaims('api-access'), key: leaf.keys.privateKey }))
    codes.set(code, (codes.get(code) ?? 0) + 1)
  }
  assert.deepEqual([...codes.keys()], ['assertion_key_unknown', 'overloaded'])
  assert.ok((codes.get('assertion_key_unknown') ?? 0) <= 30, String(codes.get('assertion_key_unknown')))
  assert.equal(await ask(known), '')
  offsetMs = 25_000
  const fresh = await (await mesh.minter('api-access')).assertionFor(hosts.API)
  assert.equal(await ask(fresh), '')
})

async function holdMany(
  mesh: TestMesh,
  count: number,
): Promise<{ codes: string[]; release: () => Promise<void> }> {
  const gate = Promise.withResolvers<void>()
  mesh.apps.App.handler = async (_request, response) => {
    await gate.promise
    response.end()
  }
  const codes: string[] = []
  const all = Array.from({ length: count }, async (_, i) => {
    const headers = await asUser(mesh, `user${i % 100}`)
    codes.push((await send({ port: mesh.sidecars.App.inbound, headers })).code)
  })
  return {
    codes,
    release: async () => {
      gate.resolve()
      await Promise.all(all)
    },
  }
}

const bounds: [name: string, limits: Record<string, unknown>, code: string][] = [
  ['sessions', { session_bytes: '20KiB' }, 'session_unavailable'],
  ['requests', { concurrent_requests: 10 }, 'overloaded'],
]
for (const [name, limits, code] of bounds) {
  test(`at the bound of ${name} the rest are refused, and afterwards all is as before`, async (t) => {
    const mesh = await startMesh(t, { run: ['App'], settings: { limits } })
    for (let round = 0; round < 2; round++) {
      const held = await holdMany(mesh, 60)
      await until('some are refused', () => held.codes.length > 40)
      assert.deepEqual(new Set(held.codes), new Set([code]))
      const active = await gauge(mesh.sidecars.App, activeSessions)
      assert.ok(active > 0 && active <= 20, String(active))
      await held.release()
      await untilIdle(mesh.sidecars.App)
    }
    mesh.apps.App.handler = (_request, response) => void response.end()
    await assertServes(mesh)
  })
}

test('connections beyond limits.connections are not taken, and room is made again', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { limits: { connections: 10 } } })
  const { inbound } = mesh.sidecars.App
  const sockets = Array.from({ length: 30 }, () =>
    connect(inbound, '127.0.0.1')
      .on('error', () => undefined)
      .resume(),
  )
  await until('the rest are closed', () => sockets.filter((each) => each.closed).length >= 20)
  assert.equal(sockets.filter((each) => each.closed).length, 20)
  for (const socket of sockets) socket.destroy()
  await until('there is room', async () => {
    const answer = await send({ port: inbound, headers: await asUser(mesh, 'alice') }).catch(() => undefined)
    return answer?.status === 200
  })
})

test('requests behind each other on one connection count like any others', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { limits: { concurrent_requests: 10 } } })
  const gate = Promise.withResolvers<void>()
  mesh.apps.App.handler = async (_request, response) => {
    await gate.promise
    response.end()
  }
  const [name, token] = await asUser(mesh, 'alice')
  const one = `GET / HTTP/1.1\r\nHost: a\r\n${name}: ${token}\r\n\r\n`
  const socket = await open(mesh.sidecars.App.inbound)
  let answers = ''
  socket.setEncoding('latin1').on('data', (part: string) => (answers += part))
  socket.write(one.repeat(50))
  await until('ten are under way', async () => (await gauge(mesh.sidecars.App, activeInbound)) === 10)
  gate.resolve()
  await closed(socket, 'though a request on it was refused')
  assert.deepEqual(answers.match(/HTTP\/1\.1 \d+/g), [
    ...Array.from({ length: 10 }, () => 'HTTP/1.1 200'),
    'HTTP/1.1 503',
  ])
  assert.equal(answers.match(/x-onbehalf-error: overloaded/g)?.length, 1)
  await untilIdle(mesh.sidecars.App)
})

test('no label of a metric is chosen by a client', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { egress: { unlisted: 'deny' } } })
  const count = async ({ probes }: RunningSidecar) =>
    (await send({ port: probes, target: '/metrics' })).body.split('\n').length
  const one = async (i: number) => {
    const headers = ['X-Forwarded-For', `${i}`, handleName, `h${i}`]
    await send({
      port: mesh.sidecars.App.inbound,
      host: `h${i}.test`,
      target: `/p${i}`,
      method: i % 2 === 0 ? 'PUT' : 'GET',
      headers,
    })
    await send({ port: mesh.sidecars.App.outbound, host: `h${i}.invalid`, target: `/p${i}` })
  }
  for (let i = 0; i < 8; i++) await one(i)
  const before = await count(mesh.sidecars.App)
  for (let i = 8; i < 40; i++) await one(i)
  assert.equal(await count(mesh.sidecars.App), before)
})
