// What leaves: identity to routes only, and to nobody else under any name; and where calls may go at all.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { once } from 'node:events'
import { test } from 'node:test'
import { identityNames, rawValues, startApp } from '../support/app.ts'
import { send, sendRaw } from '../support/client.ts'
import { hosts, startMesh } from '../support/mesh.ts'

const aliases = [
  'X-Pomerium-Jwt-Assertion',
  'x_pomerium_jwt_assertion',
  'X.Pomerium.Jwt.Assertion.For',
  'X-Pomerium-Authenticated-User-Email',
  'x-pomerium-original-user-id',
  'X-Pomerium-Authorization',
  'X-Onbehalf-Handle',
  'x_onbehalf_handle',
  'x-onbehalf-via',
  'X-Pomerium-Claim-Groups',
]

test('an unlisted host receives no identity header at all, by any alias', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { egress: { local: 'allow' } } })
  const outside = await startApp()
  t.after(() => outside.close())
  const headers = [
    ...aliases.flatMap((name) => [name, 'secret']),
    'X-Own',
    'kept',
    'Authorization',
    'Bearer own',
  ]
  const host = `127.0.0.1:${outside.port}`
  const answer = await send({ port: mesh.sidecars.App.outbound, target: `http://${host}/x`, host, headers })
  assert.equal(answer.status, 200)
  const received = outside.received[0]
  assert.equal(received?.rawHeaders.includes('secret'), false)
  assert.deepEqual(identityNames(received), [])
  assert.deepEqual(rawValues(received, 'x-own'), ['kept'])
  assert.deepEqual(rawValues(received, 'authorization'), ['Bearer own'])
})

test('a listed host receives the credential for exactly itself, whatever the app wrote there', async (t) => {
  const mesh = await startMesh(t, { run: ['App', 'API'], routes: { API: { aliases: ['api'] } } })
  const headers = [
    'X-Pomerium-Authorization',
    'secret',
    'x_pomerium_jwt_assertion',
    'secret',
    'Authorization',
    'Bearer own',
  ]
  const answer = await send({ port: mesh.sidecars.App.outbound, host: 'api', headers })
  assert.equal(answer.status, 200)
  const received = mesh.apps.API.received[0]
  assert.equal(received?.rawHeaders.includes('secret'), false)
  assert.deepEqual(rawValues(received, 'authorization'), ['Bearer own'])
  assert.deepEqual(rawValues(received, 'host'), ['api'])
  const token = rawValues(received, 'x-pomerium-jwt-assertion')[0] ?? ''
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
  assert.deepEqual([claims.sub, claims.aud, claims.email], ['api-access', hosts.API, ''])
})

test('egress.unlisted: deny lets calls go to routes only', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { egress: { unlisted: 'deny' } } })
  const answer = await send({ port: mesh.sidecars.App.outbound, host: 'outside.example.com' })
  assert.deepEqual([answer.status, answer.code], [403, 'egress_denied'])
})

for (const host of ['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '0.0.0.0', '169.254.169.254']) {
  test(`egress.local keeps a call to ${host} from reaching around a sidecar`, async (t) => {
    const mesh = await startMesh(t, { run: ['App'] })
    const answer = await send({
      port: mesh.sidecars.App.outbound,
      host: `${host}:${mesh.apps.API.port}`,
    })
    assert.deepEqual([answer.status, answer.code], [403, 'egress_denied'])
    assert.equal(mesh.apps.API.received.length, 0)
  })
}

test('a call to the sidecar itself is misdirected (421), whatever egress.local says', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { egress: { local: 'allow' } } })
  const { outbound, inbound } = mesh.sidecars.App
  for (const port of [outbound, inbound]) {
    const answer = await send({ port: outbound, host: `127.0.0.1:${port}` })
    assert.deepEqual([answer.status, answer.code], [421, 'route_not_found'])
  }
})

test('a route that is not among calls is refused', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], services: { App: { calls: ['API'] } } })
  const answer = await send({ port: mesh.sidecars.App.outbound, host: hosts.Ledger })
  assert.deepEqual([answer.status, answer.code], [403, 'call_not_allowed'])
})

test('a service with no credential refuses to call instead of calling as nobody', async (t) => {
  const mesh = await startMesh(t, { run: ['Ledger', 'API'] })
  const answer = await send({ port: mesh.sidecars.Ledger.outbound, host: hosts.API })
  assert.deepEqual([answer.status, answer.code], [503, 'credential_unavailable'])
  assert.equal(mesh.apps.API.received.length, 0)
})

