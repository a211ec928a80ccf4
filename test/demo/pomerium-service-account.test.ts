// How the stand-in takes a service account's token: three forms, their order, and what the upstream gets.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { asAlice, received, send, startPair } from './echo.ts'

const assertionHeader = 'x-pomerium-jwt-assertion'
const asked = { accept: 'application/json' }

async function tokens() {
  const pair = await startPair()
  const first = await pair.pomerium.serviceAccountToken({ id: 'account-1', user: 'api-access' })
  const second = await pair.pomerium.serviceAccountToken({ id: 'account-2', user: 'ledger-access' })
  return { ...pair, first, second }
}

test('a service account’s token is HS256 with jti, sub, iat and nbf, without aud and iss', async () => {
  await using pair = await tokens()
  assert.equal(decodeProtectedHeader(pair.first).alg, 'HS256')
  assert.deepEqual(Object.keys(decodeJwt(pair.first)).sort(), ['iat', 'jti', 'nbf', 'sub'])
})

test('the assertion of a service account looks like a user’s, with the account’s ids', async () => {
  await using pair = await tokens()
  const { headers } = await received(pair.pomerium, { headers: { 'x-pomerium-authorization': pair.first } })
  const { sub, user, sid, email, groups, name } = decodeJwt(String(headers[assertionHeader]))
  assert.deepEqual(
    { sub, user, sid, email, groups, name },
    {
      sub: 'api-access',
      user: 'api-access',
      sid: 'account-1',
      email: '',
      groups: [],
      name: '',
    },
  )
})

for (const [form, header, prefix, stripped] of [
  ['X-Pomerium-Authorization', 'x-pomerium-authorization', '', true],
  ['Authorization: Pomerium', 'authorization', 'Pomerium ', true],
  ['Authorization: Bearer Pomerium-', 'authorization', 'Bearer Pomerium-', false],
] as const) {
  test(`${form} is accepted, and ${stripped ? 'removed before' : 'passed on to'} the upstream`, async () => {
    await using pair = await tokens()
    const value = prefix + pair.first
    const { headers } = await received(pair.pomerium, { headers: { [header]: value } })
    assert.equal(decodeJwt(String(headers[assertionHeader])).sub, 'api-access')
    assert.equal(headers[header], stripped ? undefined : value)
  })
}

test('X-Pomerium-Authorization is looked at before Authorization', async () => {
  await using pair = await tokens()
  const headers = { 'x-pomerium-authorization': pair.first, authorization: `Pomerium ${pair.second}` }
  const upstream = await received(pair.pomerium, { headers })
  assert.equal(decodeJwt(String(upstream.headers[assertionHeader])).sub, 'api-access')
})

for (const prefix of ['pomerium ', 'Bearer pomerium-', 'bearer Pomerium-', 'Bearer ']) {
  test(`"${prefix}" is none of the forms`, async () => {
    await using pair = await tokens()
    const headers = { ...asked, authorization: prefix + pair.first }
    assert.equal((await send(pair.pomerium, { headers })).status, 401)
  })
}

test('an app’s own Authorization passes', async () => {
  await using pair = await tokens()
  const { headers } = await received(pair.pomerium, { headers: { ...asAlice, authorization: 'Bearer own' } })
  assert.equal(headers.authorization, 'Bearer own')
})

test('a token signed with another shared key is no session', async () => {
  await using pair = await tokens()
  await using other = await startPair()
  const token = await other.pomerium.serviceAccountToken({ id: 'account-1', user: 'api-access' })
  const headers = { ...asked, 'x-pomerium-authorization': token }
  assert.equal((await send(pair.pomerium, { headers })).status, 401)
})

test('an expired token is no session', async () => {
  await using pair = await startPair({}, { nowMs: () => 1_700_000_000_000 })
  const account = { id: 'account-1', user: 'api-access' }
  const expired = await pair.pomerium.serviceAccountToken({ ...account, expiresAt: 1_699_999_999 })
  const valid = await pair.pomerium.serviceAccountToken({ ...account, expiresAt: 1_700_000_001 })
  const status = async (token: string) =>
    (await send(pair.pomerium, { headers: { ...asked, 'x-pomerium-authorization': token } })).status
  assert.equal(await status(expired), 401)
  assert.equal(await status(valid), 200)
})

test('an assertion of the stand-in is no service account’s token', async () => {
  await using pair = await startPair()
  const token = await pair.pomerium.assertion('alice', 'app.localhost.pomerium.io')
  const headers = { ...asked, 'x-pomerium-authorization': token }
  assert.equal((await send(pair.pomerium, { headers })).status, 401)
})
