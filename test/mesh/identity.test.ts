// What the app is told: the verified assertions byte for byte, and nothing that a peer made up.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rawValues } from '../support/app.ts'
import { send } from '../support/client.ts'
import { linkByHand } from '../support/links.ts'
import { hosts, startMesh } from '../support/mesh.ts'

const assertionName = 'X-Pomerium-Jwt-Assertion'
const forName = 'X-Pomerium-Jwt-Assertion-For'

test('the assertion reaches the app byte for byte, with the documented headers', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const token = await mesh.pomerium.assertion('alice', hosts.App)
  const answer = await send({
    port: mesh.sidecars.App.inbound,
    target: '/a/../b%2fc?x=1;y',
    host: 'app.localhost.pomerium.io:8443',
    headers: [assertionName, token],
    method: 'POST',
    body: 'hello',
  })
  assert.equal(answer.status, 200)
  const received = mesh.apps.App.received[0]
  assert.deepEqual(rawValues(received, assertionName), [token])
  assert.deepEqual(rawValues(received, forName), [])
  assert.deepEqual(rawValues(received, 'x-pomerium-authenticated-user-id'), ['alice-id'])
  assert.deepEqual(rawValues(received, 'x-pomerium-authenticated-user-email'), ['alice@companydomain.com'])
  assert.deepEqual(rawValues(received, 'x-pomerium-authenticated-user-groups'), ['staff,finance'])
  assert.deepEqual(rawValues(received, 'host'), ['app.localhost.pomerium.io:8443'])
  assert.deepEqual([received?.method, received?.url, received?.body], ['POST', '/a/../b%2fc?x=1;y', 'hello'])
  assert.match(rawValues(received, 'x-onbehalf-handle')[0] ?? '', /^[\w-]{26}$/)
})

test('the original user reaches the callee byte for byte, beside the caller', async (t) => {
  const mesh = await startMesh(t, { run: ['API'] })
  const user = await mesh.pomerium.assertion('alice', hosts.App)
  const caller = (await mesh.minter('api-access')).assertionFor(hosts.API)
  const via = await linkByHand(mesh, { account: 'api-access', to: 'API', token: user })
  const headers = [assertionName, caller, forName, user, 'x-onbehalf-via', via]
  assert.equal((await send({ port: mesh.sidecars.API.inbound, headers })).status, 200)
  const received = mesh.apps.API.received[0]
  assert.deepEqual(rawValues(received, assertionName), [caller])
  assert.deepEqual(rawValues(received, forName), [user])
  assert.deepEqual(rawValues(received, 'x-pomerium-authenticated-user-id'), ['api-access'])
  assert.deepEqual(rawValues(received, 'x-pomerium-authenticated-user-email'), [''])
  assert.deepEqual(rawValues(received, 'x-pomerium-original-user-id'), ['alice-id'])
  assert.deepEqual(rawValues(received, 'x-pomerium-original-user-email'), ['alice@companydomain.com'])
})

test('nothing that a peer sent under an identity name reaches the app', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const token = await mesh.pomerium.assertion('alice', hosts.App)
  const forged = [
    'X-Pomerium-Authenticated-User-Email',
    'x_pomerium_authenticated_user_email',
    'X-Pomerium.Authenticated.User.Email',
    'X-Pomerium-Original-User-Id',
    'x_pomerium_jwt_assertion_for',
    'X-Pomerium-Claim-Admin',
    'X-Onbehalf-Handle',
    'X-Onbehalf-Via',
    'x_onbehalf_chain',
    'X-Onbehalf-Chain',
    'X-Pomerium-Authorization',
  ].flatMap((name) => [name, 'forged'])
  const headers = [
    ...forged,
    'Authorization',
    'Bearer Pomerium-forged',
    'Connection',
    `close, ${assertionName}, X-Pomerium-Authenticated-User-Id`,
    assertionName,
    token,
  ]
  assert.equal((await send({ port: mesh.sidecars.App.inbound, headers })).status, 200)
  const received = mesh.apps.App.received[0]
  assert.equal(received?.rawHeaders.includes('forged'), false)
  assert.equal(received?.rawHeaders.includes('Bearer Pomerium-forged'), false)
  assert.deepEqual(rawValues(received, assertionName), [token])
  assert.deepEqual(rawValues(received, 'x-pomerium-authenticated-user-id'), ['alice-id'])
})

