// The attacker offers another protocol, which is ignored, and wants what follows on the connection to be lost, so that answers go to the wrong request.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startMesh } from '../support/mesh.ts'
import { asUser, open, until } from './attack.ts'

const bodies: [name: string, rest: string][] = [
  ['without a body', '\r\n'],
  ['with a body by length', 'Content-Length: 5\r\n\r\nhello'],
  ['with a body in chunks', 'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'],
]

for (const [name, rest] of bodies) {
  test(`what follows an offer of h2c ${name} is answered, or the connection ends: it is never skipped`, async (t) => {
    const mesh = await startMesh(t, { run: ['App'] })
    const seen: string[] = []
    mesh.apps.App.handler = (request, response) => {
      request.resume().once('end', () => response.end(`answer to ${request.url}`))
      seen.push(request.url ?? '')
    }
    const [header, token] = await asUser(mesh, 'alice')
    const lines = `Host: a\r\n${header}: ${token}`
    const socket = await open(mesh.sidecars.App.inbound)
    let got = ''
    socket.setEncoding('latin1').on('data', (part: string) => (got += part))
    const offer = `POST /1 HTTP/1.1\r\n${lines}\r\nConnection: upgrade\r\nUpgrade: h2c\r\n${rest}`
    socket.write(`${offer}GET /2 HTTP/1.1\r\n${lines}\r\n\r\n`)
    await until('the first is answered', () => got.includes('answer to /1'))
    if (socket.writable) socket.write(`GET /3 HTTP/1.1\r\n${lines}\r\n\r\n`)
    const isOver = () => socket.closed || socket.readableEnded || /answer to \/[23]/.test(got)
    await until('the next is answered, or the connection ends', isOver)
    assert.notEqual(seen[1], '/3')
    socket.destroy()
  })
}
