// The attacker answers, or asks, with fields named as what every object of JavaScript inherits, and wants the sidecar dead.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { startMesh, type TestMesh } from '../support/mesh.ts'
import { asUser, startRaw, untilIdle, speak } from './attack.ts'

/** Those in lower case: names of fields have no other in HTTP/2. */
const names = ['constructor', '__proto__']

/** What an app of HTTP/1.1 says to each request. */
async function behind(t: TestContext, answer: string): Promise<TestMesh> {
  const port = await startRaw(t, (socket) => {
    socket.once('data', (bytes) => {
      // The sidecar asks in HTTP/2 first.
      const isHttp1 = !bytes.toString('latin1').startsWith('PRI ')
      socket.end(isHttp1 ? answer : 'HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n')
    })
  })
  return startMesh(t, { run: ['App'], services: { App: { app: `http://127.0.0.1:${port}` } } })
}

interface Heard {
  readonly status: number
  readonly interim: IncomingHttpHeaders
  readonly trailers: IncomingHttpHeaders
}

/** A request of alice's in HTTP/2. */
async function ask(t: TestContext, mesh: TestMesh): Promise<Heard> {
  const session = connect(`http://127.0.0.1:${mesh.sidecars.App.inbound}`)
  t.after(() => session.destroy())
  const [name = '', token = ''] = await asUser(mesh, 'alice')
  const stream = session.request({ ':path': '/', [name.toLowerCase()]: token })
  let interim: IncomingHttpHeaders = {}
  let trailers: IncomingHttpHeaders = {}
  stream.on('headers', (fields) => (interim = fields)).on('trailers', (fields) => (trailers = fields))
  const [head] = await once(stream, 'response')
  stream.resume()
  await once(stream, 'close')
  return { status: head[':status'], interim, trailers }
}

for (const name of names) {
  const field = `${name}: of an answer\r\n`

  test(`a trailer ${name} of an answer is passed on in HTTP/2 as any other`, async (t) => {
    const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n'
    const mesh = await behind(t, `${head}2\r\nhi\r\n0\r\n${field}${field}\r\n`)
    const { status, trailers } = await ask(t, mesh)
    assert.equal(status, 200)
    assert.equal(trailers[name.toLowerCase()], 'of an answer, of an answer')
    await untilIdle(mesh.sidecars.App)
  })

  test(`${name} in a 1xx answer is passed on in HTTP/2 as any other`, async (t) => {
    const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi'
    const mesh = await behind(t, `HTTP/1.1 103 Early Hints\r\n${field}\r\n${answer}`)
    const { status, interim } = await ask(t, mesh)
    assert.equal(status, 200)
    assert.equal(interim[name.toLowerCase()], 'of an answer')
    await untilIdle(mesh.sidecars.App)
  })

  test(`a trailer ${name} of a request is passed on in HTTP/2 as any other`, async (t) => {
    const { promise: heard, resolve } = Promise.withResolvers<IncomingHttpHeaders>()
    const app = createServer().listen(0, '127.0.0.1')
    app.on('stream', (stream: ServerHttp2Stream) => {
      stream.resume().once('trailers', resolve)
      stream.once('end', () => {
        stream.respond({ ':status': 200 })
        stream.end()
      })
    })
    await once(app, 'listening')
    t.after(() => app.close())
    const { port } = app.address() as AddressInfo
    const mesh = await startMesh(t, { run: ['App'], services: { App: { app: `h2c://127.0.0.1:${port}` } } })
    const head = `POST / HTTP/1.1\r\nHost: a\r\n${(await asUser(mesh, 'alice')).join(': ')}\r\nTransfer-Encoding: chunked`
    const bytes = `${head}\r\nConnection: close\r\n\r\n2\r\nhi\r\n0\r\n${name}: of a request\r\n\r\n`
    assert.match(await speak(mesh.sidecars.App.inbound, bytes), /^HTTP\/1\.1 200 /)
    assert.equal((await heard)[name.toLowerCase()], 'of a request')
    await untilIdle(mesh.sidecars.App)
  })
}
