// The attacker is a web page in the browser of someone on this machine, or a program without the token, and wants to see or stop the sidecar.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { send } from '../support/client.ts'
import { startMesh, type TestMesh } from '../support/mesh.ts'
import { adminToken, asUser, speak } from './attack.ts'

const readable = ['/config', '/keys', '/sessions', '/.well-known/pomerium/jwks.json']
const guarded: [method: string, path: string, body: string][] = [
  ['GET', '/decisions', ''],
  ['POST', '/drain', ''],
  ['POST', '/shutdown', ''],
  ['PUT', '/log-level', 'debug'],
  ['POST', '/revoke', '{"kind":"kid","value":"x"}'],
]

const status = (answer: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 0)

function say(mesh: TestMesh, line: string, lines: readonly string[], body = ''): Promise<string> {
  const length = body === '' ? [] : [`Content-Length: ${body.length}`]
  const head = [line, ...lines, ...length, 'Connection: close'].join('\r\n')
  return speak(mesh.sidecars.App.admin, `${head}\r\n\r\n${body}`)
}

/** Whether it still serves, and was neither drained nor changed. */
async function isUntouched(mesh: TestMesh): Promise<boolean> {
  const { App } = mesh.sidecars
  const ready = await send({ port: App.probes, target: '/ready' })
  const served = await send({ port: App.inbound, headers: await asUser(mesh, 'alice') })
  return ready.status === 200 && served.status === 200 && App.sidecar.log.level === 'info'
}

const foreignHosts = [
  'evil.example.com',
  'rebound.localhost.evil.com',
  '127.0.0.1.evil.com',
  '127.0.0.1.nip.io',
  'localhost.evil.com',
  'evil.localhost',
  '127.evil',
  '10.0.0.1',
  '0.0.0.0',
  '169.254.169.254',
  '[::]',
  '[fe80::1]',
  'localhost@evil.com',
  'evil.com#localhost',
  'localhost, evil.com',
  'local\thost',
  '',
]

test('a foreign Host, as DNS rebinding makes it, sees and changes nothing, token or not', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const authorization = `Authorization: Bearer ${await adminToken(mesh.sidecars.App)}`
  for (const host of foreignHosts) {
    await t.test(host, async () => {
      for (const path of readable)
        assert.equal(status(await say(mesh, `GET ${path} HTTP/1.1`, [`Host: ${host}`])), 403)
      for (const [method, path, body] of guarded) {
        const answer = await say(mesh, `${method} ${path} HTTP/1.1`, [`Host: ${host}`, authorization], body)
        assert.equal(status(answer), 403)
      }
      assert.equal(await isUntouched(mesh), true)
    })
  }
})

test('no Host at all is a foreign one', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  for (const path of readable) {
    assert.equal(status(await say(mesh, `GET ${path} HTTP/1.0`, [])), 403)
    assert.equal(status(await say(mesh, `GET ${path} HTTP/1.1`, [])), 400)
  }
})

test('a foreign Host behind a good one is refused too', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  for (const lines of [
    ['Host: localhost', 'Host: evil.example.com'],
    ['Host: evil.example.com', 'Host: localhost'],
  ]) {
    assert.notEqual(status(await say(mesh, 'GET /config HTTP/1.1', lines)), 200)
  }
})

const crossSite = [
  ['Origin: https://evil.example.com'],
  ['Origin: null'],
  ['Origin: '],
  ['Origin: http://localhost:1'],
  ['Origin: https://localhost'],
  ['Origin: http://localhost.evil.com'],
  ['Sec-Fetch-Site: cross-site'],
  ['Sec-Fetch-Site: same-site'],
  ['Sec-Fetch-Site: same-origin', 'Sec-Fetch-Site: cross-site'],
  ['Origin: http://localhost', 'Sec-Fetch-Site: cross-site'],
]
test('a page of another site sees and changes nothing, token or not', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const authorization = `Authorization: Bearer ${await adminToken(mesh.sidecars.App)}`
  for (const lines of crossSite) {
    await t.test(lines.join(', '), async () => {
      for (const path of readable) {
        assert.equal(status(await say(mesh, `GET ${path} HTTP/1.1`, ['Host: localhost', ...lines])), 403)
      }
      for (const [method, path, body] of guarded) {
        const given = ['Host: localhost', authorization, 'Content-Type: text/plain', ...lines]
        assert.equal(status(await say(mesh, `${method} ${path} HTTP/1.1`, given, body)), 403)
      }
      assert.equal(await isUntouched(mesh), true)
    })
  }
})

