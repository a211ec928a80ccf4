// The attacker has a key of his own, and wants the sidecar to fetch it, to take it for the issuer's, or to go on with one that was withdrawn.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { generateSigningKey } from '../../deploy/demo/pomerium-keys.ts'
import { send } from '../support/client.ts'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'
import { asUser, assertionName, present } from './attack.ts'

type Header = Readonly<Record<string, unknown>>

const mine = await generateSigningKey('ES256')
const claimsOf = (mesh: TestMesh) => mesh.pomerium.claims('alice', hosts.App)
const genuine = (mesh: TestMesh) => mesh.pomerium.assertion('alice', hosts.App)

/** Signed by the attacker's own key. */
const signedByMe = (mesh: TestMesh, header: Header = {}) =>
  mesh.pomerium.sign(claimsOf(mesh), { header: { alg: 'ES256', ...header }, key: mine.privateKey })

const real = (mesh: TestMesh) => ({ kid: mesh.pomerium.signingKey().kid, typ: 'JWT' })

for (const member of ['jku', 'x5u']) {
  test(`${member} is not even asked for`, async (t) => {
    const mesh = await startMesh(t, { run: ['App'] })
    let asked = 0
    const server = createServer((_request, response) => {
      asked++
      response.end(JSON.stringify({ keys: [mine.jwk] }))
    }).listen(0, '127.0.0.1')
    t.after(() => {
      server.close()
      server.closeAllConnections()
    })
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`
    const answer = await present(mesh, await signedByMe(mesh, { kid: mine.kid, [member]: url }))
    assert.deepEqual([answer.code, asked], ['assertion_key_unknown', 0])
  })
}

test('a key of another curve under the kid of the issuer verifies nothing', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], issuer: { algorithms: ['ES256', 'ES384'] } })
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const header = { ...real(mesh), alg: 'ES384' }
  const answer = await present(mesh, await mesh.pomerium.sign(claimsOf(mesh), { header, key: privateKey }))
  assert.equal(answer.code, 'assertion_key_unknown')
})

test('a key that the issuer publishes for encryption verifies nothing', async (t) => {
  const mesh = await startMesh(t, { run: [] })
  mesh.pomerium.serveJwks({ keys: [mesh.pomerium.signingKey().jwk, { ...mine.jwk, use: 'enc' }] })
  const late = await startMesh(t, { run: ['App'], issuer: { jwks: mesh.pomerium.jwksUrl } })
  const answer = await present(late, await signedByMe(late, { kid: mine.kid }))
  assert.equal(answer.code, 'assertion_key_unknown')
})

test('a second key under a kid that is taken does not replace the first', async (t) => {
  const mesh = await startMesh(t, { run: [] })
  const { jwk, kid } = mesh.pomerium.signingKey()
  mesh.pomerium.serveJwks({ keys: [jwk, { ...mine.jwk, kid }] })
  const late = await startMesh(t, { run: ['App'], issuer: { jwks: mesh.pomerium.jwksUrl } })
  const token = await signedByMe(late, { kid })
  assert.equal((await present(late, token)).code, 'assertion_signature')
})

test('a token that was verified by a key is worth nothing once the issuer withdrew the key', async (t) => {
  let offsetMs = 0
  const mesh = await startMesh(t, { run: ['App'], clockOffsetMs: () => offsetMs })
  const old = await asUser(mesh, 'alice')
  const port = mesh.sidecars.App.inbound
  assert.equal((await send({ port, headers: old })).status, 200)
  await mesh.pomerium.rotateKey({ dropOld: true })
  offsetMs = 6_000
  assert.equal((await send({ port, headers: await asUser(mesh, 'alice') })).status, 200)
  assert.equal((await send({ port, headers: old })).code, 'assertion_key_unknown')
})

test('a good token in any other header than its own is no assertion', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const token = await genuine(mesh)
  const elsewhere = [
    ['Authorization', `Bearer ${token}`],
    ['Cookie', `${assertionName}=${token}`],
    ['X-Pomerium-Authorization', token],
    ['X-Pomerium-Jwt-Assertion-For', token],
    ['X_Pomerium_Jwt_Assertion', token],
    ['X-Forwarded-X-Pomerium-Jwt-Assertion', token],
  ]
  for (const headers of elsewhere) {
    const target = `/?jwt=${token}`
    const answer = await send({ port: mesh.sidecars.App.inbound, target, headers })
    assert.equal(answer.code, 'assertion_missing', String(headers[0]))
  }
  assert.equal(mesh.apps.App.received.length, 0)
})
