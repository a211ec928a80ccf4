// The stand-in's JWKS: caching headers, rotation, odd documents, failures; and forged assertions.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLocalJWKSet, decodeJwt, jwtVerify, type JSONWebKeySet } from 'jose'
import { forge } from '../../deploy/demo/forge.ts'
import type { Pomerium } from '../../deploy/demo/pomerium.ts'
import { appHost, send, startPair } from './echo.ts'

const path = '/.well-known/pomerium/jwks.json'

async function keySet(pomerium: Pomerium): Promise<JSONWebKeySet> {
  return JSON.parse((await send(pomerium, { path })).body) as JSONWebKeySet
}

async function verifies(pomerium: Pomerium, token: string): Promise<boolean> {
  const keys = createLocalJWKSet(await keySet(pomerium))
  return jwtVerify(token, keys).then(
    () => true,
    () => false,
  )
}

test('the keys are served on every host, for 60 seconds, without a private part', async () => {
  await using pair = await startPair()
  const { status, headers, body } = await send(pair.pomerium, { path, host: 'any.example.com' })
  assert.equal(status, 200)
  assert.equal(headers['cache-control'], 'max-age=60')
  assert.deepEqual(Object.keys(JSON.parse(body).keys[0]).sort(), [
    'alg',
    'crv',
    'kid',
    'kty',
    'use',
    'x',
    'y',
  ])
})

test('the keys have an ETag that changes with them', async () => {
  await using pair = await startPair()
  const etag = String((await send(pair.pomerium, { path })).headers.etag)
  const headers = { 'if-none-match': etag }
  const unchanged = await send(pair.pomerium, { path, headers })
  assert.deepEqual([unchanged.status, unchanged.body], [304, ''])
  await pair.pomerium.rotateKey()
  assert.equal((await send(pair.pomerium, { path, headers })).status, 200)
})

test('after a rotation the new key signs, and the old one is still published', async () => {
  await using pair = await startPair()
  const before = await pair.pomerium.assertion('alice', appHost)
  const { kid } = await pair.pomerium.rotateKey()
  const after = await pair.pomerium.assertion('alice', appHost)
  assert.equal((await keySet(pair.pomerium)).keys[0]?.kid, kid)
  assert.equal(await verifies(pair.pomerium, before), true)
  assert.equal(await verifies(pair.pomerium, after), true)
})

test('a rotation that drops the old key leaves the new one alone', async () => {
  await using pair = await startPair()
  const before = await pair.pomerium.assertion('alice', appHost)
  await pair.pomerium.rotateKey({ dropOld: true })
  assert.equal(await verifies(pair.pomerium, before), false)
  assert.equal(await verifies(pair.pomerium, await pair.pomerium.assertion('alice', appHost)), true)
})

test('the keys can be replaced by any document, as by an empty set with null for its keys', async () => {
  await using pair = await startPair()
  pair.pomerium.serveJwks({ keys: null })
  assert.equal((await send(pair.pomerium, { path })).body, '{"keys":null}')
  pair.pomerium.serveJwks(undefined)
  assert.equal((await keySet(pair.pomerium)).keys.length, 1)
})

test('the foreign key of older versions can be listed', async () => {
  await using pair = await startPair()
  pair.pomerium.addForeignKey()
  const { keys } = await keySet(pair.pomerium)
  assert.deepEqual(keys.map(({ kty, kid }) => [kty, kid])[1], ['OKP', 'pomerium/hpke'])
})

test('fetches are counted, failed ones included', async () => {
  await using pair = await startPair()
  await send(pair.pomerium, { path })
  pair.pomerium.failJwks('status')
  assert.equal((await send(pair.pomerium, { path })).status, 500)
  assert.equal(pair.pomerium.jwksFetches(), 2)
})

test('the keys can be garbage, and recover', async () => {
  await using pair = await startPair()
  pair.pomerium.failJwks('garbage')
  const { status, body } = await send(pair.pomerium, { path })
  assert.equal(status, 200)
  assert.throws(() => JSON.parse(body) as unknown)
  pair.pomerium.failJwks(undefined)
  assert.equal((await keySet(pair.pomerium)).keys.length, 1)
})

test('a hanging answer ends when the stand-in closes', async () => {
  await using pair = await startPair()
  pair.pomerium.failJwks('hang')
  const answer = send(pair.pomerium, { path })
  const failed = assert.rejects(answer)
  while (pair.pomerium.jwksFetches() === 0) await new Promise(setImmediate)
  await pair.pomerium.close()
  await failed
})

test('sign makes any claims with the current key', async () => {
  await using pair = await startPair()
  const claims = pair.pomerium.claims('alice', appHost)
  const token = await pair.pomerium.sign({ ...claims, exp: 1 })
  assert.equal(decodeJwt(token).exp, 1)
  const keys = createLocalJWKSet(await keySet(pair.pomerium))
  await jwtVerify(token, keys, { currentDate: new Date(0) })
})

test('sign with another key under this kid does not verify', async () => {
  await using pair = await startPair()
  await using other = await startPair()
  const { privateKey } = other.pomerium.signingKey()
  const token = await pair.pomerium.sign(pair.pomerium.claims('alice', appHost), { key: privateKey })
  assert.equal(await verifies(pair.pomerium, token), false)
})

test('sign with any header still verifies where the algorithm is the key’s', async () => {
  await using pair = await startPair()
  const token = await pair.pomerium.sign(pair.pomerium.claims('alice', appHost), { header: { x: 1 } })
  assert.equal(await verifies(pair.pomerium, token), true)
})

test('a forged HS256 token verifies with its secret', async () => {
  const secret = new TextEncoder().encode('a public key taken for a secret, 32 bytes and more')
  const token = forge({ header: { alg: 'HS256' }, payload: { sub: 'alice' }, key: secret })
  assert.equal((await jwtVerify(token, secret)).payload.sub, 'alice')
})

test('a forged token with alg none has an empty signature, and any payload', () => {
  assert.equal(forge({ header: { alg: 'none' }, payload: '{}' }), 'eyJhbGciOiJub25lIn0.e30.')
})
