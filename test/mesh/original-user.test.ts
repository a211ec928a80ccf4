// Whose call it is: the sources that an app copies, through real sidecars, and every refusal about them.
import assert from 'node:assert/strict'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { rawValues, type TestApp } from '../support/app.ts'
import { send, type Answer } from '../support/client.ts'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'

const assertionName = 'X-Pomerium-Jwt-Assertion'
const forName = 'X-Pomerium-Jwt-Assertion-For'
const handleName = 'x-onbehalf-handle'

/** Makes the app call a host through its sidecar with what `copy` picks, and answer with the callee's answer. */
function calling(
  app: TestApp,
  outbound: number,
  host: string,
  copy: (incoming: IncomingMessage) => string[],
): void {
  app.handler = async (incoming, response) => {
    const call = httpRequest({
      host: '127.0.0.1',
      port: outbound,
      path: `http://${host}/called`,
      headers: ['Host', host, ...copy(incoming)],
      setHost: false,
      agent: false,
    }).end()
    const [answer] = (await once(call, 'response')) as [IncomingMessage]
    response.writeHead(answer.statusCode ?? 0, { 'x-callee-code': answer.headers['x-onbehalf-error'] ?? '' })
    response.end(await text(answer))
  }
}

const copyHeader = (incoming: IncomingMessage, name: string): string[] => {
  const value = incoming.headers[name.toLowerCase()]
  return typeof value === 'string' ? [name, value] : []
}

async function asAlice(mesh: TestMesh): Promise<{ token: string; answer: Answer }> {
  const token = await mesh.pomerium.assertion('alice', hosts.App)
  const answer = await send({ port: mesh.sidecars.App.inbound, headers: [assertionName, token] })
  return { token, answer }
}

const codeOf = (answer: Answer) => String(answer.headers['x-callee-code'])

const copies: [name: string, copy: (incoming: IncomingMessage) => string[]][] = [
  [
    'its assertion (Pomerium: Jwt-Assertion alone becomes -For)',
    (incoming) => copyHeader(incoming, assertionName),
  ],
  ['its assertion as -For', (incoming) => [forName, String(incoming.headers[assertionName.toLowerCase()])]],
  ['the handle', (incoming) => copyHeader(incoming, handleName)],
  [
    'all of them',
    (incoming) => [...copyHeader(incoming, assertionName), ...copyHeader(incoming, handleName)],
  ],
]

for (const [name, copy] of copies) {
  test(`an app that copies ${name} makes its call on behalf of its user`, async (t) => {
    const mesh = await startMesh(t)
    calling(mesh.apps.App, mesh.sidecars.App.outbound, hosts.API, copy)
    const { token, answer } = await asAlice(mesh)
    assert.equal(answer.status, 200)
    const received = mesh.apps.API.received[0]
    assert.deepEqual(rawValues(received, forName), [token])
    assert.deepEqual(rawValues(received, 'x-pomerium-authenticated-user-id'), ['api-access'])
    assert.deepEqual(rawValues(received, 'x-pomerium-original-user-id'), ['alice-id'])
  })
}

test('an app that copies nothing calls as its service account (Pomerium: neither header, then no -For)', async (t) => {
  const mesh = await startMesh(t)
  calling(mesh.apps.App, mesh.sidecars.App.outbound, hosts.API, () => [])
  const { answer } = await asAlice(mesh)
  assert.equal(answer.status, 200)
  assert.deepEqual(rawValues(mesh.apps.API.received[0], forName), [])
  assert.deepEqual(rawValues(mesh.apps.API.received[0], 'x-pomerium-authenticated-user-id'), ['api-access'])
})

test('the user is carried over a second hop by both headers (Pomerium: the incoming -For wins)', async (t) => {
  const mesh = await startMesh(t)
  calling(mesh.apps.App, mesh.sidecars.App.outbound, hosts.API, (incoming) =>
    copyHeader(incoming, assertionName),
  )
  calling(mesh.apps.API, mesh.sidecars.API.outbound, hosts.Ledger, (incoming) => [
    ...copyHeader(incoming, assertionName),
    ...copyHeader(incoming, forName),
  ])
  const { token, answer } = await asAlice(mesh)
  assert.equal(answer.status, 200)
  const received = mesh.apps.Ledger.received[0]
  assert.deepEqual(rawValues(received, forName), [token])
  assert.deepEqual(rawValues(received, 'x-pomerium-authenticated-user-id'), ['ledger-access'])
})