test("an app's own Authorization passes in", async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const token = await mesh.pomerium.assertion('alice', hosts.App)
  const headers = ['Authorization', 'Bearer of-the-app', assertionName, token]
  await send({ port: mesh.sidecars.App.inbound, headers })
  assert.deepEqual(rawValues(mesh.apps.App.received[0], 'authorization'), ['Bearer of-the-app'])
})

test('a route without pass_identity_headers tells the app nothing but the handle', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], routes: { App: { pass_identity_headers: false } } })
  const token = await mesh.pomerium.assertion('alice', hosts.App)
  assert.equal((await send({ port: mesh.sidecars.App.inbound, headers: [assertionName, token] })).status, 200)
  const received = mesh.apps.App.received[0]
  const names = received?.rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase())
  assert.deepEqual(
    names?.filter((name) => name.startsWith('x-') && !name.startsWith('x-forwarded-')),
    ['x-onbehalf-handle'],
  )
})

test("the app's own x-onbehalf headers do not leave through its answer", async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  mesh.apps.App.handler = (_request, response) => {
    response.writeHead(200, [
      'x-onbehalf-error',
      'forged',
      'X_Onbehalf_Request_Id',
      'forged',
      'X-App',
      'kept',
    ])
    response.end()
  }
  const headers = [assertionName, await mesh.pomerium.assertion('alice', hosts.App)]
  const answer = await send({ port: mesh.sidecars.App.inbound, headers })
  assert.equal(JSON.stringify(answer.headers).includes('forged'), false)
  assert.equal(answer.headers['x-app'], 'kept')
})

test('a public route is reached without an assertion, with no identity', async (t) => {
  const routes = { App: { policy: undefined, allow_public_unauthenticated_access: true } }
  const mesh = await startMesh(t, { run: ['App'], routes })
  const headers = ['X-Pomerium-Authenticated-User-Email', 'forged@companydomain.com']
  assert.equal((await send({ port: mesh.sidecars.App.inbound, headers })).status, 200)
  assert.deepEqual(rawValues(mesh.apps.App.received[0], 'x-pomerium-authenticated-user-email'), [])
})

test('a public host does not open the private host beside it to those without an assertion', async (t) => {
  const moreRoutes = [
    {
      name: 'Public',
      service: 'App',
      from: 'https://public.localhost.pomerium.io',
      to: 'http://127.0.0.1:9',
      allow_public_unauthenticated_access: true,
    },
  ]
  const mesh = await startMesh(t, { run: ['App'], moreRoutes })
  const port = mesh.sidecars.App.inbound
  assert.equal((await send({ port, host: 'public.localhost.pomerium.io' })).status, 200)
  assert.equal((await send({ port, host: hosts.App })).code, 'assertion_missing')
  assert.equal((await send({ port, host: 'elsewhere.example.com' })).code, 'assertion_missing')
})

test('Pomerium in all its issuer formats is verified', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], issuer: { issuer: ['pomerium-proxy', 'hostOnly', 'uri'] } })
  const claims = mesh.pomerium.claims('alice', hosts.App)
  for (const iss of ['pomerium-proxy', hosts.App, `https://${hosts.App}/`]) {
    const headers = [assertionName, await mesh.pomerium.sign({ ...claims, iss })]
    assert.equal((await send({ port: mesh.sidecars.App.inbound, headers })).status, 200, iss)
  }
  const headers = [assertionName, await mesh.pomerium.sign({ ...claims, iss: `https://${hosts.App}` })]
  assert.equal((await send({ port: mesh.sidecars.App.inbound, headers })).code, 'assertion_issuer')
})

test('through a whole Pomerium: the request that it signs is verified and served', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const to = `http://127.0.0.1:${mesh.sidecars.App.inbound}`
  mesh.pomerium.setRoute(hosts.App, { to, passIdentityHeaders: true })
  const port = Number(new URL(mesh.pomerium.url).port)
  const answer = await send({ port, host: hosts.App, headers: ['Cookie', '_pomerium=alice'] })
  assert.equal(answer.status, 200)
  assert.equal(mesh.apps.App.received.length, 1)
})
