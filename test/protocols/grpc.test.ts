// gRPC through one sidecar and through two: all kinds of calls, their ends, and refusals in its own words.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { status, type Client, type Metadata, type ServiceError } from '@grpc/grpc-js'
import { freePorts } from '../../deploy/demo/ports.ts'
import { hosts, startMesh, type MeshOptions, type TestMesh } from '../support/mesh.ts'
import { connectGrpc, metadataOf, methods, startGrpcApp, type GrpcApp } from './grpc-ground.ts'
import { aliceHeaders } from './websocket-ground.ts'

interface Ground {
  readonly mesh: TestMesh
  readonly app: GrpcApp
  readonly client: Client
  readonly metadata: Metadata
}

async function start(t: TestContext, options: MeshOptions = {}): Promise<Ground> {
  const app = await startGrpcApp(t)
  const services = { App: { app: `http://127.0.0.1:${app.port}` } }
  const mesh = await startMesh(t, { run: ['App'], services, ...options })
  const client = connectGrpc(t, mesh.sidecars.App.inbound, hosts.App)
  return { mesh, app, client, metadata: metadataOf(await aliceHeaders(mesh)) }
}

interface UnaryAnswer {
  readonly message: Buffer | undefined
  readonly error: ServiceError | null
  readonly trailers: Metadata | undefined
}

function callUnary(
  client: Client,
  method: keyof typeof methods,
  message: Buffer,
  metadata: Metadata,
  options: { deadline?: Date } = {},
): { answered: Promise<UnaryAnswer>; cancel(): void } {
  const { promise, resolve } = Promise.withResolvers<UnaryAnswer>()
  const outcome: { error: ServiceError | null; message: Buffer | undefined } = {
    error: null,
    message: undefined,
  }
  const { path, requestSerialize, responseDeserialize } = methods[method]
  const call = client.makeUnaryRequest(
    path,
    requestSerialize,
    responseDeserialize,
    message,
    metadata,
    options,
    (error, answer) => Object.assign(outcome, { error, message: answer }),
  )
  call.on('status', ({ metadata: trailers }) => setImmediate(() => resolve({ ...outcome, trailers })))
  return { answered: promise, cancel: () => call.cancel() }
}

test('a unary call carries its message, its metadata and its trailers, and the identity', async (t) => {
  const { app, client, metadata } = await start(t)
  metadata.set('x-bytes-bin', Buffer.from([1, 0, 255]))
  const { answered } = callUnary(client, 'unary', Buffer.from('hello'), metadata)
  const { message, error, trailers } = await answered
  assert.equal(error, null)
  assert.equal(message?.toString(), 'hello')
  assert.deepEqual(trailers?.get('x-trailer'), ['last'])
  assert.deepEqual(trailers?.get('x-bytes-bin'), [Buffer.from([0, 255])])
  assert.deepEqual(app.calls[0]?.get('x-bytes-bin'), [Buffer.from([1, 0, 255])])
  assert.deepEqual(app.calls[0]?.get('x-pomerium-authenticated-user-id'), ['alice-id'])
})

test('a message of 4 MB passes, and a hundred calls at once each get their own answer', async (t) => {
  const { client, metadata } = await start(t)
  const large = Buffer.alloc(4 * 1024 * 1024, 7)
  assert.ok((await callUnary(client, 'unary', large, metadata).answered).message?.equals(large))
  const answers = Array.from({ length: 100 }, async (_, i) => {
    const { message } = await callUnary(client, 'unary', Buffer.from(`call ${i}`), metadata).answered
    return message?.toString() === `call ${i}`
  })
  assert.deepEqual([...new Set(await Promise.all(answers))], [true])
})

