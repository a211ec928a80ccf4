// How the stand-in forwards: bytes as they came, streaming both ways, and an upstream that is not there.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { appHost, asAlice, received, send, startPair, startUpstream } from './echo.ts'

test('method, path, query and body pass as they came', async () => {
  await using pair = await startPair()
  const path = '/a%2fb/../c?x=1&x=%20'
  const echo = await received(pair.pomerium, { method: 'PUT', path, body: 'payload', headers: asAlice })
  assert.deepEqual([echo.method, echo.path, echo.body], ['PUT', path, 'payload'])
})

test('the upstream is called by its own host', async () => {
  await using pair = await startPair()
  const { headers } = await received(pair.pomerium, { headers: asAlice })
  assert.match(String(headers.host), /^127\.0\.0\.1:\d+$/)
})

test('an answer streams: its first part arrives before the request has ended', async () => {
  await using pair = await startPair()
  const upstream = await startUpstream((request) => request.setEncoding('utf8') as AsyncIterable<string>)
  pair.pomerium.setRoute(appHost, { to: upstream.url })
  const headers = { host: appHost, ...asAlice }
  const request = httpRequest(pair.pomerium.url, { method: 'POST', agent: false, headers })
  request.write('first')
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const [part] = (await once(response, 'data')) as [Buffer]
  assert.equal(part.toString(), 'first')
  request.end()
  response.resume()
  await once(response, 'end')
  await upstream.close()
})

test('an upstream that is not there gives 503', async () => {
  await using pair = await startPair()
  const gone = await startUpstream(async () => '')
  await gone.close()
  pair.pomerium.setRoute(appHost, { to: gone.url })
  assert.equal((await send(pair.pomerium, { headers: asAlice })).status, 503)
})

test('a client that leaves ends the request to the upstream', async () => {
  await using pair = await startPair()
  const { promise: seen, resolve } = Promise.withResolvers<IncomingMessage>()
  const upstream = await startUpstream((request) => (resolve(request), new Promise(() => {})))
  pair.pomerium.setRoute(appHost, { to: upstream.url })
  const request = httpRequest(pair.pomerium.url, {
    agent: false,
    headers: { host: appHost, ...asAlice },
  }).end()
  request.on('error', () => {})
  const { socket } = await seen
  request.destroy()
  await once(socket, 'close')
  await upstream.close()
})