test('no path of a listed host that matches no route passes', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], routes: { API: { prefix: '/v1/' } } })
  const answer = await send({ port: mesh.sidecars.App.outbound, host: hosts.API, target: '/v2/' })
  assert.deepEqual([answer.status, answer.code], [404, 'route_not_found'])
})

test('CONNECT to a listed host is refused, with the http:// form to use', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const answer = await sendRaw(
    mesh.sidecars.App.outbound,
    `CONNECT ${hosts.API}:443 HTTP/1.1\r\nHost: ${hosts.API}:443\r\n\r\n`,
  )
  assert.match(answer, /^HTTP\/1\.1 403 /)
  assert.match(answer, /x-onbehalf-error: call_not_allowed/)
  assert.ok(answer.includes(`http://${hosts.API}/`))
})

test('a refused CONNECT ends as any request does, in the access log and in the numbers', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { log: { access: 'json' } } })
  const { outbound, probes, logs } = mesh.sidecars.App
  await sendRaw(outbound, `CONNECT ${hosts.API}:443 HTTP/1.1\r\nHost: ${hosts.API}:443\r\n\r\n`)
  const lines = logs.map((line) => JSON.parse(line) as Record<string, unknown>)
  const access = lines.filter(({ message }) => message === 'access')
  assert.deepEqual(
    access.map(({ method, code, status }) => [method, code, status]),
    [['CONNECT', 'call_not_allowed', 403]],
  )
  const { body } = await send({ port: probes, target: '/metrics' })
  assert.match(body, /^onbehalf_responses_total\{direction="outbound",status="4xx",code=""\} 1$/m)
})

test('CONNECT to an unlisted host passes bytes untouched', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { egress: { local: 'allow' } } })
  const outside = await startApp()
  t.after(() => outside.close())
  const socket = connect(mesh.sidecars.App.outbound, '127.0.0.1')
  socket.write(`CONNECT 127.0.0.1:${outside.port} HTTP/1.1\r\nHost: 127.0.0.1:${outside.port}\r\n\r\n`)
  const [established] = (await once(socket, 'data')) as [Buffer]
  assert.match(established.toString(), /^HTTP\/1\.1 200 /)
  socket.write(
    'GET /in-tunnel HTTP/1.1\r\nHost: inside\r\nX-Pomerium-Own: untouched\r\nConnection: close\r\n\r\n',
  )
  const [answer] = (await once(socket, 'data')) as [Buffer]
  assert.match(answer.toString(), /^HTTP\/1\.1 200 /)
  assert.deepEqual(rawValues(outside.received[0], 'x-pomerium-own'), ['untouched'])
  socket.destroy()
})

test('CONNECT does not reach around a sidecar', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const target = `127.0.0.1:${mesh.apps.API.port}`
  const answer = await sendRaw(
    mesh.sidecars.App.outbound,
    `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`,
  )
  assert.match(answer, /x-onbehalf-error: egress_denied/)
})

test('an open tunnel does not keep a sidecar from stopping, and ends with it', async (t) => {
  const settings = { egress: { local: 'allow' }, timeouts: { drain: '200ms' } }
  const mesh = await startMesh(t, { run: ['App'], settings })
  const outside = await startApp()
  t.after(() => outside.close())
  const socket = connect(mesh.sidecars.App.outbound, '127.0.0.1')
  const ended = once(socket, 'close')
  socket.on('error', () => undefined)
  socket.write(`CONNECT 127.0.0.1:${outside.port} HTTP/1.1\r\nHost: 127.0.0.1:${outside.port}\r\n\r\n`)
  await once(socket, 'data')
  await mesh.sidecars.App.sidecar.stop()
  await ended
})

test('a call by way of a Pomerium goes to the host that the Pomerium knows, whatever alias the app called', async (t) => {
  const pomerium = await startApp()
  t.after(() => pomerium.close())
  const mesh = await startMesh(t, {
    run: ['App'],
    routes: { API: { from: `http://localhost:${pomerium.port}`, aliases: ['api'], via: 'pomerium' } },
    services: { App: { credential: { token_file: 'pomerium-token' } } },
    files: { 'pomerium-token': 'aaaa.bbbb.cccc' },
  })
  assert.equal((await send({ port: mesh.sidecars.App.outbound, host: 'api' })).status, 200)
  assert.deepEqual(rawValues(pomerium.received[0], 'host'), [`localhost:${pomerium.port}`])
})
