// gRPC from an app to another service, through both of their sidecars in mutual TLS: what one sidecar could spoil, and what only two can.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import {
  Metadata,
  status,
  type Client,
  type ClientDuplexStream,
  type ClientUnaryCall,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  type ServiceError,
  type StatusObject,
} from '@grpc/grpc-js'
import { freePorts } from '../../deploy/demo/ports.ts'
import type { MeshOptions } from '../support/mesh.ts'
import { connectGrpc, metadataOf, method, methods, startGrpcApp, type GrpcApp } from './grpc-ground.ts'
import { securedWay, startWay } from './ways.ts'

const asIs = (bytes: Buffer): Buffer => bytes

interface Ground {
  readonly app: GrpcApp
  readonly client: Client
  readonly metadata: Metadata
}

async function start(t: TestContext, options: MeshOptions = {}): Promise<Ground> {
  const app = await startGrpcApp(t)
  const { to } = await startWay(t, securedWay, `http://127.0.0.1:${app.port}`, options)
  return { app, client: connectGrpc(t, to.port, to.host), metadata: metadataOf(to.headers) }
}

interface Answered {
  readonly error: ServiceError | null
  readonly message: Buffer | undefined
}

function unary(
  { client, metadata }: Pick<Ground, 'client' | 'metadata'>,
  path: string,
  message: Buffer = Buffer.alloc(0),
): { answered: Promise<Answered>; call: ClientUnaryCall } {
  const { promise, resolve } = Promise.withResolvers<Answered>()
  const call = client.makeUnaryRequest(path, asIs, asIs, message, metadata, {}, (error, answer) =>
    resolve({ error, message: answer }),
  )
  return { answered: promise, call }
}

function bidi({ client, metadata }: Ground, path: string, options = {}): ClientDuplexStream<Buffer, Buffer> {
  const call = client.makeBidiStreamRequest(path, asIs, asIs, metadata, options)
  call.on('error', () => undefined)
  return call
}

/** Whatever it is: of an error, too. */
function statusOf(call: ClientDuplexStream<Buffer, Buffer>): Promise<StatusObject> {
  return new Promise((resolve) => call.once('status', resolve))
}

type Held = ServerDuplexStream<Buffer, Buffer>
const held = { held: method('Held', true, true, 'test.Held') }

/** Each call is given to the test, which alone answers it. */
function holdCalls({ app }: Ground): { next(): Promise<Held> } {
  const calls: Held[] = []
  const waiting: ((call: Held) => void)[] = []
  app.server.addService(held, {
    held(call: Held) {
      call.on('error', () => undefined)
      const give = waiting.shift()
      if (give === undefined) calls.push(call)
      else give(call)
    },
  })
  return {
    next: async () => calls.shift() ?? new Promise<Held>((resolve) => waiting.push(resolve)),
  }
}

async function isEchoed(call: ClientDuplexStream<Buffer, Buffer>, word: string): Promise<boolean> {
  call.write(Buffer.from(word))
  const [answer] = (await once(call, 'data')) as [Buffer]
  return String(answer) === word
}

test('three hundred calls are open at once, each with its own messages', async (t) => {
  const ground = await start(t)
  const calls = Array.from({ length: 300 }, () => bidi(ground, methods.bidi.path))
  for (const round of ['first', 'second']) {
    const answers = await Promise.all(calls.map((call, i) => isEchoed(call, `${round} of ${i}`)))
    assert.deepEqual([...new Set(answers)], [true])
  }
  for (const call of calls) call.end()
  const codes = await Promise.all(calls.map(async (call) => (await statusOf(call)).code))
  assert.deepEqual([...new Set(codes)], [status.OK])
})

test('messages of 4 MB go both ways on one stream', async (t) => {
  const ground = await start(t)
  const call = bidi(ground, methods.bidi.path)
  for (let i = 0; i < 4; i++) {
    const message = randomBytes(4 * 1024 * 1024)
    call.write(message)
    const [answer] = (await once(call, 'data')) as [Buffer]
    assert.ok(answer.equals(message))
  }
  call.end()
  assert.equal((await statusOf(call)).code, status.OK)
})

test('the app knows the deadline, and hears that it has passed', async (t) => {
  const ground = await start(t)
  const calls = holdCalls(ground)
  const deadline = new Date(Date.now() + 500)
  const call = bidi(ground, held.held.path, { deadline })
  const atApp = await calls.next()
  const cancelled = once(atApp, 'cancelled')
  assert.ok(Number(atApp.getDeadline()) <= Number(deadline) + 500)
  assert.equal((await statusOf(call)).code, status.DEADLINE_EXCEEDED)
  await cancelled
})

test('a call that is cancelled in the middle is heard of by the app', async (t) => {
  const ground = await start(t)
  const calls = holdCalls(ground)
  const call = bidi(ground, held.held.path)
  const atApp = await calls.next()
  atApp.write(Buffer.from('begun'))
  await once(call, 'data')
  const cancelled = once(atApp, 'cancelled')
  call.cancel()
  assert.equal((await statusOf(call)).code, status.CANCELLED)
  await cancelled
})

