// The attacker sends credentials of other kinds twice and malformed, beside a key that has to be fetched first, and wants the sidecar to die of it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rawValues } from '../support/app.ts'
import { send } from '../support/client.ts'
import { hosts, startMesh } from '../support/mesh.ts'
import { assertServes, assertionName, asUser, untilIdle } from './attack.ts'

const repeated: readonly (readonly string[])[] = [
  ['Authorization', 'Bearer a', 'Authorization', 'Bearer b'],
  ['Authorization', '', 'Authorization', 'Bearer b'],
  ['Authorization', 'Bearer', 'authorization', 'Basic ='],
  ['Proxy-Authorization', 'Bearer a', 'Proxy-Authorization', 'Bearer b'],
  ['Cookie', 'a=b', 'Cookie', '\xff=\xff', 'Cookie', ''],
  ['Authorization', `Bearer ${'a.'.repeat(4_000)}`],
]

test('credentials twice are the app’s to judge: they kill nothing, and make nobody anybody', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const { App } = mesh.sidecars
  for (const headers of repeated) {
    const alone = await send({ port: App.inbound, headers })
    assert.equal(alone.code, 'assertion_missing', headers.join(': '))
    const beside = await send({ port: App.inbound, headers: [...(await asUser(mesh, 'alice')), ...headers] })
    assert.equal(beside.status, 200, headers.join(': '))
    assert.deepEqual(rawValues(mesh.apps.App.received.pop(), 'x-pomerium-authenticated-user-id'), [
      'alice-id',
    ])
  }
  await assertServes(mesh)
})

test('nor while the key for the assertion beside them cannot be fetched', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const token = await mesh.pomerium.sign(mesh.pomerium.claims('alice', hosts.App), {
    header: { alg: 'ES256', kid: 'nobody-knows' },
  })
  await mesh.pomerium.close()
  const answers = await Promise.all(
    repeated.map((headers) =>
      send({ port: mesh.sidecars.App.inbound, headers: [assertionName, token, ...headers] }),
    ),
  )
  for (const { status, code } of answers) assert.deepEqual([status, code], [503, 'keys_unavailable'])
  assert.deepEqual(mesh.apps.App.received, [])
  await untilIdle(mesh.sidecars.App)
})