test("a service account's assertion alone names no user: original_user_ambiguous", async (t) => {
  const mesh = await startMesh(t)
  calling(mesh.apps.App, mesh.sidecars.App.outbound, hosts.API, (incoming) =>
    copyHeader(incoming, assertionName),
  )
  calling(mesh.apps.API, mesh.sidecars.API.outbound, hosts.Ledger, (incoming) =>
    copyHeader(incoming, assertionName),
  )
  const { answer } = await asAlice(mesh)
  assert.equal(answer.status, 403)
  assert.equal(JSON.parse(answer.body).error, 'original_user_ambiguous')
  assert.equal(mesh.apps.Ledger.received.length, 0)
})

test('a token that never came in here is original_user_lost, and never the service account', async (t) => {
  const mesh = await startMesh(t)
  const stranger = await mesh.pomerium.assertion('bob', hosts.App)
  calling(mesh.apps.App, mesh.sidecars.App.outbound, hosts.API, () => [forName, stranger])
  const { answer } = await asAlice(mesh)
  assert.equal(codeOf(answer), 'original_user_lost')
  assert.equal(mesh.apps.API.received.length, 0)
})

test('a handle after its request and its linger are over is original_user_lost', async (t) => {
  let offsetMs = 0
  const mesh = await startMesh(t, { run: ['App'], clockOffsetMs: () => offsetMs })
  await asAlice(mesh)
  const handle = rawValues(mesh.apps.App.received[0], handleName)[0] ?? ''
  offsetMs = 3_000
  const answer = await send({
    port: mesh.sidecars.App.outbound,
    host: hosts.API,
    headers: [handleName, handle],
  })
  assert.deepEqual([answer.status, answer.code], [403, 'original_user_lost'])
})

test('a handle works while its session lingers', async (t) => {
  const mesh = await startMesh(t, { run: ['App', 'API'] })
  const { token } = await asAlice(mesh)
  const handle = rawValues(mesh.apps.App.received[0], handleName)[0] ?? ''
  const answer = await send({
    port: mesh.sidecars.App.outbound,
    host: hosts.API,
    headers: [handleName, handle],
  })
  assert.equal(answer.status, 200)
  assert.deepEqual(rawValues(mesh.apps.API.received[0], forName), [token])
  assert.deepEqual(rawValues(mesh.apps.API.received[0], handleName).includes(handle), false)
})

test('sources of two users disagree: original_user_ambiguous', async (t) => {
  const mesh = await startMesh(t, { run: ['App', 'API'] })
  const port = mesh.sidecars.App.inbound
  const bob = await mesh.pomerium.assertion('bob', hosts.App)
  await send({ port, headers: [assertionName, bob] })
  await asAlice(mesh)
  const handle = rawValues(mesh.apps.App.received[1], handleName)[0] ?? ''
  const headers = [forName, bob, handleName, handle]
  const answer = await send({ port: mesh.sidecars.App.outbound, host: hosts.API, headers })
  assert.deepEqual([answer.status, answer.code], [403, 'original_user_ambiguous'])
})

test('a call without a user on a route that requires one is refused by the caller', async (t) => {
  const mesh = await startMesh(t, { routes: { API: { original_user: 'required' } } })
  const answer = await send({ port: mesh.sidecars.App.outbound, host: hosts.API })
  assert.deepEqual([answer.status, answer.code], [403, 'original_user_required'])
})

test('and by the callee, should the caller not', async (t) => {
  const mesh = await startMesh(t, { run: ['API'], routes: { API: { original_user: 'required' } } })
  const caller = (await mesh.minter('api-access')).assertionFor(hosts.API)
  const answer = await send({ port: mesh.sidecars.API.inbound, headers: [assertionName, caller] })
  assert.deepEqual([answer.status, answer.code], [403, 'original_user_required'])
})

