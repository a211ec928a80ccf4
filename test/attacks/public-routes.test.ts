// The attacker has no token, or one about nobody, and wants through the door that stands open for everybody into the rooms behind it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { identityNames, rawValues } from '../support/app.ts'
import { send } from '../support/client.ts'
import { hosts, startMesh, type MeshOptions, type TestMesh } from '../support/mesh.ts'
import { assertionName, asUser, calling, forName, handleName } from './attack.ts'

const open = { policy: undefined, allow_public_unauthenticated_access: true }
const publicHost = 'public.localhost.pomerium.io'
const publicRoute = (more: Record<string, unknown> = {}) => ({
  name: 'Public',
  service: 'App',
  from: `https://${publicHost}`,
  to: 'http://127.0.0.1:1',
  pass_identity_headers: true,
  allow_public_unauthenticated_access: true,
  ...more,
})

const nobody = (mesh: TestMesh, host: string = hosts.App) => mesh.pomerium.assertion(undefined, host)

const closedPolicies: [name: string, policy: unknown][] = [
  ['that allows a domain', [{ allow: { or: [{ domain: 'companydomain.com' }] } }]],
  ['that allows all but a domain', [{ allow: { not: [{ domain: 'evil.test' }] } }]],
  ['that allows all but an e-mail', [{ allow: { not: [{ email: 'mallory@elsewhere.com' }] } }]],
  ['that allows all but one of two', [{ allow: { nor: [{ user: 'x' }, { groups: 'y' }] } }]],
  ['that allows an empty domain', [{ allow: { or: [{ domain: { not: 'evil.test' } }] } }]],
  ['that allows whoever is somebody', [{ allow: { or: [{ authenticated_user: true }] } }]],
  ['that allows all issuers', [{ allow: { or: [{ issuer: 'pomerium' }] } }]],
  ['that allows who lacks a claim', [{ allow: { or: [{ 'claim/banned': { exclude: 'yes' } }] } }]],
  ['that is empty', []],
]
for (const [name, policy] of closedPolicies) {
  test(`a route ${name} admits neither nobody nor no assertion`, async (t) => {
    const mesh = await startMesh(t, { run: ['App'], routes: { App: { policy } } })
    const port = mesh.sidecars.App.inbound
    const anonymous = await send({ port, headers: [assertionName, await nobody(mesh)] })
    assert.deepEqual([anonymous.status, anonymous.code], [401, 'assertion_anonymous'])
    assert.deepEqual([(await send({ port })).code], ['assertion_missing'])
    assert.equal(mesh.apps.App.received.length, 0)
  })
}

test('a public route tells the app of nobody what nobody is: no claim, no user, whatever was sent', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], routes: { App: open } })
  const port = mesh.sidecars.App.inbound
  const forged = ['x-pomerium-authenticated-user-id', 'alice-id', 'X_Pomerium_Original_User_Id', 'alice-id']
  assert.equal((await send({ port, headers: forged })).status, 200)
  assert.deepEqual(identityNames(mesh.apps.App.received[0]), [handleName])
  assert.equal((await send({ port, headers: [...forged, assertionName, await nobody(mesh)] })).status, 200)
  assert.deepEqual(rawValues(mesh.apps.App.received[1], 'x-pomerium-authenticated-user-id'), [''])
  assert.deepEqual(rawValues(mesh.apps.App.received[1], 'x-pomerium-authenticated-user-email'), [''])
})

test('a bad token is refused on a public route too, and never counted as none', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], routes: { App: open } })
  const port = mesh.sidecars.App.inbound
  const good = await mesh.pomerium.assertion('alice', hosts.App)
  const bad: [token: string, code: string][] = [
    ['x', 'assertion_malformed'],
    [await mesh.pomerium.assertion('alice', hosts.API), 'assertion_audience'],
    [`${good.slice(0, -86)}${'A'.repeat(86)}`, 'assertion_signature'],
    [await mesh.pomerium.sign({ ...mesh.pomerium.claims('alice', hosts.App), exp: 1 }), 'assertion_expired'],
  ]
  for (const [token, code] of bad) {
    assert.equal((await send({ port, headers: [assertionName, token] })).code, code)
  }
  assert.equal(mesh.apps.App.received.length, 0)
})

test('a -For is refused from nobody and from none', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], routes: { App: open } })
  const port = mesh.sidecars.App.inbound
  const alice = await mesh.pomerium.assertion('alice', hosts.App)
  for (const headers of [
    [forName, alice],
    [forName, alice, assertionName, await nobody(mesh)],
    [forName, 'x'],
  ]) {
    assert.equal((await send({ port, headers })).code, 'original_user_not_allowed')
  }
})