test('no answer allows another site to read it', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  for (const path of readable) {
    const answer = await say(mesh, `GET ${path} HTTP/1.1`, ['Host: localhost'])
    assert.equal(status(answer), 200)
    assert.doesNotMatch(answer, /^access-control-/im)
    assert.match(answer, /^x-content-type-options: nosniff\r$/im)
    assert.match(answer, /^content-type: application\/json/im)
  }
  const preflight = [
    'Host: localhost',
    'Origin: https://evil.example.com',
    'Access-Control-Request-Method: POST',
  ]
  assert.equal(status(await say(mesh, 'OPTIONS /drain HTTP/1.1', preflight)), 403)
})

test('without the whole token, in the one place for it, nothing is changed or told', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const token = await adminToken(mesh.sidecars.App)
  const guesses = [
    [],
    ['Authorization: '],
    ['Authorization: Bearer'],
    ['Authorization: Bearer '],
    ['Authorization: Bearer x'],
    [`Authorization: Bearer ${token.slice(0, -1)}`],
    [`Authorization: Bearer ${token}x`],
    [`Authorization: Bearer x${token}`],
    [`Authorization: Bearer ${token.toLowerCase()}`],
    [`Authorization: Bearer ${token} x`],
    [`Authorization: Bearer x ${token}`],
    [`Authorization: Basic ${token}`],
    [`Authorization: ${token}`],
    [`X-Authorization: Bearer ${token}`],
    [`Cookie: token=${token}`],
    ['Authorization: Bearer [redacted]'],
    ['Authorization: Bearer undefined'],
    ['Authorization: Bearer x', `Authorization: Bearer ${token}`],
  ]
  for (const lines of guesses) {
    for (const [method, path, body] of guarded) {
      for (const target of [path, `${path}?token=${token}`, `${path}?access_token=${token}`]) {
        const answer = await say(mesh, `${method} ${target} HTTP/1.1`, ['Host: localhost', ...lines], body)
        assert.equal(status(answer), 401, `${method} ${target} ${lines.join()}`)
        assert.equal(answer.includes(token), false)
      }
    }
  }
  assert.equal(await isUntouched(mesh), true)
})

const tricks = [
  'GET /drain',
  'HEAD /drain',
  'DELETE /drain',
  'POST //drain',
  'POST /./drain',
  'POST /x/../drain',
  'POST /%64rain',
  'POST /drain/',
  'POST /drain;x',
  'POST /Drain',
  'POST /drain%00',
  'POST /drain#',
  'POST http://localhost/drain',
  'POST http://evil.example.com/drain',
  'GET /decisions/',
  'GET //decisions',
  'GET /config/../decisions',
  'GET /__proto__',
  'GET /constructor',
  'GET /toString',
  'GET /hasOwnProperty',
  'GET /../../../../etc/passwd',
  'GET /App.admin-token',
  'CONNECT localhost:1',
  'TRACE /config',
]
test('no trick with a method or a path does what the plain request may not', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  for (const trick of tricks) {
    await t.test(trick, async () => {
      const lines = [
        'Host: localhost',
        'X-HTTP-Method-Override: POST',
        'X-Original-URL: /drain',
        'X-Rewrite-URL: /drain',
      ]
      const answer = await say(mesh, `${trick} HTTP/1.1`, lines)
      assert.ok([0, 400, 401, 404, 405].includes(status(answer)), answer)
      assert.equal(await isUntouched(mesh), true)
    })
  }
})
