// The attacker finds a sidecar in report mode, where nothing is refused, and wants an identity that was never verified to pass for one.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { identityNames, rawValues } from '../support/app.ts'
import { send } from '../support/client.ts'
import { hosts, startMesh, type MeshOptions, type TestMesh } from '../support/mesh.ts'
import { assertionName, asUser, forName, gauge, handleName, mintByHand, present } from './attack.ts'

const report = { mode: 'report' }
const start = (t: TestContext, options: MeshOptions = {}): Promise<TestMesh> =>
  startMesh(t, { run: ['App'], ...options, settings: { ...report, ...options.settings } })

const claimsOf = (mesh: TestMesh) => mesh.pomerium.claims('alice', hosts.App)

const unverified: [name: string, make: (mesh: TestMesh) => string | Promise<string>][] = [
  ['what is no token', () => 'forged'],
  ['alg none', (mesh) => mesh.pomerium.sign(claimsOf(mesh), { header: { alg: 'none' } })],
  [
    'a wrong signature',
    async (mesh) => `${(await mesh.pomerium.assertion('alice', hosts.App)).slice(0, -8)}AAAAAAAA`,
  ],
  [
    'an unknown key',
    (mesh) => mesh.pomerium.sign(claimsOf(mesh), { header: { alg: 'ES256', kid: 'unknown' } }),
  ],
  ['an unknown issuer', (mesh) => mesh.pomerium.sign({ ...claimsOf(mesh), iss: 'evil.test' })],
  ['another audience', (mesh) => mesh.pomerium.assertion('alice', hosts.API)],
  ['an expired token', (mesh) => mesh.pomerium.sign({ ...claimsOf(mesh), iat: 1_000, exp: 2_000 })],
  [
    'a token of the future',
    (mesh) => mesh.pomerium.sign({ ...claimsOf(mesh), iat: 4_000_000_000, exp: 4_000_000_300 }),
  ],
  [
    "a certificate's account that is another",
    (mesh) => mintByHand(mesh, 'ledger-access', { aud: hosts.App, sub: 'api-access', user: 'api-access' }),
  ],
]
for (const [name, make] of unverified) {
  test(`${name} is let through as nobody: the app is told of no identity`, async (t) => {
    const mesh = await start(t)
    const answer = await present(mesh, await make(mesh))
    assert.equal(answer.status, 200)
    assert.deepEqual(identityNames(mesh.apps.App.received[0]), [handleName])
  })
}

test('nor from elsewhere than the edge, nor a second time', async (t) => {
  const strangers = await start(t, { issuer: { edges: { source_ip: ['10.0.0.0/8'] } } })
  await present(strangers, (await asUser(strangers, 'alice'))[1] ?? '')
  assert.deepEqual(identityNames(strangers.apps.App.received[0]), [handleName])
  const once = await start(t, { issuer: { single_use: true } })
  const [, token = ''] = await asUser(once, 'alice')
  assert.equal((await present(once, token)).status, 200)
  assert.equal((await present(once, token)).status, 200)
  assert.equal(rawValues(once.apps.App.received[0], assertionName).length, 1)
  assert.deepEqual(identityNames(once.apps.App.received[1]), [handleName])
})

test('what was verified and only not allowed is told as it is, and nothing of the rest', async (t) => {
  const mesh = await start(t)
  const bob = await mesh.pomerium.assertion('bob', hosts.App)
  const headers = [...(await asUser(mesh, 'mallory')), forName, bob]
  assert.equal((await send({ port: mesh.sidecars.App.inbound, headers })).status, 200)
  const [received] = mesh.apps.App.received
  assert.deepEqual(rawValues(received, 'x-pomerium-authenticated-user-id'), ['mallory-id'])
  assert.deepEqual(rawValues(received, forName), [])
  assert.equal(received?.rawHeaders.includes(bob), false)
})

