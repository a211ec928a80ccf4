// The attacker is a user, or sits in an app, and wants a call to be made in the name of another user than its cause.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { startPomerium } from '../../deploy/demo/pomerium.ts'
import { rawValues } from '../support/app.ts'
import { send, type Answer } from '../support/client.ts'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'
import { assertionName, asUser, calling, forName, handleName, speak } from './attack.ts'

/** Comes in at App as a user; gives the token and the handle that the app got. */
async function comeIn(mesh: TestMesh, user: string): Promise<{ token: string; handle: string }> {
  const headers = await asUser(mesh, user)
  assert.equal((await send({ port: mesh.sidecars.App.inbound, headers })).status, 200)
  const handle = rawValues(mesh.apps.App.received.at(-1), handleName)[0] ?? ''
  return { token: headers[1] ?? '', handle }
}

/** Calls API out of App. */
const callOut = (mesh: TestMesh, headers: readonly string[]): Promise<Answer> =>
  send({ port: mesh.sidecars.App.outbound, host: hosts.API, headers })

/** Assertions and users are brought together by hand here, which evidence alone would refuse. */
const withoutEvidence = { evidence: 'off' }

/** Comes in at API on behalf of a user. */
async function comeInAtApi(mesh: TestMesh, caller: string, user: string | undefined): Promise<string> {
  const carried = user === undefined ? [] : [forName, await mesh.pomerium.assertion(user, hosts.App)]
  const headers = [assertionName, caller, ...carried]
  assert.equal((await send({ port: mesh.sidecars.API.inbound, headers })).status, 200)
  return carried[1] ?? ''
}

const carriedUser = (mesh: TestMesh) =>
  rawValues(mesh.apps.API.received.at(-1), 'x-pomerium-original-user-id')

test("a user's own -For makes nobody somebody else, and neither does a foreign handle of hers", async (t) => {
  const mesh = await startMesh(t, { run: ['App', 'API'] })
  const bob = await comeIn(mesh, 'bob')
  const port = mesh.sidecars.App.inbound
  const withFor = [...(await asUser(mesh, 'alice')), forName, bob.token]
  assert.equal((await send({ port, headers: withFor })).code, 'original_user_not_allowed')
  const withHandle = [...(await asUser(mesh, 'alice')), handleName, bob.handle]
  assert.equal((await send({ port, headers: withHandle })).status, 200)
  const given = rawValues(mesh.apps.App.received.at(-1), handleName)
  assert.equal(given.length, 1)
  assert.notEqual(given[0], bob.handle)
  assert.equal((await callOut(mesh, [handleName, given[0] ?? ''])).status, 200)
  assert.deepEqual(carriedUser(mesh), ['alice-id'])
})

test('a handle is never the same twice, and tells nothing of the one before', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const handles = new Set<string>()
  for (let i = 0; i < 300; i++) handles.add((await comeIn(mesh, 'alice')).handle)
  assert.equal(handles.size, 300)
  assert.equal(new Set([...handles].map((handle) => handle.slice(4, 12))).size, 300)
})

test('guessed handles with the right tag name nobody, and never the account', async (t) => {
  const mesh = await startMesh(t, { run: ['App', 'API'] })
  const { handle } = await comeIn(mesh, 'alice')
  const tag = createHash('sha256').update('App').digest('base64url').slice(0, 4)
  assert.equal(handle.slice(0, 4), tag)
  const last = handle.at(-1) === 'A' ? 'Q' : 'A'
  const guesses = [
    tag,
    `${tag}${'A'.repeat(22)}`,
    `${handle.slice(0, -1)}${last}`,
    handle.slice(0, -1),
    `${handle}A`,
    `${handle}=`,
    `${handle}, ${handle}`,
    `${handle.slice(0, 4)}${handle.slice(4).toLowerCase()}.`,
    `${handle};q=1`,
  ]
  for (const guess of guesses) {
    const answer = await callOut(mesh, [handleName, guess])
    assert.deepEqual([answer.status, answer.code], [403, 'original_user_lost'], guess)
  }
  assert.equal(mesh.apps.API.received.length, 0)
})

test('what is no handle of any service is a lost user, and never the account', async (t) => {
  const mesh = await startMesh(t, { run: ['App', 'API'] })
  const { handle } = await comeIn(mesh, 'alice')
  const garbled = [`xxxx${'A'.repeat(22)}, ${handle}`, `"${handle}"`, `handle=${handle}`, `<${handle}>`, 'x']
  for (const value of garbled) {
    const answer = await callOut(mesh, [handleName, value])
    assert.deepEqual([answer.status, answer.code], [403, 'original_user_lost'], value)
  }
})

test("another service's handle carries nobody here", async (t) => {
  const mesh = await startMesh(t, { run: ['App', 'API', 'Ledger'] })
  const { handle } = await comeIn(mesh, 'alice')
  const headers = [handleName, handle]
  const answer = await send({ port: mesh.sidecars.API.outbound, host: hosts.Ledger, headers })
  assert.equal(answer.status, 200)
  assert.deepEqual(rawValues(mesh.apps.Ledger.received[0], forName), [])
  assert.equal(mesh.apps.Ledger.received[0]?.rawHeaders.includes(handle), false)
})