const besideIt: MeshOptions = { run: ['App'], moreRoutes: [publicRoute({ prefix: '/public/' })] }

test('a public host opens of a private host beside it neither its paths nor, by another name, its own', async (t) => {
  const mesh = await startMesh(t, besideIt)
  const port = mesh.sidecars.App.inbound
  const tries: [host: string, target: string][] = [
    [hosts.App, '/'],
    [hosts.App, '/public/'],
    [`${hosts.App}.`, '/public/'],
    [hosts.App.toUpperCase(), '/public/'],
    ['elsewhere.test', '/public/'],
    ['127.0.0.1', '/public/'],
    [publicHost, '/'],
    [publicHost, '/private'],
    [publicHost, '/publi'],
  ]
  for (const [host, target] of tries) {
    assert.equal((await send({ port, host, target })).code, 'assertion_missing', `${host} ${target}`)
  }
  for (const target of [
    '/public/../private',
    '/public/%2e%2e/private',
    '/public//../private',
    '/public/..%2fprivate',
  ]) {
    assert.equal((await send({ port, host: publicHost, target })).code, 'request_ambiguous', target)
  }
  assert.equal(mesh.apps.App.received.length, 0)
})

test('an assertion for the public host opens the public host alone', async (t) => {
  const mesh = await startMesh(t, besideIt)
  const port = mesh.sidecars.App.inbound
  const headers = [assertionName, await nobody(mesh, publicHost)]
  assert.equal((await send({ port, host: hosts.App, target: '/private', headers })).code, 'route_not_found')
  assert.equal((await send({ port, host: hosts.App, target: '/public/x', headers })).status, 200)
  const alice = [assertionName, await mesh.pomerium.assertion('alice', publicHost)]
  assert.equal(
    (await send({ port, host: hosts.App, target: '/private', headers: alice })).code,
    'route_not_found',
  )
})

async function ask(mesh: TestMesh, method: string, headers: string[]): Promise<string> {
  return (await send({ port: mesh.sidecars.App.inbound, method, headers })).code
}

test('a preflight is admitted only where the route says so, and only as one', async (t) => {
  const shut = await startMesh(t, { run: ['App'] })
  const policy = [{ allow: { or: [{ cors_preflight: true }] } }]
  const admitting = await startMesh(t, { run: ['App'], routes: { App: { policy } } })
  const preflight = ['Origin', 'https://a.test', 'Access-Control-Request-Method', 'POST']
  assert.equal(await ask(shut, 'OPTIONS', preflight), 'assertion_missing')
  assert.equal(await ask(admitting, 'OPTIONS', preflight), '')
  assert.equal(await ask(admitting, 'POST', preflight), 'assertion_missing')
  assert.equal(await ask(admitting, 'OPTIONS', preflight.slice(0, 2)), 'assertion_missing')
  assert.equal(await ask(admitting, 'OPTIONS', preflight.slice(2)), 'assertion_missing')
  assert.equal(
    await ask(admitting, 'OPTIONS', ['Origin', '', 'Access-Control-Request-Method', '']),
    'assertion_missing',
  )
})

test("nobody's request causes no call in the name of the service, by any source", async (t) => {
  const mesh = await startMesh(t, { run: ['App', 'API'], routes: { App: open } })
  const { inbound, outbound } = mesh.sidecars.App
  const token = await nobody(mesh)
  const copies = [
    (handle: string) => [handleName, handle],
    (handle: string) => [handleName, handle, assertionName, token],
    () => [assertionName, token],
  ]
  for (const copy of copies) {
    calling(mesh.apps.App, outbound, hosts.API, (incoming) => copy(String(incoming.headers[handleName])))
    const answer = await send({ port: inbound, headers: [assertionName, token] })
    assert.equal(JSON.parse(answer.body).error, 'original_user_required')
  }
  assert.equal(mesh.apps.API.received.length, 0)
})

test('nobody and somebody in one call are refused', async (t) => {
  const mesh = await startMesh(t, { run: ['App', 'API'], routes: { App: open } })
  const { inbound, outbound } = mesh.sidecars.App
  assert.equal((await send({ port: inbound })).status, 200)
  const headers = await asUser(mesh, 'alice')
  assert.equal((await send({ port: inbound, headers })).status, 200)
  const ofNobody = rawValues(mesh.apps.App.received[0], handleName)[0] ?? ''
  const mixed = [handleName, ofNobody, forName, headers[1] ?? '']
  assert.equal(
    (await send({ port: outbound, host: hosts.API, headers: mixed })).code,
    'original_user_ambiguous',
  )
  assert.equal(mesh.apps.API.received.length, 0)
})
