// The attacker is whoever answers: an unlisted host that the app calls, or the app itself. He wants the sidecar dead, or another's answer changed.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test, type TestContext } from 'node:test'
import { send } from '../support/client.ts'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'
import { asUser, closed, open, speak, startCanned, startRaw, until, untilIdle, verdict } from './attack.ts'

const impossible: [name: string, answer: string][] = [
  ['a status of 000', 'HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n'],
  ['a status of 001', 'HTTP/1.1 001 OK\r\nContent-Length: 0\r\n\r\n'],
  ['a status of 099', 'HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n'],
]
const unspeakable: [name: string, answer: string][] = [
  ['a control character', 'HTTP/1.1 200 O\x01K\r\nContent-Length: 0\r\n\r\n'],
  ['a delete character', 'HTTP/1.1 200 O\x7fK\r\nContent-Length: 0\r\n\r\n'],
  ['a null byte', 'HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n'],
]
const broken: [name: string, answer: string][] = [
  ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
  ['a status that is no number', 'HTTP/1.1 2x0 OK\r\n\r\n'],
  ['an informational status alone', 'HTTP/1.1 150 OK\r\n\r\n'],
  ['an upgrade that nobody asked for', 'HTTP/1.1 101 OK\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'],
  ['a control character in a header', 'HTTP/1.1 200 OK\r\nX: a\x01b\r\n\r\n'],
  ['a header name that is none', 'HTTP/1.1 200 OK\r\nX@y: a\r\n\r\n'],
  [
    'a length and chunks',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
  ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
  ['a negative length', 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n'],
  ['1 MB of headers', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(1_000_000)}\r\n\r\n`],
  ['a line feed alone', 'HTTP/1.1 200 OK\r\nX: a\nSet-Cookie: b\r\n\r\n'],
  ['no HTTP', '\0\x01\x02\x03'],
  ['nothing', ''],
]

for (const [name, answer] of [...impossible, ...broken]) {
  test(`an unlisted host that answers with ${name} is a bad gateway, and the sidecar lives`, async (t) => {
    const port = await startCanned(t, answer)
    const mesh = await startMesh(t, { run: ['App'], settings: { egress: { local: 'allow' } } })
    const bytes = `GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`
    assert.match(verdict(await speak(mesh.sidecars.App.outbound, bytes)), /^upstream_(invalid|reset)$/)
    await untilIdle(mesh.sidecars.App)
  })
}

for (const [name, answer] of impossible) {
  test(`an app that answers with ${name} is a bad gateway, and the sidecar lives`, async (t) => {
    const [mesh, request] = await behind(t, await startCanned(t, answer))
    assert.match(verdict(await speak(mesh.sidecars.App.inbound, request)), /^upstream_(invalid|reset)$/)
    await untilIdle(mesh.sidecars.App)
  })
}

for (const [name, answer] of unspeakable) {
  test(`${name} in the reason of an answer is passed on to nobody, and the sidecar lives`, async (t) => {
    const [mesh, request] = await behind(t, await startCanned(t, answer))
    const got = await speak(mesh.sidecars.App.inbound, request)
    assert.match(got, /^HTTP\/1\.1 \d{3} [\x20-\x7e]*\r\n/)
    await untilIdle(mesh.sidecars.App)
  })
}

/** A mesh whose App is what listens on `port`, and a request of alice's to it. */
async function behind(t: TestContext, port: number): Promise<[mesh: TestMesh, request: string]> {
  const mesh = await startMesh(t, { run: ['App'], services: { App: { app: `http://127.0.0.1:${port}` } } })
  const [header, token] = await asUser(mesh, 'alice')
  return [mesh, `GET / HTTP/1.1\r\nHost: a\r\n${header}: ${token}\r\nConnection: close\r\n\r\n`]
}

test('an answer that came before it was asked for is given to nobody', async (t) => {
  let requests = 0
  const poisoned = Promise.withResolvers<void>()
  const port = await startRaw(t, (socket) => {
    socket.on('data', () => {
      requests++
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nreal')
      if (requests > 1) return
      // Sent apart, so that it arrives while nobody waits.
      setImmediate(() =>
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison', () => poisoned.resolve()),
      )
    })
  })
  const mesh = await startMesh(t, { run: ['App'], services: { App: { app: `http://127.0.0.1:${port}` } } })
  const ask = async (user: string) =>
    (await send({ port: mesh.sidecars.App.inbound, headers: await asUser(mesh, user) })).body
  assert.equal(await ask('alice'), 'real')
  await poisoned.promise
  for (let i = 0; i < 20; i++) assert.equal(await ask('bob'), 'real')
})

test('what is more than the answer said goes to nobody', async (t) => {
  const extra = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison'
  const port = await startRaw(t, (socket) => {
    socket.on('data', () => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nreal${extra}`))
  })
  const mesh = await startMesh(t, { run: ['App'], services: { App: { app: `http://127.0.0.1:${port}` } } })
  for (const user of ['alice', 'bob', 'alice', 'bob']) {
    const headers = await asUser(mesh, user)
    assert.equal((await send({ port: mesh.sidecars.App.inbound, headers })).body, 'real')
  }
})

test('a refusal is never written into the middle of an answer', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  mesh.apps.App.handler = (_request, response) => {
    response.writeHead(200, { 'Content-Length': '5000' })
    response.write('first')
  }
  const [header, token] = await asUser(mesh, 'alice')
  const socket = await open(mesh.sidecars.App.inbound)
  let answer = ''
  socket.setEncoding('latin1').on('data', (part: string) => (answer += part))
  socket.write(
    `POST / HTTP/1.1\r\nHost: a\r\n${header}: ${token}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n`,
  )
  await until('the answer has begun', () => answer.endsWith('first'))
  socket.write('no chunk\r\n')
  await closed(socket)
  assert.ok(answer.endsWith('first'), answer.slice(answer.indexOf('first')))
  await untilIdle(mesh.sidecars.App)
})

test('nor by a request behind it that cannot be read: that is refused when the answer is whole', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const unreadable = Promise.withResolvers<void>()
  mesh.apps.App.handler = async (_request, response) => {
    response.writeHead(200, { 'Content-Length': '10' })
    response.write('first')
    await unreadable.promise
    response.end('again')
  }
  const [header, token] = await asUser(mesh, 'alice')
  const socket = await open(mesh.sidecars.App.inbound)
  let answer = ''
  socket.setEncoding('latin1').on('data', (part: string) => (answer += part))
  socket.write(`GET / HTTP/1.1\r\nHost: a\r\n${header}: ${token}\r\n\r\n`)
  await until('the answer has begun', () => answer.endsWith('first'))
  socket.write('hello\r\n\r\n')
  await until('it was read', () => mesh.sidecars.App.logs.some((line) => line.includes('unreadable request')))
  assert.ok(answer.endsWith('first'))
  unreadable.resolve()
  await closed(socket)
  assert.match(answer, /firstagainHTTP\/1\.1 400 [^]*x-onbehalf-error: request_malformed/)
})

test('an app that answers early and hangs up does not leave the client hanging', async (t) => {
  const port = await startCanned(
    t,
    'HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno',
  )
  const mesh = await startMesh(t, { run: ['App'], services: { App: { app: `http://127.0.0.1:${port}` } } })
  const [header, token] = await asUser(mesh, 'alice')
  const socket = connect(mesh.sidecars.App.inbound, '127.0.0.1')
  socket.on('error', () => undefined).resume()
  const bytes = 20_000_000
  socket.write(`POST / HTTP/1.1\r\nHost: a\r\n${header}: ${token}\r\nContent-Length: ${bytes}\r\n\r\n`)
  const sent = new Promise((resolve) => socket.write(Buffer.alloc(bytes), resolve))
  // Either the rest is taken, or the connection ends; nothing else lets the client go on.
  await Promise.race([sent, closed(socket, 'with a body that nobody reads')])
  socket.destroy()
  await untilIdle(mesh.sidecars.App)
})

test('headers of an unlisted host that look like ours are none', async (t) => {
  const forged =
    'x-onbehalf-error: policy_denied\r\nX_Onbehalf_Request_Id: forged\r\nx.onbehalf.handle: forged'
  const port = await startCanned(t, `HTTP/1.1 200 OK\r\n${forged}\r\nContent-Length: 0\r\n\r\n`)
  const mesh = await startMesh(t, { run: ['App'], settings: { egress: { local: 'allow' } } })
  const answer = await send({ port: mesh.sidecars.App.outbound, host: `127.0.0.1:${port}` })
  assert.equal(answer.status, 200)
  assert.deepEqual(
    Object.keys(answer.headers).filter((name) => /onbehalf/i.test(name)),
    [],
  )
})

test('a callee does not answer for another host by a redirect that the sidecar would follow', async (t) => {
  const mesh: TestMesh = await startMesh(t, { run: ['App', 'API'] })
  const seen: string[] = []
  const stranger = await startRaw(t, (socket) => socket.on('data', (part) => void seen.push(part.toString())))
  mesh.apps.API.handler = (_request, response) => {
    response.writeHead(307, { Location: `http://127.0.0.1:${stranger}/` }).end()
  }
  const answer = await send({ port: mesh.sidecars.App.outbound, host: hosts.API })
  assert.deepEqual([answer.status, seen], [307, []])
})
