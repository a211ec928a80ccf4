// The attacker reads what the admin listener, its files and the log show to everybody, and wants a secret in it.
import assert from 'node:assert/strict'
import { stat } from 'node:fs/promises'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { test } from 'node:test'
import { send } from '../support/client.ts'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'
import { adminToken, asUser, speak } from './attack.ts'

const readable = ['/config', '/keys', '/sessions', '/.well-known/pomerium/jwks.json']
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

test('nothing that is shown without the token is a secret, or says who calls whom', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const { App } = mesh.sidecars
  const headers = await asUser(mesh, 'alice')
  await send({ port: App.inbound, target: '/?password=hunter2', headers })
  const handle = mesh.apps.App.received[0]?.headers['x-onbehalf-handle']
  const key = (await mesh.certified('api-access')).keyPem
  for (const path of readable) {
    const answer = await say(mesh, `GET ${path} HTTP/1.1`, ['Host: localhost'])
    for (const secret of [
      await adminToken(App),
      headers[1] ?? '',
      String(handle),
      'hunter2',
      'alice',
      key,
      'PRIVATE',
      '"d"',
    ]) {
      assert.equal(answer.includes(secret), false, `${path} holds ${secret.slice(0, 10)}`)
    }
  }
  const lines = ['Host: localhost', `Authorization: Bearer ${await adminToken(App)}`]
  const decisions = await say(mesh, 'GET /decisions HTTP/1.1', lines)
  assert.match(decisions, /alice-id/)
  for (const secret of [headers[1] ?? '', String(handle), 'hunter2'])
    assert.equal(decisions.includes(secret), false)
})

test('a password in a target is not recorded, though the target is refused', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const { App } = mesh.sidecars
  for (const port of [App.inbound, App.outbound]) {
    await speak(
      port,
      `GET http://root:hunter2@${hosts.API}/ HTTP/1.1\r\nHost: ${hosts.API}\r\nConnection: close\r\n\r\n`,
    )
  }
  const lines = ['Host: localhost', `Authorization: Bearer ${await adminToken(App)}`]
  assert.equal((await say(mesh, 'GET /decisions HTTP/1.1', lines)).includes('hunter2'), false)
  assert.equal(App.logs.join('').includes('hunter2'), false)
})

test('the token is a file that nobody else reads, and is gone afterwards', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const { file } = mesh.sidecars.App.sidecar.adminToken
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  await mesh.sidecars.App.sidecar.stop()
  await assert.rejects(stat(file), { code: 'ENOENT' })
})

test('the listener is on loopback alone', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const others = Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .filter(({ internal, family }) => !internal && family === 'IPv4')
  assert.equal(mesh.sidecars.App.sidecar.addresses.admin[0]?.address, '127.0.0.1')
  for (const { address } of others) {
    const socket = connect(mesh.sidecars.App.admin, address)
    const outcome = await new Promise((resolve) => {
      socket.once('connect', () => resolve('connected')).once('error', () => resolve('refused'))
    })
    socket.destroy()
    assert.equal(outcome, 'refused', address)
  }
})

test('a body without end is cut off', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const body = 'x'.repeat(100_000)
  const lines = ['Host: localhost', `Authorization: Bearer ${await adminToken(mesh.sidecars.App)}`]
  assert.notEqual(status(await say(mesh, 'POST /revoke HTTP/1.1', lines, body)), 202)
  assert.equal(await isUntouched(mesh), true)
})

const wrongRevocations = [
  '',
  'null',
  '[]',
  '{}',
  '{"kind":"kid"}',
  '{"kind":"kid","value":""}',
  '{"kind":"jti","value":"x"}',
  '{"kind":"all","issuer":"x","value":"x"}',
  '{"kind":["kid"],"value":"x"}',
  '{"__proto__":{"kind":"kid","value":"x"}}',
  '"kid"',
  '{"kind":"kid","value":{"a":1}}',
]
test('what is no revocation revokes nothing', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const lines = ['Host: localhost', `Authorization: Bearer ${await adminToken(mesh.sidecars.App)}`]
  for (const body of wrongRevocations) {
    assert.equal(status(await say(mesh, 'POST /revoke HTTP/1.1', lines, body)), 400, body)
  }
  assert.equal(await isUntouched(mesh), true)
})
