// `onbehalf check` tells where somebody else writes to the store.
import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { keyThumbprint } from '../../shared/certificate/thumbprint.ts'
import { digestOf } from '../../shared/revocation.ts'
import { certificateKey } from '../../sidecar/certificates.ts'
import { documentKey } from '../../sidecar/keys/key-sharing.ts'
import { keyName, sharing } from '../store/ground.ts'
import { startMesh, x5cOf, type TestMesh } from '../support/mesh.ts'
import { redisMissing, startRedis, type RedisServer } from '../support/redis.ts'
import { rowsOf } from './check-ground.ts'

const skip = redisMissing

async function scene(
  t: TestContext,
  run: readonly 'App'[] = ['App'],
): Promise<{ redis: RedisServer; mesh: TestMesh }> {
  const redis = await startRedis(t)
  const mesh = await startMesh(t, { run, settings: sharing(redis), issuer: { jwks_from: ['api-access'] } })
  return { redis, mesh }
}

const shared = async (mesh: TestMesh) =>
  (await rowsOf(mesh)).rows
    .filter((row) => row.includes(' shared: '))
    .map((row) => row.replace(' shared:', ''))

async function ownCertificateKey(mesh: TestMesh): Promise<string> {
  const pem = await readFile(join(mesh.folder, 'api-access-key.pem'), 'utf8')
  return keyName(certificateKey(keyThumbprint(createPublicKey(createPrivateKey(pem)))))
}

test('what a running sidecar shares is there', { skip }, async (t) => {
  const { mesh } = await scene(t)
  assert.deepEqual(await shared(mesh), [
    "ok this service's certificate is there",
    'ok 0 revocations',
    'ok the keys of issuer pomerium are there, signed by an account in jwks_from',
  ])
})

test('what a sidecar that does not run would share is not there yet', { skip }, async (t) => {
  const { mesh } = await scene(t, [])
  const [certificate = '', , keys = ''] = await shared(mesh)
  assert.match(certificate, /^info this service's certificate is not there yet/)
  assert.match(keys, /^info the keys of issuer pomerium are not there/)
})

test('another certificate under the kid of ours is a failure', { skip }, async (t) => {
  const { redis, mesh } = await scene(t)
  const other = JSON.stringify(x5cOf(await mesh.certified('ledger-access')))
  await redis.call('set', await ownCertificateKey(mesh), other)
  const [certificate = ''] = await shared(mesh)
  assert.match(
    certificate,
    /^fail .* is another one\. Somebody else writes there: see who has its credentials/,
  )
})

test('what is no revocation among them is a failure', { skip }, async (t) => {
  const { redis, mesh } = await scene(t)
  const entry = `${'a'.repeat(43)}.1700000000`
  await redis.call('zadd', keyName('revocations'), 2_000_000_000, entry, 1, 'garbage')
  const [, revocations = ''] = await shared(mesh)
  assert.match(revocations, /^fail 1 of 2 revocations are none, and are ignored\. Somebody else writes there/)
})

test('keys that no account in jwks_from signed are a failure', { skip }, async (t) => {
  const { redis, mesh } = await scene(t)
  await redis.call('set', keyName(documentKey(mesh.pomerium.jwksUrl)), '{"keys":[]}')
  const keys = (await shared(mesh)).at(-1) ?? ''
  assert.match(keys, /^fail .* is signed by no account in jwks_from\. Somebody else writes there/)
})

test('of another type, it cannot be read', { skip }, async (t) => {
  const { redis, mesh } = await scene(t)
  await redis.call('set', keyName('revocations'), 'x')
  const [, revocations = ''] = await shared(mesh)
  assert.match(revocations, /^warn what is there cannot be read: .*another type/)
})

test('a key of ours that is revoked is a failure', { skip }, async (t) => {
  const { redis, mesh } = await scene(t)
  const kid = (await ownCertificateKey(mesh)).split(':').at(-1) as string
  await redis.call('zadd', keyName('revocations'), '+inf', `${digestOf('kid', '', kid)}.1700000000`)
  const [, revocations = ''] = await shared(mesh)
  assert.match(revocations, /^fail the key of this service's certificate is revoked: have a new one issued/)
})
