// The attacker has seen a token that may be used once, and wants to use it a second time, or to use it up before its owner does.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { send } from '../support/client.ts'
import { linkByHand } from '../support/links.ts'
import { hosts, startMesh, type MeshOptions, type TestMesh } from '../support/mesh.ts'
import { assertionName, asUser, forName, speak, viaName } from './attack.ts'

const start = (t: TestContext, options: MeshOptions = {}): Promise<TestMesh> =>
  startMesh(t, { run: ['App'], ...options, issuer: { single_use: true, ...options.issuer } })

const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** The other signature of ECDSA that is good for the same token: (r, n - s). */
function otherSignature(token: string): string {
  const cut = token.lastIndexOf('.') + 1
  const raw = Buffer.from(token.slice(cut), 'base64url')
  const s = BigInt(`0x${raw.subarray(32).toString('hex')}`)
  const other = Buffer.from((order - s).toString(16).padStart(64, '0'), 'hex')
  return token.slice(0, cut) + Buffer.concat([raw.subarray(0, 32), other]).toString('base64url')
}

async function codes(port: number, all: readonly string[]): Promise<Record<string, number>> {
  const count: Record<string, number> = {}
  const answers = await Promise.all(all.map((token) => send({ port, headers: [assertionName, token] })))
  for (const { code } of answers) count[code] = (count[code] ?? 0) + 1
  return count
}

test('of a hundred uses at once one is let in', async (t) => {
  const mesh = await start(t)
  const token = await mesh.pomerium.assertion('alice', hosts.App)
  const counted = await codes(
    mesh.sidecars.App.inbound,
    Array.from({ length: 100 }, () => token),
  )
  assert.deepEqual(counted, { '': 1, assertion_reused: 99 })
  assert.equal(mesh.apps.App.received.length, 1)
})

test('the other signature of the same token is no second token', async (t) => {
  const mesh = await start(t)
  const token = await mesh.pomerium.assertion('alice', hosts.App)
  const both = Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? token : otherSignature(token)))
  assert.deepEqual(await codes(mesh.sidecars.App.inbound, both), { '': 1, assertion_reused: 19 })
})

test('while its key is still being fetched, one use is let in', async (t) => {
  let offsetMs = 0
  const mesh = await start(t, { clockOffsetMs: () => offsetMs })
  await mesh.pomerium.rotateKey({ dropOld: true })
  offsetMs = 6_000
  const token = await mesh.pomerium.assertion('alice', hosts.App)
  const counted = await codes(
    mesh.sidecars.App.inbound,
    Array.from({ length: 30 }, () => token),
  )
  assert.deepEqual(counted, { '': 1, assertion_reused: 29 })
})