test("nobody's request causes no call, but where the route takes no original user", async (t) => {
  const open = { policy: undefined, allow_public_unauthenticated_access: true }
  const mesh = await startMesh(t, { routes: { App: open } })
  calling(mesh.apps.App, mesh.sidecars.App.outbound, hosts.API, (incoming) =>
    copyHeader(incoming, handleName),
  )
  const refused = await send({ port: mesh.sidecars.App.inbound })
  assert.equal(codeOf(refused), 'original_user_required')
  await mesh.writeMeshFile((file) => {
    const api = file.routes.find((route) => route['name'] === 'API')
    if (api !== undefined) api['original_user'] = 'none'
  })
  await mesh.sidecars.App.sidecar.reload('test')
  assert.equal((await send({ port: mesh.sidecars.App.inbound })).status, 200)
})

const forFaults: [code: string, make: (mesh: TestMesh) => Promise<string>][] = [
  ['original_user_malformed', async () => 'not-a-token'],
  [
    'original_user_algorithm',
    (mesh) => mesh.pomerium.sign(mesh.pomerium.claims('alice', hosts.App), { header: { alg: 'none' } }),
  ],
  [
    'original_user_issuer',
    (mesh) => mesh.pomerium.sign({ ...mesh.pomerium.claims('alice', hosts.App), iss: 'x' }),
  ],
  [
    'original_user_key_unknown',
    (mesh) => mesh.pomerium.sign(mesh.pomerium.claims('alice', hosts.App), { header: { kid: 'unknown' } }),
  ],
  [
    'original_user_signature',
    async (mesh) => `${(await mesh.pomerium.assertion('alice', hosts.App)).slice(0, -86)}${'A'.repeat(86)}`,
  ],
  ['original_user_audience', (mesh) => mesh.pomerium.assertion('alice', 'elsewhere.example.com')],
  [
    'original_user_expired',
    (mesh) => mesh.pomerium.sign({ ...mesh.pomerium.claims('alice', hosts.App), iat: 1_000, exp: 2_000 }),
  ],
  [
    'original_user_not_yet_valid',
    (mesh) => {
      const future = Math.floor(Date.now() / 1000) + 200
      return mesh.pomerium.sign({
        ...mesh.pomerium.claims('alice', hosts.App),
        iat: future,
        exp: future + 60,
      })
    },
  ],
  ['original_user_not_allowed', (mesh) => mesh.pomerium.assertion(undefined, hosts.App)],
]

for (const [code, make] of forFaults) {
  test(`a -For that is not what it should be is refused, never dropped: ${code}`, async (t) => {
    const mesh = await startMesh(t, { run: ['API'] })
    const caller = (await mesh.minter('api-access')).assertionFor(hosts.API)
    const headers = [assertionName, caller, forName, await make(mesh)]
    const answer = await send({ port: mesh.sidecars.API.inbound, headers })
    assert.equal(answer.code, code)
    assert.equal(mesh.apps.API.received.length, 0)
  })
}

test("a -For about a service account is refused, a mesh's own and an issuer's alike", async (t) => {
  const mesh = await startMesh(t, { run: ['API'], issuer: { service_accounts: ['bob-id'] } })
  const minter = await mesh.minter('api-access')
  const caller = minter.assertionFor(hosts.API)
  for (const token of [minter.assertionFor(hosts.App), await mesh.pomerium.assertion('bob', hosts.App)]) {
    const headers = [assertionName, caller, forName, token]
    assert.equal((await send({ port: mesh.sidecars.API.inbound, headers })).code, 'original_user_not_allowed')
  }
})

test("a user of an entry route that the callee does not accept is refused, by the user's audience", async (t) => {
  const mesh = await startMesh(t, { run: ['Ledger'], routes: { Ledger: { accept_for: ['API'] } } })
  const caller = (await mesh.minter('ledger-access')).assertionFor(hosts.Ledger)
  const user = await mesh.pomerium.assertion('alice', hosts.App)
  const headers = [assertionName, caller, forName, user]
  assert.equal((await send({ port: mesh.sidecars.Ledger.inbound, headers })).code, 'original_user_audience')
})