test('a -For that was not verified is not told, beside an account that was', async (t) => {
  const mesh = await start(t, { run: ['API'] })
  const caller = (await mesh.minter('api-access')).assertionFor(hosts.API)
  const expired = await mesh.pomerium.sign({ ...claimsOf(mesh), iat: 1_000, exp: 2_000 })
  for (const value of ['forged', expired, caller]) {
    const headers = [assertionName, caller, forName, value]
    assert.equal((await send({ port: mesh.sidecars.API.inbound, headers })).status, 200)
    const received = mesh.apps.API.received.at(-1)
    assert.deepEqual(rawValues(received, forName), [])
    assert.deepEqual(rawValues(received, 'x-pomerium-original-user-id'), [])
  }
})

test("the calls of a request whose user was not verified are not the account's own", async (t) => {
  const mesh = await start(t, { run: ['API', 'Ledger'] })
  const caller = (await mesh.minter('api-access')).assertionFor(hosts.API)
  const headers = [assertionName, caller, forName, 'forged']
  assert.equal((await send({ port: mesh.sidecars.API.inbound, headers })).status, 200)
  const handle = rawValues(mesh.apps.API.received[0], handleName)[0] ?? ''
  const port = mesh.sidecars.API.outbound
  assert.equal((await send({ port, host: hosts.Ledger, headers: [handleName, handle] })).status, 200)
  assert.deepEqual(rawValues(mesh.apps.Ledger.received[0], assertionName), [])
})

test('nor are those of a request of which nothing was verified', async (t) => {
  const mesh = await start(t, { run: ['App', 'API'] })
  await present(mesh, 'forged')
  const handle = rawValues(mesh.apps.App.received[0], handleName)[0] ?? ''
  for (const headers of [
    [handleName, handle],
    [assertionName, 'forged'],
    [forName, 'forged'],
    [handleName, handle, forName, 'forged'],
  ]) {
    const answer = await send({ port: mesh.sidecars.App.outbound, host: hosts.API, headers })
    assert.equal(answer.status, 200)
    assert.deepEqual(identityNames(mesh.apps.API.received.at(-1)), [handleName])
  }
})

test('what is refused for its form is refused in report mode too', async (t) => {
  const mesh = await start(t, { routes: { App: { prefix: '/public/' } } })
  const port = mesh.sidecars.App.inbound
  const [name = '', token = ''] = await asUser(mesh, 'alice')
  assert.equal((await send({ port, headers: [name, token, name, token] })).code, 'request_ambiguous')
  assert.equal(
    (await send({ port, target: '/public/../x', headers: [name, token] })).code,
    'request_ambiguous',
  )
  assert.equal((await send({ port, host: 'a@b', headers: [name, token] })).code, 'request_malformed')
  assert.equal(mesh.apps.App.received.length, 0)
})

test('what may not be reached is not reached in report mode either', async (t) => {
  const mesh = await start(t)
  const { outbound } = mesh.sidecars.App
  const local = await send({ port: outbound, host: `127.0.0.1:${mesh.apps.API.port}` })
  assert.equal(local.code, 'egress_denied')
  assert.equal((await send({ port: outbound, host: `localhost:${outbound}` })).status, 421)
  assert.equal(mesh.apps.API.received.length, 0)
})

test('a route that is not among calls gets no credential in report mode', async (t) => {
  const mesh = await start(t, { run: ['App', 'API'], services: { App: { calls: ['Ledger'] } } })
  assert.equal((await send({ port: mesh.sidecars.App.outbound, host: hosts.API })).status, 200)
  assert.deepEqual(identityNames(mesh.apps.API.received[0]), [handleName])
})

test('all of it is counted as refused', async (t) => {
  const mesh = await start(t)
  await present(mesh, 'forged')
  const labels = 'direction="inbound",outcome="refused",code="assertion_malformed",route="",mode="report"'
  assert.equal(await gauge(mesh.sidecars.App, `onbehalf_decisions_total{${labels}}`), 1)
})
