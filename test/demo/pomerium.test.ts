// The stand-in's assertion and identity headers, held against the facts about Pomerium.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { calculateJwkThumbprint, createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import type { Pomerium } from '../../deploy/demo/pomerium.ts'
import {
  appHost,
  asAlice,
  echo,
  received,
  send,
  startPair,
  startUpstream,
  users,
  type Sending,
} from './echo.ts'

const assertionHeader = 'x-pomerium-jwt-assertion'
const originalUserHeader = 'x-pomerium-jwt-assertion-for'

async function assertionOf(pomerium: Pomerium, sending: Sending = { headers: asAlice }): Promise<string> {
  return String((await received(pomerium, sending)).headers[assertionHeader])
}

for (const algorithm of ['ES256', 'RS256'] as const) {
  test(`an assertion verifies against the published keys with ${algorithm}`, async () => {
    await using pair = await startPair({}, { algorithm })
    const token = await assertionOf(pair.pomerium)
    const keys = createRemoteJWKSet(new URL(pair.pomerium.jwksUrl))
    const { payload, protectedHeader } = await jwtVerify(token, keys, { audience: appHost, issuer: appHost })
    assert.equal(payload.sub, 'google/1234')
    assert.deepEqual(Object.keys(protectedHeader).sort(), ['alg', 'kid', 'typ'])
    assert.equal(protectedHeader.alg, algorithm)
    assert.equal(protectedHeader.typ, 'JWT')
  })
}

test('the kid is the hex RFC 7638 thumbprint of the key', async () => {
  await using pair = await startPair()
  const { kid } = decodeProtectedHeader(await assertionOf(pair.pomerium))
  const { crv, kty, x, y } = pair.pomerium.signingKey().jwk
  assert.equal(kid, createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('hex'))
  const thumbprint = await calculateJwkThumbprint(pair.pomerium.signingKey().jwk)
  assert.equal(kid, Buffer.from(thumbprint, 'base64url').toString('hex'))
})

test('an assertion has the claims that Pomerium always gives, and no others', async () => {
  await using pair = await startPair({}, { nowMs: () => 1_700_000_000_500 })
  const { jti, sid, ...claims } = decodeJwt(await assertionOf(pair.pomerium))
  assert.match(String(jti), /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/)
  assert.match(String(sid), /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/)
  assert.deepEqual(claims, {
    iss: appHost,
    aud: appHost,
    iat: 1_700_000_000,
    exp: 1_700_000_300,
    sub: 'google/1234',
    user: 'google/1234',
    email: 'alice@companydomain.com',
    groups: ['g1', 'Engineering'],
    name: 'Alice',
  })
})

test('every request carries a fresh assertion of the same session', async () => {
  await using pair = await startPair()
  const first = decodeJwt(await assertionOf(pair.pomerium))
  const second = decodeJwt(await assertionOf(pair.pomerium))
  assert.notEqual(first.jti, second.jti)
  assert.equal(first['sid'], second['sid'])
})

test('aud is the route’s host without its port', async () => {
  await using pair = await startPair()
  const token = await assertionOf(pair.pomerium, { host: `${appHost}:8443`, headers: asAlice })
  assert.equal(decodeJwt(token).aud, appHost)
})

for (const [issuer, expected] of [
  ['hostOnly', appHost],
  ['uri', `https://${appHost}/`],
  ['pomerium-proxy', 'pomerium-proxy'],
] as const) {
  test(`the issuer format ${issuer} gives iss ${expected}`, async () => {
    await using pair = await startPair({}, { issuer })
    assert.equal(decodeJwt(await assertionOf(pair.pomerium)).iss, expected)
  })
}

test('a user without groups has an empty list of them, not null', async () => {
  await using pair = await startPair({}, { users: { bob: { sub: 'bob', email: 'bob@companydomain.com' } } })
  const token = await assertionOf(pair.pomerium, { headers: { cookie: '_pomerium=bob' } })
  assert.deepEqual(decodeJwt(token)['groups'], [])
})

test('jwtClaimsHeaders add claims and headers, several values joined by commas, a missing one empty', async () => {
  const jwtClaimsHeaders = { 'X-Roles': 'roles', 'X-Groups': 'groups', 'X-Given': 'given_name' }
  await using pair = await startPair({}, { jwtClaimsHeaders })
  const { headers } = await received(pair.pomerium, { headers: { ...asAlice, 'x-given': 'spoofed' } })
  assert.equal(decodeJwt(String(headers[assertionHeader]))['roles'], 'reader,writer')
  assert.equal(decodeJwt(String(headers[assertionHeader]))['family_name'], undefined)
  assert.equal(headers['x-roles'], 'reader,writer')
  assert.equal(headers['x-groups'], 'g1,Engineering')
  assert.equal(headers['x-given'], '')
})

test('the documented claim headers are set by default', async () => {
  await using pair = await startPair()
  const { headers } = await received(pair.pomerium, { headers: asAlice })
  assert.equal(headers['x-pomerium-authenticated-user-id'], 'google/1234')
  assert.equal(headers['x-pomerium-authenticated-user-email'], 'alice@companydomain.com')
  assert.equal(headers['x-pomerium-authenticated-user-groups'], 'g1,Engineering')
})

test('a sent claim header is replaced, never passed', async () => {
  await using pair = await startPair()
  const spoofed = { ...asAlice, 'X-Pomerium-Authenticated-User-Email': 'root@companydomain.com' }
  const { headers } = await received(pair.pomerium, { headers: spoofed })
  assert.equal(headers['x-pomerium-authenticated-user-email'], 'alice@companydomain.com')
})