test('two uses in one packet are two', async (t) => {
  const mesh = await start(t)
  const [name, token] = await asUser(mesh, 'alice')
  const one = (more: string) => `GET / HTTP/1.1\r\nHost: a\r\n${name}: ${token}\r\n${more}\r\n`
  const answer = await speak(mesh.sidecars.App.inbound, one('') + one('Connection: close\r\n'))
  assert.deepEqual(answer.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 401'])
})

test('a token is used up until it is worth nothing, and does not come back at its end', async (t) => {
  let offsetMs = 0
  const mesh = await start(t, { clockOffsetMs: () => offsetMs })
  const headers = await asUser(mesh, 'alice')
  const port = mesh.sidecars.App.inbound
  assert.equal((await send({ port, headers })).status, 200)
  for (offsetMs of [30_000, 299_000, 301_000, 355_000]) {
    // Others make it sweep what it remembers.
    assert.equal((await send({ port, headers: await freshAt(mesh, offsetMs) })).status, 200)
    assert.equal((await send({ port, headers })).code, 'assertion_reused', String(offsetMs))
  }
  offsetMs = 361_000
  assert.equal((await send({ port, headers })).code, 'assertion_expired')
})

async function freshAt(mesh: TestMesh, offsetMs: number): Promise<string[]> {
  const now = Math.floor((Date.now() + offsetMs) / 1000)
  const claims = { ...mesh.pomerium.claims('bob', hosts.App), iat: now, exp: now + 300 }
  return [assertionName, await mesh.pomerium.sign(claims)]
}

test('a second use that is refused prolongs no session of the first', async (t) => {
  let offsetMs = 0
  const mesh = await start(t, { run: ['App', 'API'], clockOffsetMs: () => offsetMs })
  const { inbound, outbound } = mesh.sidecars.App
  const [name = '', token = ''] = await asUser(mesh, 'alice')
  assert.equal((await send({ port: inbound, headers: [name, token] })).status, 200)
  offsetMs = 2_100
  assert.equal((await send({ port: inbound, headers: [name, token] })).code, 'assertion_reused')
  const answer = await send({ port: outbound, host: hosts.API, headers: [forName, token] })
  assert.deepEqual([answer.status, answer.code], [403, 'original_user_lost'])
  assert.equal(mesh.apps.API.received.length, 0)
})

test('a reload does not give it a second life', async (t) => {
  const mesh = await start(t)
  const headers = await asUser(mesh, 'alice')
  const port = mesh.sidecars.App.inbound
  assert.equal((await send({ port, headers })).status, 200)
  await mesh.sidecars.App.sidecar.reload('nothing changed')
  assert.equal((await send({ port, headers })).code, 'assertion_reused')
})

test('without a jti there is nothing to count by: it is refused', async (t) => {
  const mesh = await start(t)
  for (const jti of [undefined, '']) {
    const token = await mesh.pomerium.sign({ ...mesh.pomerium.claims('alice', hosts.App), jti })
    const headers = [assertionName, token]
    assert.equal((await send({ port: mesh.sidecars.App.inbound, headers })).code, 'assertion_malformed')
  }
})

test('whoever is refused uses nothing up: not by a forged copy, not by a request that is not let in', async (t) => {
  const mesh = await start(t, { routes: { App: { prefix: '/open/' } } })
  const port = mesh.sidecars.App.inbound
  const [name = '', token = ''] = await asUser(mesh, 'alice')
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
  const forged = `${(await mesh.pomerium.sign({ ...claims, email: 'x@companydomain.com' })).slice(0, -20)}${'A'.repeat(20)}`
  assert.equal((await send({ port, target: '/open/', headers: [name, forged] })).code, 'assertion_signature')
  assert.equal((await send({ port, target: '/shut/', headers: [name, token] })).code, 'route_not_found')
  const withFor = [name, token, forName, token]
  assert.equal((await send({ port, target: '/open/', headers: withFor })).code, 'original_user_not_allowed')
  assert.equal((await send({ port, target: '/open/', headers: [name, token] })).status, 200)
  assert.equal((await send({ port, target: '/open/', headers: [name, token] })).code, 'assertion_reused')
})

test('the same jti of somebody else is used up by nobody else, but counted by the issuer', async (t) => {
  const mesh = await start(t)
  const port = mesh.sidecars.App.inbound
  const jti = 'one-jti'
  const [alice, bob] = [
    await mesh.pomerium.sign({ ...mesh.pomerium.claims('alice', hosts.App), jti }),
    await mesh.pomerium.sign({ ...mesh.pomerium.claims('bob', hosts.App), jti }),
  ]
  assert.deepEqual(await codes(port, [alice, bob]), { '': 1, assertion_reused: 1 })
})

test('as an original user a token may come as often as the service calls', async (t) => {
  const mesh = await start(t, { run: ['API'] })
  const user = await mesh.pomerium.assertion('alice', hosts.App)
  const caller = (await mesh.minter('api-access')).assertionFor(hosts.API)
  const via = await linkByHand(mesh, { account: 'api-access', to: 'API', token: user })
  const headers = [assertionName, caller, forName, user, viaName, via]
  for (let i = 0; i < 3; i++) {
    assert.equal((await send({ port: mesh.sidecars.API.inbound, headers })).status, 200)
  }
})
