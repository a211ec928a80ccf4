// What stays open for a minute, all of it at once: event streams, polls that wait, sockets and calls on which nothing passes.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { startMesh, hosts } from '../support/mesh.ts'
import { connectGrpc, metadataOf, methods, startGrpcApp } from './grpc-ground.ts'
import { ask, type Version } from './peers.ts'
import { serverVersions, startVersionedApp, type ServerVersion } from './versioned-app.ts'
import { startWay, ways, type Way } from './ways.ts'
import { aliceHeaders, nextMessage, openSocket, startSocketGround } from './websocket-ground.ts'

const clients: readonly Version[] = ['HTTP/1.1', 'h2c']
const intervalMs = 100
const messages = 600
const minuteMs = intervalMs * messages
/** For what never comes. */
const timeout = 3 * minuteMs

let last: Promise<unknown> = Promise.resolve()

/** One after the other: a port that one mesh has found free, another could find free too. */
function inTurn<T>(start: () => Promise<T>): Promise<T> {
  const started = last.then(start)
  last = started.catch(() => undefined)
  return started
}

interface Cell {
  readonly way: Way
  readonly client: Version
  readonly server: ServerVersion
}

/** Every message is awaited at the client before the next is sent: one that is held back is never followed by another. */
async function eventStream(t: TestContext, { way, client, server }: Cell): Promise<void> {
  const left = Promise.withResolvers<void>()
  const arrived = new EventTarget()
  const seen: string[] = []
  const { origin } = await startVersionedApp(t, server, async (_request, response) => {
    response.once('close', left.resolve)
    response.setHeader('content-type', 'text/event-stream')
    for (let number = 1; number <= messages; number++) {
      await pause(intervalMs)
      const arrival = once(arrived, String(number))
      response.write(`id: ${number}\ndata: message ${number}\n\n`)
      await arrival
    }
  })
  const { to } = await inTurn(() => startWay(t, way, origin))
  const asking = ask(t, client, { ...to, path: '/events' })
  const { status, headers, body } = await asking.answered
  assert.deepEqual([status, headers['content-type']], [200, 'text/event-stream'])
  body.setEncoding('utf8').on('error', () => undefined)
  let rest = ''
  for await (const part of body) {
    const events = (rest + String(part)).split('\n\n')
    rest = events.pop() ?? ''
    for (const event of events) {
      seen.push(event)
      arrived.dispatchEvent(new Event(String(seen.length)))
    }
    if (seen.length === messages) break
  }
  assert.deepEqual(
    seen,
    Array.from({ length: messages }, (_, i) => `id: ${i + 1}\ndata: message ${i + 1}`),
  )
  asking.leave()
  await left.promise
}

/** Nothing at all passes until the answer comes. */
async function longPoll(t: TestContext, { way, client, server }: Cell): Promise<void> {
  const { origin } = await startVersionedApp(t, server, async (_request, response) => {
    await pause(minuteMs)
    response.end('news')
  })
  const { to } = await inTurn(() => startWay(t, way, origin))
  const { status, body } = await ask(t, client, { ...to, path: '/poll' }).answered
  assert.deepEqual([status, await text(body)], [200, 'news'])
}

async function quietSocket(t: TestContext): Promise<void> {
  const { mesh } = await inTurn(() => startSocketGround(t))
  const socket = await openSocket(t, mesh.sidecars.App.inbound, { headers: await aliceHeaders(mesh) })
  await pause(minuteMs)
  socket.send('still there?')
  assert.equal(await nextMessage(socket), 'still there?')
}

async function quietCall(t: TestContext): Promise<void> {
  const app = await startGrpcApp(t)
  const services = { App: { app: `http://127.0.0.1:${app.port}` } }
  const mesh = await inTurn(() => startMesh(t, { run: ['App'], services }))
  const client = connectGrpc(t, mesh.sidecars.App.inbound, hosts.App)
  const { path, requestSerialize: asIs } = methods.bidi
  const call = client.makeBidiStreamRequest(path, asIs, asIs, metadataOf(await aliceHeaders(mesh)), {})
  await pause(minuteMs)
  call.write(Buffer.from('still there?'))
  const [answer] = (await once(call, 'data')) as [Buffer]
  assert.equal(answer.toString(), 'still there?')
  call.end()
  await once(call, 'status')
}

const cells = ways.flatMap((way) =>
  clients.flatMap((client) => serverVersions.map((server): Cell => ({ way, client, server }))),
)

test('for a minute', { concurrency: true, timeout }, async (t) => {
  await Promise.all([
    ...cells.flatMap((cell) => {
      const { way, client, server } = cell
      const where = `${client} ${way}, which speaks ${server}`
      return [
        t.test(`each of 600 messages is there before the next is sent: ${where}`, { timeout }, (inner) =>
          eventStream(inner, cell),
        ),
        t.test(`a poll waits for its answer: ${where}`, { timeout }, (inner) => longPoll(inner, cell)),
      ]
    }),
    t.test('a WebSocket on which nothing passes stays', { timeout }, quietSocket),
    t.test('a gRPC call on which nothing passes stays', { timeout }, quietCall),
  ])
})
