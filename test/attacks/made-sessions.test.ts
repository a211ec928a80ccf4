// The attacker can write to the Redis that sidecars share, holds a user's live token, makes an app carry a handle of his choice, and wants the app to call as that user.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { sealSession, sessionName } from '../../sidecar/session-seal.ts'
import { serviceTag } from '../../sidecar/sessions.ts'
import { signStatement } from '../../sidecar/statement.ts'
import { callApi, keyName, metric, sharing } from '../store/ground.ts'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'
import { redisMissing, startRedis, type RedisServer } from '../support/redis.ts'

const skip = redisMissing
const handle = `${serviceTag('App')}AAAAAAAAAAAAAAAAAAAAAA`
const purpose = { type: 'onbehalf-session+jwt', audience: 'App' }

interface Scene {
  readonly redis: RedisServer
  readonly mesh: TestMesh
  /** A session of bob, whose token is good, under the handle. */
  readonly session: Readonly<Record<string, unknown>>
  readonly put: (text: string, under?: string) => Promise<unknown>
}

async function scene(t: TestContext): Promise<Scene> {
  const redis = await startRedis(t)
  const mesh = await startMesh(t, {
    run: ['App', 'API'],
    settings: sharing(redis),
    services: { App: { share_with: ['App'] } },
  })
  const userToken = await mesh.pomerium.assertion('bob', hosts.App)
  const session = {
    name: sessionName(handle),
    requestId: 'r',
    kind: 'user',
    userToken,
    isEntry: true,
    sinceMs: Date.now(),
  }
  const put = (text: string, under = handle) =>
    redis.call('set', keyName(`session:${sessionName(under)}`), sealSession(under, 'App', text))
  return { redis, mesh, session, put }
}

async function signed(mesh: TestMesh, account: string, session: object, of = purpose): Promise<string> {
  return signStatement(await mesh.minter(account), of, Date.now(), { session })
}

test('a session that the service did not sign names nobody', { skip }, async (t) => {
  const { mesh, session, put } = await scene(t)
  const texts = [
    JSON.stringify(session),
    JSON.stringify({ session }),
    await signed(mesh, 'ledger-access', session),
    await signed(mesh, 'api-access', session, { ...purpose, audience: 'API' }),
    await signed(mesh, 'api-access', session, { ...purpose, type: 'JWT' }),
    `${(await signed(mesh, 'api-access', session)).slice(0, -8)}AAAAAAAA`,
  ]
  for (const [i, text] of texts.entries()) {
    await put(text)
    assert.equal((await callApi(mesh, handle)).code, 'original_user_lost', `${i}`)
    // Nobody is asked again for a handle that was just rejected.
    await new Promise((resolve) => setTimeout(resolve, 300))
  }
  assert.equal(
    await metric(mesh.sidecars.App, 'onbehalf_shared_sessions_total{outcome="rejected"}'),
    texts.length,
  )
  assert.deepEqual(mesh.apps.API.received, [])
})

test('a session that the service signed for another handle names nobody', { skip }, async (t) => {
  const { mesh, session, put } = await scene(t)
  await put(await signed(mesh, 'api-access', { ...session, name: sessionName(`${handle.slice(0, -1)}B`) }))
  assert.equal((await callApi(mesh, handle)).code, 'original_user_lost')
})

test(
  'the same, signed by the service, is redeemed: the others fail for what they are',
  { skip },
  async (t) => {
    const { mesh, session, put } = await scene(t)
    await put(await signed(mesh, 'api-access', session))
    assert.equal((await callApi(mesh, handle)).status, 200)
  },
)
