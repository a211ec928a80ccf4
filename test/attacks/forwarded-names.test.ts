// The attacker wants the app to take another address, host or scheme for his, by what he says of who was before the sidecar.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalName } from '../../shared/headers/names.ts'
import { rawValues } from '../support/app.ts'
import { send } from '../support/client.ts'
import { startMesh } from '../support/mesh.ts'
import { asUser } from './attack.ts'

const aliases = [
  'X_Forwarded_For',
  'X.Forwarded-For',
  'X_Forwarded_Host',
  'X-Forwarded_Proto',
  'X_Forwarded.For',
]

test('no name that an app could take for X-Forwarded-* passes beside ours', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  for (const alias of aliases) {
    await t.test(alias, async () => {
      mesh.apps.App.received.length = 0
      const headers = [...(await asUser(mesh, 'alice')), alias, '6.6.6.6']
      assert.equal((await send({ port: mesh.sidecars.App.inbound, headers })).status, 200)
      const { rawHeaders = [] } = mesh.apps.App.received[0] ?? {}
      const names = rawHeaders.filter((_, i) => i % 2 === 0)
      assert.equal(names.filter((name) => canonicalName(name) === canonicalName(alias)).length, 1)
      assert.ok(!rawHeaders.includes('6.6.6.6'))
    })
  }
})

test('a quote that is never closed does not swallow the last member of Forwarded', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const headers = [...(await asUser(mesh, 'alice')), 'Forwarded', 'for="6.6.6.6']
  assert.equal((await send({ port: mesh.sidecars.App.inbound, headers })).status, 200)
  const [value = ''] = rawValues(mesh.apps.App.received[0], 'forwarded')
  assert.equal((value.match(/"/g)?.length ?? 0) % 2, 0, value)
})

for (const named of [
  'x-forwarded-for',
  'X-Forwarded-For, X-Forwarded-Host',
  'via, forwarded, x-forwarded-proto',
]) {
  test(`nobody nominates away what the sidecar says of him: Connection: ${named}`, async (t) => {
    const mesh = await startMesh(t, { run: ['App'] })
    const headers = [...(await asUser(mesh, 'alice')), 'Connection', `close, ${named}`]
    assert.equal((await send({ port: mesh.sidecars.App.inbound, headers })).status, 200)
    const [received] = mesh.apps.App.received
    assert.deepEqual(rawValues(received, 'x-forwarded-for'), ['127.0.0.1'])
    assert.deepEqual(rawValues(received, 'x-forwarded-proto'), ['http'])
    assert.deepEqual(rawValues(received, 'x-forwarded-host'), ['test.invalid'])
    assert.match(rawValues(received, 'via').join(), /^1\.1 onbehalf-[0-9a-f]{8}$/)
  })
}

test('who knows the name of the sidecar in Via has his own request refused, and nobody else has', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const ask = async (user: string, ...more: string[]) =>
    send({ port: mesh.sidecars.App.inbound, headers: [...(await asUser(mesh, user)), ...more] })
  await ask('alice')
  const [via = ''] = rawValues(mesh.apps.App.received[0], 'via')
  for (const value of [via, `1.0 a (b), ${via}`, `${via} (x)`]) {
    assert.equal((await ask('alice', 'Via', value, 'Connection', 'close, via')).status, 421)
  }
  assert.equal((await ask('bob')).status, 200)
})
