// HTTP/2 in clear text on the ports of HTTP/1.1: what comes, what goes on, and what must not look whole.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import {
  connect,
  createServer,
  type ClientHttp2Session,
  type Http2Server,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { buffer, text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { send } from '../support/client.ts'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'

type Serve = (stream: ServerHttp2Stream, raw: string[]) => void

async function startHttp2App(t: TestContext, serve: Serve): Promise<string> {
  const server: Http2Server = createServer()
  server.on('stream', (stream: ServerHttp2Stream, _headers, _flags, raw: string[]) => {
    stream.on('error', () => undefined)
    serve(stream, raw)
  })
  const sessions = new Set<{ destroy(): void }>()
  server.on('session', (session) => sessions.add(session))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const session of sessions) session.destroy()
  })
  return `h2c://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function open(t: TestContext, port: number): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`)
  session.on('error', () => undefined)
  t.after(() => session.destroy())
  return session
}

async function asAlice(mesh: TestMesh): Promise<string[]> {
  return ['x-pomerium-jwt-assertion', await mesh.pomerium.assertion('alice', hosts.App)]
}

const line = (method: string, path: string) => [
  ':method',
  method,
  ':scheme',
  'http',
  ':authority',
  hosts.App,
  ':path',
  path,
]

test('a request in HTTP/2 reaches an app that speaks it, with trailers both ways and the identity on it', async (t) => {
  const seen: { raw: string[]; body: string; trailers: string[] } = { raw: [], body: '', trailers: [] }
  const app = await startHttp2App(t, (stream, raw) => {
    seen.raw = raw
    stream.on('trailers', (_headers, _flags, trailers) => (seen.trailers = trailers))
    void text(stream).then((body) => {
      seen.body = body
      stream.respond([':status', '201', 'x-answer', 'yes'], { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-checksum': 'c' }))
      stream.end('answer')
    })
  })
  const mesh = await startMesh(t, { run: ['App'], services: { App: { app } } })
  const session = open(t, mesh.sidecars.App.inbound)
  const request = session.request([...line('POST', '/a?b'), ...(await asAlice(mesh))], {
    waitForTrailers: true,
  })
  request.on('wantTrailers', () => request.sendTrailers({ 'x-last': 'l', 'x-pomerium-claim-email': 'eve' }))
  const trailers = once(request, 'trailers')
  request.end('body')
  const [headers] = await once(request, 'response')
  assert.deepEqual([headers[':status'], headers['x-answer'], await text(request)], [201, 'yes', 'answer'])
  assert.deepEqual(((await trailers) as [unknown, unknown, string[]])[2], ['x-checksum', 'c'])
  assert.deepEqual([seen.body, seen.trailers], ['body', ['x-last', 'l']])
  const user = seen.raw.indexOf('x-pomerium-authenticated-user-id')
  assert.equal(seen.raw[user + 1], 'alice-id')
})

test('HTTP/2 and HTTP/1.1 meet in both directions', async (t) => {
  const app = await startHttp2App(t, (stream, raw) => {
    stream.respond({ ':status': 200, 'x-path': raw[raw.indexOf(':path') + 1] })
    stream.pipe(stream)
  })
  const mesh = await startMesh(t, { run: ['App', 'API'], services: { App: { app } } })
  const answer = await send({
    port: mesh.sidecars.App.inbound,
    method: 'POST',
    target: '/up',
    body: 'hello',
    headers: await asAlice(mesh),
  })
  assert.deepEqual([answer.status, answer.headers['x-path'], answer.body], [200, '/up', 'hello'])
})

test('a request that is reset before its end does not look whole to the app', async (t) => {
  const outcome = Promise.withResolvers<string>()
  const begun = Promise.withResolvers<void>()
  const mesh = await startMesh(t, { run: ['App'] })
  mesh.apps.App.handler = (request) => {
    begun.resolve()
    request.once('end', () => outcome.resolve('whole'))
    request.once('error', () => outcome.resolve('broken off'))
    request.resume()
  }
  const request = open(t, mesh.sidecars.App.inbound).request([...line('POST', '/'), ...(await asAlice(mesh))])
  request.on('error', () => undefined)
  request.write('half')
  await begun.promise
  request.destroy()
  assert.equal(await outcome.promise, 'broken off')
})

test('a refusal has its status and its code', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const request = open(t, mesh.sidecars.App.inbound).request(line('GET', '/'))
  const [headers] = await once(request, 'response')
  assert.deepEqual([headers[':status'], headers['x-onbehalf-error']], [401, 'assertion_missing'])
  assert.match((await buffer(request)).toString(), /"error":"assertion_missing"/)
})
