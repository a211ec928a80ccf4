// The attacker sends a field twice, as a client or as an upstream, that Node's HTTP/2 takes but once where it is written from an object, and wants the sidecar to end.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { hosts, startMesh } from '../support/mesh.ts'
import { asUser, speak, startCanned } from './attack.ts'

const limit = { timeout: 15_000 }

/** The status that a client in HTTP/2 sees of a raw answer. */
async function answered(t: TestContext, raw: string): Promise<unknown> {
  const to = `http://127.0.0.1:${await startCanned(t, raw)}`
  const mesh = await startMesh(t, { run: ['App'], routes: { Ledger: { to } } })
  const session = connect(`http://127.0.0.1:${mesh.sidecars.App.outbound}`)
  t.after(() => session.destroy())
  session.on('error', () => undefined)
  const stream = session.request({ ':path': '/', ':authority': hosts.Ledger })
  stream.on('error', () => undefined)
  const [headers] = (await once(stream, 'response')) as [Record<string, unknown>]
  stream.resume()
  await once(stream, 'close')
  return headers[':status']
}

test('in an interim answer', limit, async (t) => {
  const interim = 'HTTP/1.1 103 Early Hints\r\nDate: a\r\nDate: b\r\n\r\n'
  assert.equal(await answered(t, `${interim}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi`), 200)
})

test('in the trailers of an answer', limit, async (t) => {
  const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: ETag\r\n\r\n'
  assert.equal(await answered(t, `${head}2\r\nhi\r\n0\r\nETag: a\r\nETag: b\r\n\r\n`), 200)
})

test('in the trailers of a request', limit, async (t) => {
  const server = createServer().on('stream', (stream: ServerHttp2Stream) => {
    stream.on('error', () => undefined)
    stream.resume().once('end', () => {
      stream.respond()
      stream.end('served')
    })
  })
  server.on('session', (session) => t.after(() => session.destroy()))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => void server.close())
  const app = `h2c://127.0.0.1:${(server.address() as AddressInfo).port}`
  const mesh = await startMesh(t, { run: ['App'], services: { App: { app } } })
  const [header, token] = await asUser(mesh, 'alice')
  const head = `POST / HTTP/1.1\r\nHost: a\r\n${header}: ${token}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: ETag\r\n\r\n`
  const answer = await speak(mesh.sidecars.App.inbound, `${head}2\r\nhi\r\n0\r\nETag: a\r\nETag: b\r\n\r\n`)
  assert.match(answer, /served|x-onbehalf-error/)
})
