// 200 slow clients at once cost little, disturb nobody, and leave nothing behind.
import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { buffer, text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { test } from 'node:test'
import { activeInbound, asUser, gauge, open, until, untilIdle } from '../attacks/attack.ts'
import type { AppHandler } from '../support/app.ts'
import { startMesh, type RunningSidecar } from '../support/mesh.ts'
import { countHeld } from './held.ts'
import { isLinux, mebibyte, residentOf, watchResident } from './resident.ts'
import {
  idleClient,
  normalClient,
  slowHeaderSender,
  slowPipeliner,
  slowReader,
  slowWriter,
  type NormalClient,
  type SlowClient,
  type Where,
} from './slow-clients.ts'
import { scaled } from './soak.ts'

const answerBytes = 32 * mebibyte
/**
 * Measured with everybody in one process: 200 to 260 MiB; 1,250 to 1,300 MiB where the sidecar does not wait for slow
 * readers.
 */
const maxGrowth = 600 * mebibyte

/** Each answer of the app closes its connection, so that sockets can be counted. */
const app: AppHandler = async (request, response) => {
  response.shouldKeepAlive = false
  const [, what, first = '', second = ''] = (request.url ?? '').split('/')
  if (what === 'large') await answerLarge(response, '', Number(first))
  else if (what === 'numbered') await answerLarge(response, `<${first}>`, Number(second))
  else if (what === 'counted') response.end(String(await countOctets(request)))
  else response.end(await text(request))
}

/** At the pace of the reader. */
async function answerLarge(response: ServerResponse, begin: string, bytes: number): Promise<void> {
  const chunk = Buffer.alloc(64 * 1024, 'x')
  response.writeHead(200, { 'Content-Length': bytes })
  response.write(begin)
  const gone = new Promise((resolve) => response.once('close', resolve))
  for (let left = bytes - begin.length; left > 0 && !response.destroyed; left -= chunk.length) {
    const isTaken = response.write(chunk.subarray(0, left))
    if (!isTaken) await Promise.race([new Promise((resolve) => response.once('drain', resolve)), gone])
  }
  response.end()
}

async function countOctets(request: IncomingMessage): Promise<number> {
  let bytes = 0
  for await (const chunk of request) bytes += (chunk as Buffer).length
  return bytes
}

const many = <T>(count: number, make: (i: number) => T) => Array.from({ length: count }, (_, i) => make(i))

/** 200 come, are slow, and go: half of those who are not ended finish, the other half leave in the middle. */
async function comeAndGo(where: Where, App: RunningSidecar, normal: NormalClient): Promise<void> {
  const headerSenders = many(60, () => slowHeaderSender(where))
  const idlers = many(30, (i) => idleClient(where, i % 2 === 0))
  const clients: SlowClient[] = await Promise.all([
    ...many(40, () => slowReader(where, answerBytes)),
    ...many(20, () => slowWriter(where, 'length')),
    ...many(20, () => slowWriter(where, 'chunks')),
    ...many(30, () => slowPipeliner(where, 8)),
  ])
  const [codes, saidToIdle] = await Promise.all([Promise.all(headerSenders), Promise.all(idlers)])
  assert.deepEqual([...new Set(codes)], ['request_malformed'])
  assert.deepEqual([...new Set(saidToIdle)], [''])
  const servedBefore = normal.served()
  await until('the normal client is served on', () => normal.served() > servedBefore + 10)
  assert.ok((await gauge(App, activeInbound)) >= clients.length, 'the slow ones are still there')
  for (const [i, client] of clients.entries()) if (i % 2 === 1) client.abort()
  await Promise.all(clients.filter((_, i) => i % 2 === 0).map((client) => client.finish()))
}

const title = '200 slow clients cost little, disturb nobody and leave nothing behind'

test(title, { skip: !isLinux }, async (t) => {
  const held = countHeld(t)
  const timeouts = { headers: '2s', idle: '12s', linger: '0s', drain: '5s' }
  const mesh = await startMesh(t, { run: ['App'], settings: { timeouts } })
  mesh.apps.App.handler = app
  const { App } = mesh.sidecars
  const where = { port: App.inbound, headers: await asUser(mesh, 'alice'), sockets: new Set<Socket>() }
  t.after(() => where.sockets.forEach((socket) => socket.destroy()))
  await normalClient(t, where).stop()
  await untilIdle(App)
  const before = held.now()
  const residentBefore = residentOf(process.pid)
  const watch = watchResident(process.pid)
  const normal = normalClient(t, where)
  for (let round = 0; round < scaled(1); round++) await comeAndGo(where, App, normal)
  await normal.stop()
  const growth = watch.stop() - residentBefore
  t.diagnostic(
    `${normal.served()} requests served beside them; ${Math.round(growth / mebibyte)} MiB more at the peak`,
  )
  assert.ok(growth < maxGrowth, `it grew by ${growth} octets`)
  await untilIdle(App)
  await held.untilNoMoreThan(before)
})

test('clients that are late to read the last answer of a connection get all of it', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  mesh.apps.App.handler = app
  const [name, token] = await asUser(mesh, 'alice')
  // More than the kernel keeps of a connection, and less.
  const sizes = many(48, (i) => (i + 1) * 160 * 1024)
  const read = sizes.map(async (bytes) => {
    const socket = await open(mesh.sidecars.App.inbound)
    t.after(() => socket.destroy())
    socket.pause()
    socket.write(`GET /large/${bytes} HTTP/1.1\r\nHost: a\r\n${name}: ${token}\r\nConnection: close\r\n\r\n`)
    // Longer than a sidecar reads on behind an answer.
    await pause(7_000)
    const answer = await buffer(socket)
    return answer.length - answer.indexOf('\r\n\r\n') - 4
  })
  assert.deepEqual(await Promise.all(read), sizes)
})