const disagreements: [name: string, headers: (a: Came, b: Came) => string[]][] = [
  ["a handle and another user's -For", (a, b) => [handleName, a.handle, forName, b.token]],
  ["a handle and another user's assertion", (a, b) => [handleName, a.handle, assertionName, b.token]],
  ["an assertion and another user's -For", (a, b) => [assertionName, a.token, forName, b.token]],
  [
    'all three, of which one is foreign',
    (a, b) => [handleName, a.handle, assertionName, a.token, forName, b.token],
  ],
  ['a live handle and a -For that never came', (a) => [handleName, a.handle, forName, 'x.y.z']],
  [
    'a live -For and a handle that never was',
    (a) => [forName, a.token, handleName, `${a.handle.slice(0, 4)}${'A'.repeat(22)}`],
  ],
]
type Came = Awaited<ReturnType<typeof comeIn>>
for (const [name, headers] of disagreements) {
  test(`${name} are refused, not chosen between`, async (t) => {
    const mesh = await startMesh(t, { run: ['App', 'API'] })
    const [alice, bob] = [await comeIn(mesh, 'alice'), await comeIn(mesh, 'bob')]
    for (const given of [headers(alice, bob), headers(bob, alice)]) {
      const answer = await callOut(mesh, given)
      assert.deepEqual([answer.status, answer.code], [403, 'original_user_ambiguous'])
    }
    assert.equal(mesh.apps.API.received.length, 0)
  })
}

test('a -For that came with one account is not carried beside the assertion of another', async (t) => {
  const policy = [{ allow: { or: [{ authenticated_user: true }] } }]
  const mesh = await startMesh(t, {
    run: ['API', 'Ledger'],
    routes: { API: { policy } },
    mesh: withoutEvidence,
  })
  const [one, other] = [
    (await mesh.minter('api-access')).assertionFor(hosts.API),
    (await mesh.minter('ledger-access')).assertionFor(hosts.API),
  ]
  const alice = await comeInAtApi(mesh, one, 'alice')
  await comeInAtApi(mesh, other, 'bob')
  const port = mesh.sidecars.API.outbound
  const crossed = [assertionName, other, forName, alice]
  assert.equal((await send({ port, host: hosts.Ledger, headers: crossed })).code, 'original_user_ambiguous')
  const straight = [assertionName, one, forName, alice]
  assert.equal((await send({ port, host: hosts.Ledger, headers: straight })).status, 200)
})

test("an account's assertion alone is never one of its users, nor the account while one of them lives", async (t) => {
  const mesh = await startMesh(t, { run: ['API', 'Ledger'], mesh: withoutEvidence })
  const caller = (await mesh.minter('api-access')).assertionFor(hosts.API)
  const copied = () =>
    send({ port: mesh.sidecars.API.outbound, host: hosts.Ledger, headers: [assertionName, caller] })
  await comeInAtApi(mesh, caller, 'alice')
  await comeInAtApi(mesh, caller, 'bob')
  await comeInAtApi(mesh, caller, undefined)
  assert.equal((await copied()).code, 'original_user_ambiguous')
  assert.equal(mesh.apps.Ledger.received.length, 0)
})

test("an account's assertion that carried a user does not become the account's own once the user is forgotten", async (t) => {
  let offsetMs = 0
  const mesh = await startMesh(t, {
    run: ['API', 'Ledger'],
    mesh: withoutEvidence,
    clockOffsetMs: () => offsetMs,
  })
  const caller = (await mesh.minter('api-access')).assertionFor(hosts.API)
  const copied = () =>
    send({ port: mesh.sidecars.API.outbound, host: hosts.Ledger, headers: [assertionName, caller] })
  await comeInAtApi(mesh, caller, 'alice')
  // Alice's session has lingered long enough; a job that her request began still runs, and copies what it has.
  offsetMs = 2_500
  assert.equal((await copied()).status, 403)
  await comeInAtApi(mesh, caller, undefined)
  assert.equal((await copied()).status, 403)
  assert.equal(mesh.apps.Ledger.received.length, 0)
})

test('the same subject of two issuers is two people, whose sources disagree', async (t) => {
  const second = await startPomerium({
    users: { alice: { sub: 'alice-id', email: 'alice@companydomain.com', groups: [], name: 'Alice' } },
    issuer: 'https://second.example.com',
  })
  t.after(() => second.close())
  const mesh = await startMesh(t, { run: ['App', 'API'] })
  await mesh.writeMeshFile((file) => {
    file.issuers.push({ name: 'second', issuer: ['https://second.example.com'], jwks: second.jwksUrl })
  })
  await mesh.sidecars.App.sidecar.reload('a second issuer')
  const first = await comeIn(mesh, 'alice')
  const token = await second.assertion('alice', hosts.App)
  const answer = await send({ port: mesh.sidecars.App.inbound, headers: [assertionName, token] })
  assert.equal(answer.status, 200)
  const handle = rawValues(mesh.apps.App.received.at(-1), handleName)[0] ?? ''
  const mixed = await callOut(mesh, [handleName, handle, forName, first.token])
  assert.equal(mixed.code, 'original_user_ambiguous')
  assert.equal(mesh.apps.API.received.length, 0)
})

