// Every refusal code that concerns the caller's assertion, provoked through a socket.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { forge } from '../../deploy/demo/forge.ts'
import { generateSigningKey } from '../../deploy/demo/pomerium-keys.ts'
import { send } from '../support/client.ts'
import { hosts, meshIssuer, startMesh, x5cOf, type MeshOptions, type TestMesh } from '../support/mesh.ts'

const assertion = (token: string): string[] => ['X-Pomerium-Jwt-Assertion', token]

interface Row {
  readonly name: string
  readonly status: number
  readonly code: string
  readonly mesh?: MeshOptions
  readonly headers: (mesh: TestMesh) => Promise<string[]>
}

const claimsOf = (mesh: TestMesh) => mesh.pomerium.claims('alice', hosts.App)
const signed = async (mesh: TestMesh, changes: Record<string, unknown>) =>
  assertion(await mesh.pomerium.sign({ ...claimsOf(mesh), ...changes }))
const nowSeconds = () => Math.floor(Date.now() / 1000)

const rows: readonly Row[] = [
  { name: 'no assertion', status: 401, code: 'assertion_missing', headers: async () => [] },
  {
    name: 'two assertions',
    status: 400,
    code: 'request_ambiguous',
    headers: async (mesh) => {
      const token = await mesh.pomerium.assertion('alice', hosts.App)
      return [...assertion(token), ...assertion(token)]
    },
  },
  {
    name: 'an assertion in a look-alike header',
    status: 401,
    code: 'assertion_missing',
    headers: async (mesh) => ['X_Pomerium_Jwt_Assertion', await mesh.pomerium.assertion('alice', hosts.App)],
  },
  { name: 'no JWS', status: 401, code: 'assertion_malformed', headers: async () => assertion('a.b') },
  {
    name: 'aud is a list',
    status: 401,
    code: 'assertion_malformed',
    headers: (mesh) => signed(mesh, { aud: [hosts.App] }),
  },
  {
    name: 'alg none',
    status: 401,
    code: 'assertion_algorithm',
    headers: async (mesh) => assertion(await mesh.pomerium.sign(claimsOf(mesh), { header: { alg: 'none' } })),
  },
  {
    name: 'HS256 with the public key as its secret',
    status: 401,
    code: 'assertion_algorithm',
    headers: async (mesh) => {
      const pem = mesh.pomerium.signingKey().publicKey.export({ type: 'spki', format: 'pem' })
      const key = Buffer.from(pem)
      return assertion(await mesh.pomerium.sign(claimsOf(mesh), { header: { alg: 'HS256' }, key }))
    },
  },
  {
    name: 'an algorithm that the issuer does not list',
    status: 401,
    code: 'assertion_algorithm',
    mesh: { issuer: { algorithms: ['RS256'] } },
    headers: (mesh) => signed(mesh, {}),
  },
  {
    name: 'an unknown issuer',
    status: 401,
    code: 'assertion_issuer',
    headers: (mesh) => signed(mesh, { iss: 'elsewhere.example.com' }),
  },
  {
    name: 'an unknown key',
    status: 401,
    code: 'assertion_key_unknown',
    headers: async (mesh) => {
      const key = await generateSigningKey('ES256')
      return assertion(
        await mesh.pomerium.sign(claimsOf(mesh), { header: { kid: key.kid }, key: key.privateKey }),
      )
    },
  },
  {
    name: 'another key under the right kid',
    status: 401,
    code: 'assertion_signature',
    headers: async (mesh) => {
      const { privateKey } = await generateSigningKey('ES256')
      return assertion(await mesh.pomerium.sign(claimsOf(mesh), { key: privateKey }))
    },
  },
  {
    name: "another route's assertion",
    status: 401,
    code: 'assertion_audience',
    headers: async (mesh) => assertion(await mesh.pomerium.assertion('alice', hosts.Ledger)),
  },
  {
    name: 'expired',
    status: 401,
    code: 'assertion_expired',
    headers: (mesh) => signed(mesh, { iat: nowSeconds() - 400, exp: nowSeconds() - 100 }),
  },
  {
    name: 'from the future',
    status: 401,
    code: 'assertion_not_yet_valid',
    headers: (mesh) => signed(mesh, { iat: nowSeconds() + 120, exp: nowSeconds() + 300 }),
  },
  {
    name: 'about nobody, where the route needs somebody',
    status: 401,
    code: 'assertion_anonymous',
    headers: async (mesh) => assertion(await mesh.pomerium.assertion(undefined, hosts.App)),
  },
  {
    name: 'from elsewhere than the edge',
    status: 401,
    code: 'assertion_not_from_edge',
    mesh: { issuer: { edges: { source_ip: ['10.0.0.0/8'] } } },
    headers: (mesh) => signed(mesh, {}),
  },
  {
    name: 'a user whom the policy does not allow',
    status: 403,
    code: 'policy_denied',
    headers: async (mesh) => assertion(await mesh.pomerium.assertion('mallory', hosts.App)),
  },
  {
    name: "a user's own -For",
    status: 403,
    code: 'original_user_not_allowed',
    headers: async (mesh) => [
      ...(await signed(mesh, {})),
      'X-Pomerium-Jwt-Assertion-For',
      await mesh.pomerium.assertion('bob', hosts.App),
    ],
  },
]

