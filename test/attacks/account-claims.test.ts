// The attacker is a service with a good certificate, and wants to be more than its account by what it writes into its own assertion.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { identityNames, rawValues } from '../support/app.ts'
import { send } from '../support/client.ts'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'
import { assertionName, mintByHand } from './attack.ts'

const presentAtApi = (mesh: TestMesh, token: string) =>
  send({ port: mesh.sidecars.API.inbound, headers: [assertionName, token] })

const selfAsserted = [
  ['a policy by claim', { role: 'admin' }, [{ allow: { or: [{ 'claim/role': 'admin' }] } }]],
  [
    'a policy by a claim in a claim',
    { org: { team: 'root' } },
    [{ allow: { or: [{ 'claim/org/team': 'root' }] } }],
  ],
] as const
for (const [name, claims, policy] of selfAsserted) {
  test(`an account cannot satisfy ${name} by writing the claim into its own assertion`, async (t) => {
    const mesh = await startMesh(t, { run: ['API'], routes: { API: { policy } } })
    const answer = await presentAtApi(mesh, await mintByHand(mesh, 'api-access', claims))
    assert.notEqual(answer.status, 200)
    assert.equal(mesh.apps.API.received.length, 0)
  })
}

test('an account cannot tell the app a claim by writing it into its own assertion', async (t) => {
  const settings = { jwt_claims_headers: { 'X-Role': 'role' } }
  const mesh = await startMesh(t, { run: ['API'], settings })
  await presentAtApi(mesh, await mintByHand(mesh, 'api-access', { role: 'admin' }))
  assert.equal(mesh.apps.API.received[0]?.rawHeaders.includes('admin') ?? false, false)
})

test('an account is no user: it opens no route whose policy names the user of the same name', async (t) => {
  const policy = [{ allow: { and: [{ user: { is: 'api-access' } }, { issuer: 'pomerium' }] } }]
  const mesh = await startMesh(t, { run: ['API'], routes: { API: { policy } } })
  const answer = await presentAtApi(mesh, await mintByHand(mesh, 'api-access'))
  assert.equal(answer.code, 'policy_denied')
})

test('a user of the name of an account is no account: he carries nobody', async (t) => {
  const mesh = await startMesh(t, { run: ['API'] })
  const claims = { ...mesh.pomerium.claims('alice', hosts.API), sub: 'api-access', user: 'api-access' }
  const user = await mesh.pomerium.assertion('bob', hosts.App)
  const headers = [assertionName, await mesh.pomerium.sign(claims), 'X-Pomerium-Jwt-Assertion-For', user]
  const answer = await send({ port: mesh.sidecars.API.inbound, headers })
  assert.equal(answer.code, 'original_user_not_allowed')
})

test("a minted assertion is no original user's, and a user's own is none of an account", async (t) => {
  const mesh = await startMesh(t, { run: ['API'] })
  const caller = await mintByHand(mesh, 'api-access')
  const carried = await mintByHand(mesh, 'ledger-access', { aud: hosts.App })
  const headers = [assertionName, caller, 'X-Pomerium-Jwt-Assertion-For', carried]
  const answer = await send({ port: mesh.sidecars.API.inbound, headers })
  assert.equal(answer.code, 'original_user_not_allowed')
  assert.deepEqual(identityNames(mesh.apps.API.received[0]), [])
  assert.deepEqual(rawValues(mesh.apps.API.received[0], assertionName), [])
})
