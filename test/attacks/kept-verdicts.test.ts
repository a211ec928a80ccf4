// The attacker has shown a good token once, and wants the verdict that was kept to count where the token would not, or to count for another.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { send } from '../support/client.ts'
import { hosts, startMesh, type MeshObject, type TestMesh } from '../support/mesh.ts'
import { adminToken, assertionName, forName, mintByHand, present } from './attack.ts'

const fresh = (mesh: TestMesh) => mesh.pomerium.assertion('alice', hosts.App)

/** A token of alice's that was let in just now. */
async function shown(mesh: TestMesh): Promise<string> {
  const token = await fresh(mesh)
  assert.equal((await present(mesh, token)).status, 200)
  return token
}

/** The 64th character, in the midst of the signature's first half, is another. */
function altered(token: string): string {
  const at = token.lastIndexOf('.') + 20
  return `${token.slice(0, at)}${token[at] === 'A' ? 'B' : 'A'}${token.slice(at + 1)}`
}

test('a token that differs in one character of any part is another one', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const token = await shown(mesh)
  const [header = '', payload = ''] = token.split('.')
  const bobs = (await mesh.pomerium.assertion('bob', hosts.App)).split('.')
  const others = [
    altered(token),
    `${header}.${bobs[1]}.${token.split('.')[2]}`,
    `${header}.${payload}.${bobs[2]}`,
  ]
  for (const other of others) assert.equal((await present(mesh, other)).code, 'assertion_signature')
  assert.equal((await present(mesh, token)).status, 200)
})

test('it counts for no other host, and in no other place of the request', async (t) => {
  const mesh = await startMesh(t, { run: ['App', 'API'] })
  const token = await shown(mesh)
  const { inbound } = mesh.sidecars.API
  assert.equal((await send({ port: inbound, headers: [assertionName, token] })).code, 'assertion_audience')
  const minted = await mintByHand(mesh, 'api-access')
  const asCaller = await send({ port: inbound, headers: [assertionName, minted] })
  assert.equal(asCaller.status, 200)
  const elsewhere = await send({ port: mesh.sidecars.App.inbound, headers: [assertionName, minted] })
  assert.equal(elsewhere.code, 'assertion_audience')
  const asUser = await send({ port: inbound, headers: [assertionName, minted, forName, minted] })
  assert.notEqual(asUser.status, 200)
})

test('it ends with the token, with no request in between', async (t) => {
  let offsetMs = 0
  const mesh = await startMesh(t, { run: ['App'], clockOffsetMs: () => offsetMs })
  const token = await shown(mesh)
  offsetMs = 24 * 60 * 60 * 1000
  assert.notEqual((await present(mesh, token)).status, 200)
})

test('it ends when the token or its subject is revoked', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const revoke = async (revocation: object) => {
    const { admin } = mesh.sidecars.App
    const headers = ['Authorization', `Bearer ${await adminToken(mesh.sidecars.App)}`]
    const body = JSON.stringify(revocation)
    const sent = { port: admin, host: `127.0.0.1:${admin}`, method: 'POST', target: '/revoke', headers, body }
    assert.equal((await send(sent)).status, 202)
  }
  const claims = { ...mesh.pomerium.claims('bob', hosts.App), jti: 'this-one' }
  const bobs = await mesh.pomerium.sign(claims)
  assert.equal((await present(mesh, bobs)).status, 200)
  await revoke({ kind: 'jti', issuer: 'pomerium', value: 'this-one' })
  assert.equal((await present(mesh, bobs)).code, 'assertion_revoked')
  const token = await shown(mesh)
  await revoke({ kind: 'subject', issuer: 'pomerium', value: 'alice-id' })
  assert.equal((await present(mesh, token)).code, 'assertion_revoked')
})

const changes: [name: string, change: (file: MeshObject) => void, code: string][] = [
  [
    'the edges of its issuer are elsewhere',
    (file) => {
      for (const issuer of file.issuers) issuer['edges'] = { source_ip: ['10.0.0.0/8'] }
    },
    'assertion_not_from_edge',
  ],
  [
    'its issuer signs by another algorithm',
    (file) => {
      for (const issuer of file.issuers) issuer['algorithms'] = ['RS256']
    },
    'assertion_algorithm',
  ],
  [
    'its issuer goes by another name',
    (file) => {
      for (const issuer of file.issuers) issuer['issuer'] = ['somebody-else']
    },
    'assertion_issuer',
  ],
  [
    'the policy lets bob in alone',
    (file) => {
      for (const route of file.routes) route['policy'] = [{ allow: { or: [{ user: 'bob-id' }] } }]
    },
    'policy_denied',
  ],
]
for (const [name, change, code] of changes) {
  test(`it ends when ${name}`, async (t) => {
    const mesh = await startMesh(t, { run: ['App'] })
    const token = await shown(mesh)
    await mesh.writeMeshFile(change)
    await mesh.sidecars.App.sidecar.reload(name)
    assert.equal((await present(mesh, token)).code, code)
  })
}