async function provoke(t: TestContext, row: Row) {
  const mesh = await startMesh(t, { run: ['App'], ...row.mesh })
  const answer = await send({ port: mesh.sidecars.App.inbound, headers: await row.headers(mesh) })
  return { mesh, answer }
}

for (const row of rows) {
  test(`refuses with ${row.code}: ${row.name}`, async (t) => {
    const { mesh, answer } = await provoke(t, row)
    assert.deepEqual([answer.status, answer.code], [row.status, row.code])
    const body = JSON.parse(answer.body) as Record<string, string>
    assert.deepEqual(Object.keys(body), ['error', 'message', 'request_id'])
    assert.equal(body['error'], row.code)
    assert.equal(body['request_id'], answer.headers['x-onbehalf-request-id'])
    assert.equal(answer.headers['www-authenticate'] !== undefined, row.status === 401)
    assert.equal(mesh.apps.App.received.length, 0)
  })
}

test('refuses an assertion that was used before, where the issuer is single_use', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], issuer: { single_use: true } })
  const headers = assertion(await mesh.pomerium.assertion('alice', hosts.App))
  const port = mesh.sidecars.App.inbound
  assert.equal((await send({ port, headers })).status, 200)
  assert.equal((await send({ port, headers })).code, 'assertion_reused')
  assert.equal(mesh.apps.App.received.length, 1)
})

test('lets exactly one of twenty simultaneous uses of a single-use assertion in', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], issuer: { single_use: true } })
  const headers = assertion(await mesh.pomerium.assertion('alice', hosts.App))
  const port = mesh.sidecars.App.inbound
  const answers = await Promise.all(Array.from({ length: 20 }, () => send({ port, headers })))
  assert.equal(answers.filter(({ status }) => status === 200).length, 1)
  assert.equal(answers.filter(({ code }) => code === 'assertion_reused').length, 19)
})

test('answers keys_unavailable, and not invalid, while the issuer cannot be reached', async (t) => {
  const mesh = await startMesh(t, { run: [] })
  mesh.pomerium.failJwks('status')
  const late = await startMesh(t, {
    run: ['App'],
    issuer: { jwks: mesh.pomerium.jwksUrl },
    awaitReady: false,
  })
  const headers = assertion(await mesh.pomerium.assertion('alice', hosts.App))
  const answer = await send({ port: late.sidecars.App.inbound, headers })
  assert.deepEqual([answer.status, answer.code], [503, 'keys_unavailable'])
})

test('fetches the keys once for a new key, and lets its assertions in', async (t) => {
  let offsetMs = 0
  const mesh = await startMesh(t, { run: ['App'], clockOffsetMs: () => offsetMs })
  await mesh.pomerium.rotateKey({ dropOld: true })
  offsetMs = 6_000
  const before = mesh.pomerium.jwksFetches()
  const port = mesh.sidecars.App.inbound
  const answers = await Promise.all(
    Array.from({ length: 10 }, async () =>
      send({ port, headers: assertion(await mesh.pomerium.assertion('alice', hosts.App)) }),
    ),
  )
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
  assert.equal(mesh.pomerium.jwksFetches() - before, 1)
})

