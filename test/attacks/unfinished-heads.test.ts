// The attacker answers in HTTP/2 with heads that cannot be read to their end, and wants the sidecar dead when it cleans up.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:http2'
import { test, type TestContext } from 'node:test'
import { outlive } from '../../sidecar/http2/outlive.ts'
import { send } from '../support/client.ts'
import { collect } from '../support/memory.ts'
import { startMesh } from '../support/mesh.ts'
import { asUser, startRaw, untilIdle } from './attack.ts'
import { flags, frame, literal } from './http2-frames.ts'

const status = literal(':status', '200')
const field = literal('x-kept', 'until it is collected')
const whole = flags.endHeaders | flags.endStream

const answers: [name: string, answer: (stream: number) => Buffer[]][] = [
  ['a head without its end', (stream) => [frame('headers', 0, stream, Buffer.concat([status, field]))]],
  ['a head without a status', (stream) => [frame('headers', whole, stream, field)]],
  [
    'a name in upper case behind a good one',
    (stream) => [frame('headers', whole, stream, Buffer.concat([status, field, literal('X', 'y')]))],
  ],
  [
    'trailers that end nothing',
    (stream) => [
      frame('headers', flags.endHeaders, stream, status),
      frame('headers', flags.endHeaders, stream, field),
    ],
  ],
]

const preface = 24
const types = { headers: 1, settings: 4 }

/** Says so to each request; a connection is ended where `isLast` says so. */
function startServer(t: TestContext, answer: (stream: number) => Buffer[], isLast: boolean): Promise<number> {
  return startRaw(t, (socket) => {
    let unread = Buffer.alloc(0)
    let at = preface
    socket.write(frame('settings', 0, 0))
    socket.on('data', (bytes: Buffer) => {
      unread = Buffer.concat([unread, bytes])
      for (; at + 9 <= unread.length; at += 9 + unread.readUIntBE(at, 3)) {
        const isAcknowledged = ((unread[at + 4] ?? 0) & flags.ack) !== 0
        if (unread[at + 3] === types.settings && !isAcknowledged)
          socket.write(frame('settings', flags.ack, 0))
        if (unread[at + 3] !== types.headers) continue
        socket.write(Buffer.concat(answer(unread.readUInt32BE(at + 5))))
        if (isLast) socket.end()
      }
    })
  })
}

for (const [name, answer] of answers) {
  test(`after answers with ${name} the sidecar lives on`, async (t) => {
    const app = `h2c://127.0.0.1:${await startServer(t, answer, true)}`
    const settings = { timeouts: { linger: '0s', response: '2s' } }
    const mesh = await startMesh(t, { run: ['App'], settings, services: { App: { app } } })
    const port = mesh.sidecars.App.inbound
    const headers = await asUser(mesh, 'alice')
    // What has begun already is broken off.
    const ask = () =>
      send({ port, headers, method: 'POST', body: 'x' }).then(({ status: got }) => got, String)
    for (let i = 0; i < 20; i++) {
      for (const end of await Promise.all(Array.from({ length: 10 }, ask))) {
        assert.match(String(end), /^502$|^Error: aborted$/)
      }
      collect()
    }
    await untilIdle(mesh.sidecars.App)
    collect()
  })
}

/** Several requests on a connection that is closed when they have ended; nothing of it is kept. */
async function askTogether(port: number, isConnected: boolean): Promise<void> {
  const session = connect(`http://127.0.0.1:${port}`)
  session.on('error', () => undefined)
  if (isConnected) await once(session, 'connect')
  const streams = Array.from({ length: 5 }, () => session.request({ ':path': '/' }))
  const ends = streams.map((stream) => {
    outlive(session, stream)
    stream.on('error', () => undefined).resume()
    const timer = setTimeout(() => stream.close(), 50)
    return new Promise<void>((resolve) => {
      stream.once('close', () => {
        clearTimeout(timer)
        resolve()
      })
    })
  })
  await Promise.all(ends)
  session.destroy()
}

for (const [name, answer] of answers) {
  test(`a connection outlives its streams, of which ${name} is kept`, async (t) => {
    const port = await startServer(t, answer, false)
    for (let i = 0; i < 20; i++) {
      await Promise.all(Array.from({ length: 10 }, (_, one) => askTogether(port, one % 2 === 0)))
      collect()
    }
  })
}