test("an issuer does not sign for another issuer's users, though it knows their kid", async (t) => {
  const second = await startPomerium({
    users: { alice: { sub: 'alice-id', email: 'alice@companydomain.com', groups: [], name: 'Alice' } },
  })
  t.after(() => second.close())
  const mesh = await startMesh(t, { run: ['App'] })
  const { kid } = mesh.pomerium.signingKey()
  second.serveJwks({ keys: [{ ...second.signingKey().jwk, kid }] })
  await mesh.writeMeshFile((file) => {
    file.issuers.unshift({ name: 'second', issuer: ['https://second.example.com'], jwks: second.jwksUrl })
  })
  await mesh.sidecars.App.sidecar.reload('a second issuer')
  const forged = await second.sign(second.claims('alice', hosts.App), { header: { alg: 'ES256', kid } })
  const answer = await send({ port: mesh.sidecars.App.inbound, headers: [assertionName, forged] })
  assert.equal(answer.code, 'assertion_signature')
})

test("a user's token from elsewhere than the edge is not hers, also while it is good at the edge", async (t) => {
  const mesh = await startMesh(t, { run: ['App'], issuer: { edges: { source_ip: ['127.0.0.1'] } } })
  const headers = await asUser(mesh, 'alice')
  assert.equal((await send({ port: mesh.sidecars.App.inbound, headers })).status, 200)
  await mesh.writeMeshFile((file) => {
    for (const issuer of file.issuers) issuer['edges'] = { source_ip: ['10.0.0.0/8'] }
  })
  await mesh.sidecars.App.sidecar.reload('another edge')
  const forwarded = [
    ...headers,
    'X-Forwarded-For',
    '10.0.0.1',
    'X-Real-Ip',
    '10.0.0.1',
    'Forwarded',
    'for=10.0.0.1',
  ]
  assert.equal(
    (await send({ port: mesh.sidecars.App.inbound, headers: forwarded })).code,
    'assertion_not_from_edge',
  )
})

test('a token that was good as an assertion is judged anew as an original user, by where it was made for', async (t) => {
  const routes = { API: { policy: [{ allow: { or: [{ authenticated_user: true }] } }], accept_for: ['App'] } }
  const mesh = await startMesh(t, { run: ['API'], routes })
  const user = await mesh.pomerium.assertion('alice', hosts.API)
  const port = mesh.sidecars.API.inbound
  assert.equal((await send({ port, headers: [assertionName, user] })).status, 200)
  const caller = (await mesh.minter('api-access')).assertionFor(hosts.API)
  const headers = [assertionName, caller, forName, user]
  assert.equal((await send({ port, headers })).code, 'original_user_audience')
})

test('two users who come in at the same moment on one connection are two', async (t) => {
  const mesh = await startMesh(t)
  calling(mesh.apps.App, mesh.sidecars.App.outbound, hosts.API, (incoming) => [
    handleName,
    String(incoming.headers[handleName]),
  ])
  mesh.apps.API.handler = (incoming, response) =>
    void response.end(String(incoming.headers['x-pomerium-original-user-id']))
  const tokens = await Promise.all(
    Array.from({ length: 20 }, (_, i) => mesh.pomerium.assertion(`user${i}`, hosts.App)),
  )
  const requests = tokens.map((token, i) => {
    const last = i === tokens.length - 1 ? 'Connection: close\r\n' : ''
    return `GET /${i} HTTP/1.1\r\nHost: a\r\n${assertionName}: ${token}\r\n${last}\r\n`
  })
  const answer = await speak(mesh.sidecars.App.inbound, requests.join(''))
  const users = [...answer.matchAll(/user\d+-id/g)].map(([user]) => user)
  assert.deepEqual(
    users,
    tokens.map((_, i) => `user${i}-id`),
  )
})

test('what an app has no session for is lost, whatever it looks like', async (t) => {
  const mesh = await startMesh(t, { run: ['App', 'API'] })
  const fresh = await mesh.pomerium.assertion('alice', hosts.App)
  for (const headers of [
    [forName, fresh],
    [assertionName, fresh],
    [forName, 'null'],
    [assertionName, (await mesh.minter('api-access')).assertionFor(hosts.API)],
    [forName, fresh, assertionName, fresh],
  ]) {
    const answer = await callOut(mesh, headers)
    assert.deepEqual([answer.status, answer.code], [403, 'original_user_lost'])
  }
  assert.equal(mesh.apps.API.received.length, 0)
})