test('an error in the middle of a stream comes after what came before it, with its metadata', async (t) => {
  const ground = await start(t)
  const calls = holdCalls(ground)
  const call = bidi(ground, held.held.path)
  const got: string[] = []
  call.on('data', (part: Buffer) => got.push(String(part)))
  const atApp = await calls.next()
  const metadata = new Metadata()
  metadata.set('x-detail-bin', Buffer.from([0, 1, 254, 255]))
  atApp.write(Buffer.from('one'))
  atApp.write(Buffer.from('two'))
  atApp.emit('error', { code: status.DATA_LOSS, details: 'lost: ä, 100 %', metadata })
  const { code, details, metadata: trailers } = await statusOf(call)
  assert.deepEqual([got, code, details], [['one', 'two'], status.DATA_LOSS, 'lost: ä, 100 %'])
  assert.deepEqual(trailers.get('x-detail-bin'), [Buffer.from([0, 1, 254, 255])])
})

test('an app that dies in the middle of a stream does not look as if it had ended it', async (t) => {
  const ground = await start(t)
  const calls = holdCalls(ground)
  const call = bidi(ground, held.held.path)
  const atApp = await calls.next()
  atApp.write(Buffer.from('begun'))
  await once(call, 'data')
  ground.app.server.forceShutdown()
  const { code } = await statusOf(call)
  assert.ok([status.UNAVAILABLE, status.CANCELLED, status.INTERNAL].includes(code), status[code])
})

test('a method that the app does not have is UNIMPLEMENTED', async (t) => {
  const { error } = await unary(await start(t), '/test.Echo/Nothing').answered
  assert.deepEqual([error?.code, error?.metadata.get('x-onbehalf-error')], [status.UNIMPLEMENTED, []])
})

test('what the called sidecar refuses comes through that of the caller', async (t) => {
  const ground = await start(t, { routes: { API: { policy: [{ deny: { or: [{ accept: true }] } }] } } })
  const { error } = await unary(ground, methods.unary.path).answered
  assert.equal(error?.code, status.PERMISSION_DENIED)
  assert.deepEqual(error.metadata.get('x-onbehalf-error'), ['policy_denied'])
  assert.equal(ground.app.calls.length, 0)
})

test('what the sidecar of the caller refuses comes as its own status', async (t) => {
  const ground = await start(t, { routes: { API: { original_user: 'required' } } })
  const { error } = await unary({ ...ground, metadata: new Metadata() }, methods.unary.path).answered
  assert.equal(error?.code, status.PERMISSION_DENIED)
  assert.deepEqual(error.metadata.get('x-onbehalf-error'), ['original_user_required'])
})

test('a called service whose sidecar is not there is UNAVAILABLE', async (t) => {
  const [port] = await freePorts(1)
  const ground = await start(t, { routes: { API: { to: `http://127.0.0.1:${port}` } } })
  const { error } = await unary(ground, methods.unary.path).answered
  assert.equal(error?.code, status.UNAVAILABLE)
  assert.deepEqual(error.metadata.get('x-onbehalf-error'), ['upstream_refused'])
})

const serving = Buffer.from([0x08, 0x01])
const notServing = Buffer.from([0x08, 0x02])
const health = {
  check: method('Check', false, false, 'grpc.health.v1.Health'),
  watch: method('Watch', false, true, 'grpc.health.v1.Health'),
}

test('health is checked and watched through the sidecars', async (t) => {
  const ground = await start(t)
  const watched = Promise.withResolvers<ServerWritableStream<Buffer, Buffer>>()
  ground.app.server.addService(health, {
    check: (_call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => answer(null, serving),
    watch: (call: ServerWritableStream<Buffer, Buffer>) => watched.resolve(call),
  })
  assert.deepEqual((await unary(ground, health.check.path).answered).message, serving)
  const { client, metadata } = ground
  const none = Buffer.alloc(0)
  const watching = client.makeServerStreamRequest(health.watch.path, asIs, asIs, none, metadata, {})
  watching.on('error', () => undefined)
  const atApp = await watched.promise
  for (const state of [serving, notServing]) {
    atApp.write(state)
    const [told] = (await once(watching, 'data')) as [Buffer]
    assert.deepEqual(told, state)
  }
  const cancelled = once(atApp, 'cancelled')
  watching.cancel()
  await cancelled
})

test('an app that stops ends what it has begun, and one in its place is called next', async (t) => {
  const ground = await start(t)
  const calls = holdCalls(ground)
  const call = bidi(ground, held.held.path)
  const atApp = await calls.next()
  const stopped = new Promise<Error | undefined>((resolve) => ground.app.server.tryShutdown(resolve))
  atApp.write(Buffer.from('still'))
  const [still] = (await once(call, 'data')) as [Buffer]
  assert.equal(String(still), 'still')
  atApp.end()
  call.resume()
  assert.equal((await statusOf(call)).code, status.OK)
  assert.equal(await stopped, undefined)
  await startGrpcApp(t, ground.app.port)
  const { message } = await unary(ground, methods.unary.path, Buffer.from('next')).answered
  assert.equal(String(message), 'next')
})
