// The attacker owns an upstream, and wants an answer before the answer to be taken for the end, the body or the connection of another.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startMesh } from '../support/mesh.ts'
import { asUser, speak, startCanned, verdict } from './attack.ts'

const final = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

async function answered(t: Parameters<typeof startCanned>[0], bytes: string): Promise<string> {
  const port = await startCanned(t, bytes)
  const mesh = await startMesh(t, { run: ['App'], services: { App: { app: `http://127.0.0.1:${port}` } } })
  const [name, token] = await asUser(mesh, 'alice')
  return speak(
    mesh.sidecars.App.inbound,
    `GET / HTTP/1.1\r\nHost: a\r\n${name}: ${token}\r\nConnection: close\r\n\r\n`,
  )
}

for (const line of ['Content-Length: 5', 'Transfer-Encoding: chunked', 'Trailer: X-A']) {
  test(`an interim answer with ${line} goes on without it`, async (t) => {
    const got = await answered(t, `HTTP/1.1 103 Early Hints\r\n${line}\r\nLink: </a>\r\n\r\n${final}`)
    assert.match(got, /^HTTP\/1\.1 103 Early Hints\r\nLink: <\/a>\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
  })
}

for (const lines of ['', 'Upgrade: websocket\r\n', 'Connection: upgrade\r\nUpgrade: websocket\r\n']) {
  test(`a switch of protocols that nobody asked for is no answer: ${JSON.stringify(lines)}`, async (t) => {
    const got = await answered(t, `HTTP/1.1 101 Switching Protocols\r\n${lines}\r\n${final}`)
    assert.equal(verdict(got), 'upstream_invalid')
  })
}

test('an interim answer says nothing in the name of the sidecar', async (t) => {
  const ours = 'x-onbehalf-error: policy_denied\r\nX_Onbehalf_Handle: a\r\nx.onbehalf.request-id: b'
  const got = await answered(t, `HTTP/1.1 103 Early Hints\r\n${ours}\r\n\r\n${final}`)
  assert.doesNotMatch(got, /onbehalf/i)
})
