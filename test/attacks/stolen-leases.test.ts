// The attacker takes the turn to fetch keys away in the midst of the fetch, as a lease that runs out does, and wants the keys lost, or his own turn given back.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hosts, startMesh } from '../support/mesh.ts'
import { redisMissing, startRedis } from '../support/redis.ts'
import { eventually, keyName, sharing } from '../store/ground.ts'
import { present } from './attack.ts'

const skip = redisMissing

test(
  'whose lease was taken meanwhile finishes its fetch, and does not give back the one of another',
  { skip },
  async (t) => {
    const redis = await startRedis(t)
    const mesh = await startMesh(t, { run: ['App'], settings: sharing(redis) })
    const leases = async () => (await redis.call('keys', keyName('lease:*'))) as string[]
    await eventually(async () => (await leases()).length === 0, 'the leases of the start are given back')
    await mesh.pomerium.rotateKey()
    mesh.pomerium.failJwks('hang')
    const token = await mesh.pomerium.assertion('alice', hosts.App)
    const asked = present(mesh, token)
    await eventually(async () => (await leases()).length > 0, 'a fetch is under way')
    const [taken = ''] = await leases()
    await redis.call('set', taken, 'somebody')
    mesh.pomerium.failJwks(undefined)
    const { status, code } = await asked
    assert.ok(status === 200 || code === 'keys_unavailable', code)
    await eventually(async () => (await present(mesh, token)).status === 200, 'the new key is known')
    assert.equal(await redis.call('get', taken), 'somebody')
  },
)
