// The attacker cuts an exchange off after each of its bytes, at either end, and wants one cut to kill the sidecar or to leave something behind.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { send } from '../support/client.ts'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'
import { closed, open, socketCount, speak, startRaw, until, untilIdle } from './attack.ts'

const publicApp = { App: { policy: undefined, allow_public_unauthenticated_access: true } }
const host = `Host: ${hosts.App}`
const atOnce = 40

/** Chunks with an extension and a trailer, an expectation, an offer of h2c with a body, and a request in absolute form. */
const requests = [
  `POST /1 HTTP/1.1\r\n${host}\r\nTransfer-Encoding: chunked\r\n\r\n5;a="b"\r\nhello\r\n0\r\nX-A: b\r\n\r\n`,
  `PUT /2 HTTP/1.1\r\n${host}\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi`,
  `GET /3 HTTP/1.1\r\n${host}\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 1\r\n\r\nx`,
  `GET http://${hosts.App}/4 HTTP/1.1\r\n${host}\r\n\r\n`,
]

interface Answer {
  readonly name: string
  readonly bytes: string
  /** What the end of a whole one looks like to the client. */
  readonly whole: RegExp
}

const answers: Answer[] = [
  {
    name: 'a hint, chunks and a trailer',
    bytes:
      'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n' +
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX-A: b\r\n\r\n',
    whole: /\r\n0\r\n(?:.+\r\n)*\r\n$/,
  },
  {
    name: 'a length',
    bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello',
    whole: /\r\n\r\nhello$/,
  },
]

/** Runs a step for each part of `bytes` that begins at its first and is shorter than it, some at a time. */
async function forEachPart(bytes: string, step: (part: string) => Promise<void>): Promise<void> {
  for (let first = 0; first < bytes.length; first += atOnce) {
    const many = Math.min(atOnce, bytes.length - first)
    await Promise.all(Array.from({ length: many }, (_, i) => step(bytes.slice(0, first + i))))
  }
}

async function assertNothingIsHeld(mesh: TestMesh, sockets: number): Promise<void> {
  await untilIdle(mesh.sidecars.App)
  await until('no more sockets are open than before', () => socketCount() <= sockets)
  assert.equal((await send({ port: mesh.sidecars.App.inbound, host: hosts.App })).status, 200)
}

for (const cut of ['ended', 'reset'] as const) {
  for (const bytes of [...requests, requests.join('')]) {
    const name = bytes === requests.join('') ? 'all in one' : bytes.slice(0, bytes.indexOf(' HTTP'))
    test(`requests that are ${cut} after each of their bytes hold nothing: ${name}`, async (t) => {
      const mesh = await startMesh(t, { run: ['App'], routes: publicApp })
      mesh.apps.App.handler = (request, response) => {
        response.shouldKeepAlive = false
        request.resume().once('end', () => response.end('ok'))
      }
      const before = socketCount()
      await forEachPart(bytes, async (part) => {
        const socket = await open(mesh.sidecars.App.inbound)
        socket.resume()
        if (cut === 'ended') socket.end(part)
        else socket.write(part, () => setImmediate(() => socket.resetAndDestroy()))
        await closed(socket, `after ${JSON.stringify(part.slice(-20))}`)
      })
      await assertNothingIsHeld(mesh, before)
    })
  }

  for (const { name, bytes, whole } of answers) {
    test(`an answer with ${name} that is ${cut} after each of its bytes holds nothing, and never looks whole`, async (t) => {
      // The path says after how many bytes the app is to stop.
      const port = await startRaw(t, (socket) => {
        socket.setEncoding('latin1').on('data', (request: string) => {
          const part = bytes.slice(0, Number(/^POST \/(\d+) /.exec(request)?.[1] ?? bytes.length))
          if (part === bytes || cut === 'ended') socket.end(part)
          else socket.write(part, () => setImmediate(() => socket.resetAndDestroy()))
        })
      })
      const services = { App: { app: `http://127.0.0.1:${port}` } }
      const mesh = await startMesh(t, { run: ['App'], routes: publicApp, services })
      const before = socketCount()
      await forEachPart(bytes, async ({ length }) => {
        const lines = [`POST /${length} HTTP/1.1`, host, 'Connection: close', 'Content-Length: 0']
        const got = await speak(mesh.sidecars.App.inbound, `${lines.join('\r\n')}\r\n\r\n`)
        const final = got.slice(Math.max(0, got.lastIndexOf('HTTP/1.1 ')))
        assert.ok(
          final.startsWith('HTTP/1.1 502 ') || !whole.test(final),
          `${length}: ${JSON.stringify(got)}`,
        )
      })
      await assertNothingIsHeld(mesh, before)
    })
  }
}
