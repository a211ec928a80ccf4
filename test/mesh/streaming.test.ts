// Bodies stream both ways, at the pace of the slower side, and end together.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'

const assertionName = 'X-Pomerium-Jwt-Assertion'

async function open(mesh: TestMesh, method: string) {
  const token = await mesh.pomerium.assertion('alice', hosts.App)
  return httpRequest({
    host: '127.0.0.1',
    port: mesh.sidecars.App.inbound,
    method,
    headers: { [assertionName]: token },
    agent: false,
  })
}

test('32 MiB go up and come back the same', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  mesh.apps.App.handler = (request, response) => void request.pipe(response)
  const request = await open(mesh, 'POST')
  const [up, down] = [createHash('sha256'), createHash('sha256')]
  const sending = (async () => {
    for (let i = 0; i < 512; i++) {
      const chunk = randomBytes(65_536)
      up.update(chunk)
      if (!request.write(chunk)) await once(request, 'drain')
    }
    request.end()
  })()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  for await (const chunk of response) down.update(chunk as Buffer)
  await sending
  assert.equal(down.digest('hex'), up.digest('hex'))
})

test('an answer arrives as it is written, not when it is whole', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const seen = Promise.withResolvers<void>()
  mesh.apps.App.handler = async (_request, response) => {
    response.write('first')
    await seen.promise
    response.end('second')
  }
  const request = await open(mesh, 'GET')
  request.end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const [first] = (await once(response, 'data')) as [Buffer]
  assert.equal(first.toString(), 'first')
  seen.resolve()
  const [second] = (await once(response, 'data')) as [Buffer]
  assert.equal(second.toString(), 'second')
})

test('a client that does not read holds the app back, and the sidecar does not fill up', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  let written = 0
  const stuck = Promise.withResolvers<void>()
  mesh.apps.App.handler = async (_request, response) => {
    const chunk = Buffer.alloc(65_536)
    while (written < 256 * 1024 * 1024) {
      written += chunk.length
      if (response.write(chunk)) continue
      const drained = once(response, 'drain').then(() => 'drained')
      const waited = new Promise((resolve) => setTimeout(resolve, 500, 'stuck'))
      if ((await Promise.race([drained, waited])) === 'stuck') break
    }
    stuck.resolve()
  }
  const request = await open(mesh, 'GET')
  request.end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  response.pause()
  await stuck.promise
  assert.ok(written < 64 * 1024 * 1024, `${written} bytes were taken from the app`)
  request.destroy()
})

test('a client that leaves ends the request at the app', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const arrived = Promise.withResolvers<void>()
  const left = Promise.withResolvers<void>()
  mesh.apps.App.handler = async (_request, response) => {
    arrived.resolve()
    response.once('close', left.resolve)
    await left.promise
  }
  const request = await open(mesh, 'GET')
  request.on('error', () => undefined)
  request.end()
  await arrived.promise
  request.destroy()
  await left.promise
})

test('an upload that breaks off is aborted at the app, never ended', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const outcome = Promise.withResolvers<string>()
  mesh.apps.App.handler = async (request) => {
    request.once('end', () => outcome.resolve('ended'))
    request.once('error', () => outcome.resolve('aborted'))
    request.resume()
  }
  const request = await open(mesh, 'POST')
  request.on('error', () => undefined)
  request.write('first')
  setTimeout(() => request.destroy(), 50)
  assert.equal(await outcome.promise, 'aborted')
})

test('a request whose chunks break is aborted at the app, never ended', async (t) => {
  const { connect } = await import('node:net')
  const mesh = await startMesh(t, { run: ['App'] })
  const outcome = Promise.withResolvers<string>()
  mesh.apps.App.handler = async (request) => {
    request.once('end', () => outcome.resolve('ended'))
    request.once('error', () => outcome.resolve('aborted'))
    request.once('data', () => socket.write('not a chunk\r\n'))
  }
  const socket = connect(mesh.sidecars.App.inbound, '127.0.0.1')
  socket.on('error', () => undefined).resume()
  const token = await mesh.pomerium.assertion('alice', hosts.App)
  socket.write(
    `POST / HTTP/1.1\r\nHost: a\r\n${assertionName}: ${token}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n`,
  )
  assert.equal(await outcome.promise, 'aborted')
  socket.destroy()
})

test('several Set-Cookie and repeated fields arrive as they were sent, both ways', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const repeated: string[] = []
  mesh.apps.App.handler = (request, response) => {
    repeated.push(...request.rawHeaders.filter((_, i) => request.rawHeaders[i - 1] === 'X-Repeated'))
    response.writeHead(200, ['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2'])
    response.end()
  }
  const token = await mesh.pomerium.assertion('alice', hosts.App)
  const request = httpRequest({
    host: '127.0.0.1',
    port: mesh.sidecars.App.inbound,
    headers: ['Host', 'a', assertionName, token, 'X-Repeated', '1', 'X-Repeated', '2'],
    agent: false,
  }).end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  response.resume()
  assert.deepEqual(repeated, ['1', '2'])
  assert.deepEqual(response.headers['set-cookie'], ['a=1', 'b=2'])
})