test('without pass_identity_headers an upstream gets no identity, not even a sent one', async () => {
  await using pair = await startPair()
  const upstream = await startUpstream(echo)
  pair.pomerium.setRoute(appHost, { to: upstream.url })
  const sent = { [assertionHeader]: 'a', [originalUserHeader]: 'b', 'x-pomerium-authenticated-user-id': 'c' }
  const { headers } = await received(pair.pomerium, { headers: { ...asAlice, ...sent } })
  assert.deepEqual(
    Object.keys(headers).filter((name) => name.startsWith('x-pomerium-')),
    [],
  )
  await upstream.close()
})

test('without either header there is no -For', async () => {
  await using pair = await startPair()
  const { headers } = await received(pair.pomerium, { headers: asAlice })
  assert.equal(headers[originalUserHeader], undefined)
})

test('a sent assertion becomes -For, unverified', async () => {
  await using pair = await startPair()
  const { headers } = await received(pair.pomerium, { headers: { ...asAlice, [assertionHeader]: 'a' } })
  assert.equal(headers[originalUserHeader], 'a')
  assert.notEqual(headers[assertionHeader], 'a')
})

test('a sent -For wins over a sent assertion, unverified and whoever sends it', async () => {
  await using pair = await startPair()
  const sent = { ...asAlice, [assertionHeader]: 'a', [originalUserHeader]: 'b' }
  const { headers } = await received(pair.pomerium, { headers: sent })
  assert.equal(headers[originalUserHeader], 'b')
})

test('an empty sent -For does not hide a sent assertion', async () => {
  await using pair = await startPair()
  const sent = { ...asAlice, [assertionHeader]: 'a', [originalUserHeader]: '' }
  const { headers } = await received(pair.pomerium, { headers: sent })
  assert.equal(headers[originalUserHeader], 'a')
})

test('setRequestHeaders replaces, and removeRequestHeaders runs after it', async () => {
  const setRequestHeaders = { 'X-Set': 'route', 'X-Both': 'route' }
  await using pair = await startPair({
    setRequestHeaders,
    removeRequestHeaders: ['X-Both', 'X-Gone', assertionHeader],
  })
  const sent = { ...asAlice, 'x-set': 'client', 'x-gone': 'client' }
  const { headers } = await received(pair.pomerium, { headers: sent })
  assert.equal(headers['x-set'], 'route')
  assert.equal(headers['x-both'], undefined)
  assert.equal(headers['x-gone'], undefined)
  assert.equal(headers[assertionHeader], undefined)
})

test('an unauthenticated request on a public route carries a signed assertion about nobody', async () => {
  await using pair = await startPair({ allowPublicUnauthenticatedAccess: true })
  const keys = createRemoteJWKSet(new URL(pair.pomerium.jwksUrl))
  const { payload } = await jwtVerify(await assertionOf(pair.pomerium, {}), keys)
  const { sub, user, sid, email, groups, name, aud } = payload
  assert.deepEqual(
    { sub, user, sid, email, groups, name, aud },
    {
      sub: '',
      user: '',
      sid: '',
      email: '',
      groups: [],
      name: '',
      aud: appHost,
    },
  )
})

test('a user on a public route is still the user', async () => {
  await using pair = await startPair({ allowPublicUnauthenticatedAccess: true })
  assert.equal(decodeJwt(await assertionOf(pair.pomerium)).sub, 'google/1234')
})

test('a browser without a session is sent to log in', async () => {
  await using pair = await startPair()
  const { status, headers } = await send(pair.pomerium, { path: '/a?b=c', headers: { accept: 'text/html' } })
  assert.equal(status, 302)
  assert.match(
    String(headers.location),
    /redirect_uri=https%3A%2F%2Fapp\.localhost\.pomerium\.io%2Fa%3Fb%3Dc$/,
  )
})

test('a client that asks for JSON and has no session gets 401', async () => {
  await using pair = await startPair()
  assert.equal((await send(pair.pomerium, { headers: { accept: 'application/json' } })).status, 401)
})

test('a session cookie that names no user is no session', async () => {
  await using pair = await startPair()
  const headers = { cookie: '_pomerium=mallory', accept: 'application/json' }
  assert.equal((await send(pair.pomerium, { headers })).status, 401)
})

test('a host without a route is not found', async () => {
  await using pair = await startPair()
  assert.equal(
    (await send(pair.pomerium, { host: 'other.localhost.pomerium.io', headers: asAlice })).status,
    404,
  )
})

test('the session cookie stays at the stand-in, the app’s own cookies pass', async () => {
  await using pair = await startPair()
  const both = { cookie: 'theme=dark; _pomerium=alice; lang=en' }
  assert.equal((await received(pair.pomerium, { headers: both })).headers.cookie, 'theme=dark; lang=en')
  assert.equal((await received(pair.pomerium, { headers: asAlice })).headers.cookie, undefined)
})

test('a user who logs in again has another session, and others keep theirs', async () => {
  const bob = { sub: 'google/5678', email: 'bob@companydomain.com' }
  await using pair = await startPair({}, { users: { ...users, bob } })
  const sids = () => ['alice', 'bob'].map((user) => pair.pomerium.claims(user, appHost)['sid'])
  const before = sids()
  pair.pomerium.logIn('alice')
  assert.deepEqual(
    sids().map((sid, i) => sid === before[i]),
    [false, true],
  )
})

test('a user whom it does not know cannot log in', async () => {
  await using pair = await startPair()
  assert.throws(() => pair.pomerium.logIn('nobody'), { message: 'the stand-in knows no user nobody' })
})
