// Certificates by kid in a real Redis: small assertions, and calls that go on whatever becomes of the store.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { rawValues } from '../support/app.ts'
import { send } from '../support/client.ts'
import { hosts, startAgain, startMesh, startPod, type TestMesh } from '../support/mesh.ts'
import { redisMissing, startRedis, type RedisServer } from '../support/redis.ts'
import {
  assertionName,
  callApi,
  comeIn,
  eventually,
  forName,
  headerOf,
  keyName,
  lastAssertion,
  metric,
  sharing,
  startLoad,
} from './ground.ts'

const skip = redisMissing

async function scene(t: TestContext): Promise<{ redis: RedisServer; mesh: TestMesh }> {
  const redis = await startRedis(t)
  return { redis, mesh: await startMesh(t, { run: ['App', 'API'], settings: sharing(redis) }) }
}

const travels = (mesh: TestMesh) => headerOf(lastAssertion(mesh))['x5c'] !== undefined

/** Until assertions go without certificates. */
async function settled(mesh: TestMesh, handle: string): Promise<string> {
  await eventually(async () => (await callApi(mesh, handle)).status === 200 && !travels(mesh), 'it settles')
  return String(headerOf(lastAssertion(mesh))['kid'])
}

test('a certificate is published, and then travels no more', { skip }, async (t) => {
  const { redis, mesh } = await scene(t)
  const { handle, token } = await comeIn(mesh)
  const kid = await settled(mesh, handle)
  assert.deepEqual(rawValues(mesh.apps.API.received.at(-1), forName), [token])
  const stored = JSON.parse(String(await redis.call('get', keyName(`certificate:${kid}`)))) as string[]
  const certificatePem = await readFile(join(mesh.folder, 'api-access.pem'), 'utf8')
  assert.deepEqual(stored, [new X509Certificate(certificatePem).raw.toString('base64')])
  assert.ok(Number(await redis.call('pttl', keyName(`certificate:${kid}`))) > 3_600_000)
})

test('a new pod finds the certificate of a caller whom it never saw', { skip }, async (t) => {
  const { redis, mesh } = await scene(t)
  const { handle } = await comeIn(mesh)
  const kid = await settled(mesh, handle)
  const small = lastAssertion(mesh)
  const late = await startPod(t, mesh, 'API')
  assert.equal((await send({ port: late.inbound, headers: [assertionName, small] })).status, 200)
  await redis.call('del', keyName(`certificate:${kid}`))
  const later = await startPod(t, mesh, 'API')
  const answer = await send({ port: later.inbound, headers: [assertionName, small] })
  assert.equal(answer.code, 'assertion_key_unknown')
})

test('while the store is away the certificate travels, and no call fails', { skip }, async (t) => {
  const { redis, mesh } = await scene(t)
  const { handle } = await comeIn(mesh)
  await settled(mesh, handle)
  await redis.kill()
  await eventually(async () => {
    assert.equal((await callApi(mesh, handle)).status, 200)
    return travels(mesh)
  }, 'the certificate travels')
  const late = await startPod(t, mesh, 'API')
  const headers = [assertionName, lastAssertion(mesh)]
  assert.equal((await send({ port: late.inbound, headers })).status, 200)
  await redis.restart()
  await settled(mesh, handle)
  assert.equal(await metric(mesh.sidecars.App, 'onbehalf_store_up'), 1)
})

test(
  'without store and certificate nothing can be decided: that is 503, and neither no nor yes',
  { skip },
  async (t) => {
    const { redis, mesh } = await scene(t)
    const { handle } = await comeIn(mesh)
    await settled(mesh, handle)
    const small = lastAssertion(mesh)
    await redis.kill()
    const late = await startPod(t, mesh, 'API')
    const answer = await send({ port: late.inbound, headers: [assertionName, small] })
    assert.deepEqual([answer.status, answer.code], [503, 'keys_unavailable'])
  },
)

for (const method of ['GET', 'POST']) {
  test(
    `a callee that does not find the certificate is called again with it: ${method}`,
    { skip },
    async (t) => {
      const { redis, mesh } = await scene(t)
      const { handle } = await comeIn(mesh)
      await settled(mesh, handle)
      await mesh.sidecars.API.sidecar.stop()
      await redis.call('flushall')
      const again = await startAgain(mesh, 'API')
      t.after(() => again.sidecar.stop())
      const body = 'x'.repeat(60_000)
      const before = mesh.apps.API.received.length
      const answer = await callApi(mesh, handle, method === 'POST' ? { method, body } : { method })
      assert.deepEqual([answer.status, answer.code], [200, ''])
      assert.equal(mesh.apps.API.received.length, before + 1)
      assert.equal(mesh.apps.API.received.at(-1)?.body, method === 'POST' ? body : '')
      assert.equal(travels(mesh), true)
    },
  )
}

test('a new certificate takes effect under load without a failed call', { skip }, async (t) => {
  const { mesh } = await scene(t)
  const { handle } = await comeIn(mesh)
  const first = await settled(mesh, handle)
  const load = startLoad(async () => {
    const { status, code } = await callApi(mesh, handle)
    return `${status} ${code}`
  })
  for (const _ of [1, 2]) {
    const before = headerOf(lastAssertion(mesh))['kid']
    const { certificatePem, keyPem } = await mesh.certified('api-access')
    await replace(join(mesh.folder, 'api-access-key.pem'), keyPem)
    await replace(join(mesh.folder, 'api-access.pem'), certificatePem)
    await eventually(() => headerOf(lastAssertion(mesh))['kid'] !== before, 'the new key signs')
    await eventually(() => !travels(mesh), 'it settles')
  }
  assert.deepEqual([...(await load.end()).keys()], ['200 '])
  assert.notEqual(headerOf(lastAssertion(mesh))['kid'], first)
})

/** As Kubernetes replaces a file. */
async function replace(file: string, content: string): Promise<void> {
  await writeFile(`${file}.new`, content, { mode: 0o600 })
  await rename(`${file}.new`, file)
}

test('an assertion is for the called host alone, with certificate or without', { skip }, async (t) => {
  const { mesh } = await scene(t)
  const { handle } = await comeIn(mesh)
  await settled(mesh, handle)
  const answer = await send({
    port: mesh.sidecars.App.inbound,
    headers: [assertionName, lastAssertion(mesh)],
  })
  assert.equal(answer.code, 'assertion_audience')
  assert.equal(
    hosts.API,
    JSON.parse(Buffer.from(lastAssertion(mesh).split('.')[1] ?? '', 'base64url').toString()).aud,
  )
})