test('a stream of the client, one of the server, and both at once', async (t) => {
  const { client, metadata } = await start(t)
  const { path, requestSerialize: as } = methods.clientStream
  const joined = Promise.withResolvers<Buffer | undefined>()
  const up = client.makeClientStreamRequest(path, as, as, metadata, {}, (_error, answer?: Buffer) =>
    joined.resolve(answer),
  )
  for (const part of ['a', 'b', 'c']) up.write(Buffer.from(part))
  up.end()
  assert.equal((await joined.promise)?.toString(), 'abc')

  const down = client.makeServerStreamRequest(
    methods.serverStream.path,
    as,
    as,
    Buffer.from('xyz'),
    metadata,
    {},
  )
  const got: string[] = []
  for await (const part of down) got.push(String(part))
  assert.deepEqual(got, ['x', 'y', 'z'])

  const both = client.makeBidiStreamRequest(methods.bidi.path, as, as, metadata, {})
  for (const part of ['one', 'two']) {
    both.write(Buffer.from(part))
    // Each answer comes while both sides are still open.
    const [answer] = (await once(both, 'data')) as [Buffer]
    assert.equal(answer.toString(), part)
  }
  both.end()
  const [{ code }] = (await once(both, 'status')) as [{ code: number }]
  assert.equal(code, status.OK)
})

test('an error has its code, its message and its metadata', async (t) => {
  const { client, metadata } = await start(t)
  const { error } = await callUnary(client, 'fails', Buffer.from('x'), metadata).answered
  assert.deepEqual([error?.code, error?.details], [status.FAILED_PRECONDITION, 'not now: 100 %'])
  assert.deepEqual(error?.metadata.get('x-why'), ['because'])
})

test('a deadline that passes, and a call that is cancelled, are heard of by the app', async (t) => {
  const first = await start(t)
  const deadline = new Date(Date.now() + 300)
  const late = callUnary(first.client, 'never', Buffer.from('x'), first.metadata, { deadline })
  assert.equal((await late.answered).error?.code, status.DEADLINE_EXCEEDED)
  await first.app.cancelled
  const second = await start(t)
  const call = callUnary(second.client, 'never', Buffer.from('x'), second.metadata)
  await second.app.begun
  call.cancel()
  assert.equal((await call.answered).error?.code, status.CANCELLED)
  await second.app.cancelled
})

test('what the sidecar refuses is a gRPC status with the code beside it', async (t) => {
  const { mesh, client } = await start(t)
  const { error } = await callUnary(client, 'unary', Buffer.from('x'), metadataOf({})).answered
  assert.equal(error?.code, status.UNAUTHENTICATED)
  assert.match(error?.details ?? '', /Come through Pomerium/)
  assert.deepEqual(error?.metadata.get('x-onbehalf-error'), ['assertion_missing'])
  const mallory = metadataOf({
    'x-pomerium-jwt-assertion': await mesh.pomerium.assertion('mallory', hosts.App),
  })
  const denied = await callUnary(client, 'unary', Buffer.from('x'), mallory).answered
  assert.equal(denied.error?.code, status.PERMISSION_DENIED)
})

test('an app that is not there is UNAVAILABLE', async (t) => {
  const [port] = await freePorts(1)
  const { client, metadata } = await start(t, { services: { App: { app: `http://127.0.0.1:${port}` } } })
  const { error } = await callUnary(client, 'unary', Buffer.from('x'), metadata).answered
  assert.equal(error?.code, status.UNAVAILABLE)
  assert.deepEqual(error?.metadata.get('x-onbehalf-error'), ['upstream_refused'])
})

test('a call that an app makes to another service carries the user on', async (t) => {
  const api = await startGrpcApp(t)
  const services = { API: { app: `http://127.0.0.1:${api.port}` } }
  const mesh = await startMesh(t, { run: ['App', 'API'], services })
  const outcome = Promise.withResolvers<UnaryAnswer>()
  const inner = connectGrpc(t, mesh.sidecars.App.outbound, hosts.API)
  mesh.apps.App.handler = (request, response) => {
    const handle = metadataOf({ 'x-onbehalf-handle': String(request.headers['x-onbehalf-handle']) })
    void callUnary(inner, 'unary', Buffer.from('inner'), handle).answered.then((answer) => {
      outcome.resolve(answer)
      response.end()
    })
  }
  const headers = { Host: hosts.App, ...(await aliceHeaders(mesh)) }
  await (await fetch(`http://127.0.0.1:${mesh.sidecars.App.inbound}/`, { headers })).text()
  const { message, error } = await outcome.promise
  assert.deepEqual([message?.toString(), error], ['inner', null])
  assert.deepEqual(api.calls[0]?.get('x-pomerium-original-user-id'), ['alice-id'])
  assert.deepEqual(api.calls[0]?.get('x-onbehalf-chain'), ['api-access'])
})