test('a flood of unknown keys makes one fetch, not one each', async (t) => {
  let offsetMs = 0
  const mesh = await startMesh(t, { run: ['App'], clockOffsetMs: () => offsetMs })
  offsetMs = 6_000
  const before = mesh.pomerium.jwksFetches()
  const port = mesh.sidecars.App.inbound
  const answers = await Promise.all(
    Array.from({ length: 50 }, async (_, i) => {
      const token = await mesh.pomerium.sign(claimsOf(mesh), { header: { kid: `unknown-${i}` } })
      return send({ port, headers: assertion(token) })
    }),
  )
  assert.deepEqual(new Set(answers.map(({ code }) => code)), new Set(['assertion_key_unknown']))
  assert.equal(mesh.pomerium.jwksFetches() - before, 1)
})

const mintedRows = [
  { name: 'an e-mail', changes: { email: 'root@companydomain.com' } },
  { name: 'groups', changes: { groups: ['admins'] } },
  { name: 'a name', changes: { name: 'Root' } },
  { name: 'another user', changes: { user: 'alice-id' } },
]

for (const { name, changes } of mintedRows) {
  test(`refuses a minted assertion with ${name} in it, though the real key signed it`, async (t) => {
    const mesh = await startMesh(t, { run: ['API'] })
    const certified = await mesh.certified('api-access')
    const token = await mintByHand(certified, changes)
    const answer = await send({ port: mesh.sidecars.API.inbound, headers: assertion(token) })
    assert.equal(answer.code, 'assertion_malformed')
  })
}

test('accepts the same minted assertion without them', async (t) => {
  const mesh = await startMesh(t, { run: ['API'] })
  const token = await mintByHand(await mesh.certified('api-access'), {})
  const answer = await send({ port: mesh.sidecars.API.inbound, headers: assertion(token) })
  assert.equal(answer.status, 200)
})

test('a minted assertion counts for a minute, whatever its exp says', async (t) => {
  let offsetMs = 0
  const mesh = await startMesh(t, { run: ['API'], clockOffsetMs: () => offsetMs })
  const token = await mintByHand(await mesh.certified('api-access'), { exp: nowSeconds() + 36_000 })
  const port = mesh.sidecars.API.inbound
  assert.equal((await send({ port, headers: assertion(token) })).status, 200)
  offsetMs = 125_000
  assert.equal((await send({ port, headers: assertion(token) })).code, 'assertion_expired')
})

test("refuses a minted assertion that names another account than its certificate's", async (t) => {
  const mesh = await startMesh(t, { run: ['API'] })
  const changes = { sub: 'api-access', user: 'api-access' }
  const token = await mintByHand(await mesh.certified('ledger-access'), changes)
  const answer = await send({ port: mesh.sidecars.API.inbound, headers: assertion(token) })
  assert.equal(answer.code, 'assertion_key_unknown')
})

test("refuses a minted assertion whose certificate another mesh's CA signed", async (t) => {
  const mesh = await startMesh(t, { run: ['API'] })
  const other = await startMesh(t, { run: [] })
  const token = await mintByHand(await other.certified('api-access'), {})
  const answer = await send({ port: mesh.sidecars.API.inbound, headers: assertion(token) })
  assert.equal(answer.code, 'assertion_key_unknown')
})

/** An assertion for API as a sidecar would mint it, but for `changes`. */
async function mintByHand(
  certified: Awaited<ReturnType<TestMesh['certified']>>,
  changes: Record<string, unknown>,
): Promise<string> {
  const { createPrivateKey, createPublicKey } = await import('node:crypto')
  const { calculateJwkThumbprint } = await import('jose')
  const key = createPrivateKey(certified.keyPem)
  const jwk = createPublicKey(key).export({ format: 'jwk' })
  const kid = Buffer.from(await calculateJwkThumbprint(jwk as never), 'base64url').toString('hex')
  const header = { alg: 'ES256', typ: 'JWT', kid, x5c: x5cOf(certified) }
  const iat = nowSeconds()
  const payload = {
    iss: meshIssuer,
    aud: hosts.API,
    sub: 'api-access',
    user: 'api-access',
    email: '',
    groups: [],
    name: '',
    iat,
    exp: iat + 60,
    jti: 'by-hand',
    sid: 'by-hand',
    ...changes,
  }
  return forge({ header, payload, key })
}
