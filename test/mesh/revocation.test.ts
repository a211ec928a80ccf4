// Revocation across real sidecars on a real Redis: heard at once, found when it was not heard, and never undone.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { send } from '../support/client.ts'
import { reconcileMs } from '../../sidecar/revocation-sync.ts'
import { makeEntry, memberOf, messageOf } from '../../shared/revocation.ts'
import { rawValues } from '../support/app.ts'
import { hosts, startAgain, startMesh } from '../support/mesh.ts'
import { startSecureRedis, type SecureRedis } from '../support/redis.ts'
import {
  alice,
  atApi,
  atApp,
  byAdmin,
  codeOf,
  isRevoked,
  listening,
  metric,
  run,
  skip,
  startOnRedis,
  withoutEvidence,
} from './revocation-ground.ts'

test(
  'what the command revokes, every sidecar refuses, as caller and as original user, and nobody else',
  { skip },
  async (t) => {
    const { mesh } = await startOnRedis(t)
    const [app, api] = [await atApp(mesh, 'alice'), await atApi(mesh, 'alice')]
    assert.deepEqual([await codeOf(app), await codeOf(api)], ['ok', 'ok'])
    const { status, stdout, stderr } = await run(mesh, '--subject', 'alice-id')
    assert.equal(status, 0, stderr)
    assert.match(stdout, /^revoked: every assertion of this subject .* until .*Z\. 2 sidecars heard it/)
    await eventually(async () => (await isRevoked(app)) && (await isRevoked(api)))
    assert.deepEqual([await codeOf(app), await codeOf(api)], ['assertion_revoked', 'original_user_revoked'])
    assert.deepEqual(
      [await codeOf(await atApp(mesh, 'bob')), await codeOf(await atApi(mesh, 'bob'))],
      ['ok', 'ok'],
    )
    assert.equal(await metric(mesh, 'App', 'onbehalf_revocations'), 1)
    assert.ok((await metric(mesh, 'App', 'onbehalf_revocations_heard_timestamp_seconds')) > 1e9)
  },
)

test('what Redis holds says no session, no subject and no issuer', { skip }, async (t) => {
  const { mesh, redis } = await startOnRedis(t, { run: ['App'] })
  await run(mesh, '--subject', 'alice-id')
  const held = JSON.stringify(await redis.call('zrange', '{onbehalf}:revocations', 0, -1))
  assert.match(held, /^\["[\w-]{43}\.\d+"\]$/)
})

test(
  'a sidecar that starts later knows from its first request on what was revoked before',
  { skip },
  async (t) => {
    const { mesh } = await startOnRedis(t, { run: ['App'] })
    // Of a subject, what was issued until then is revoked.
    const { headers: hers } = await atApp(mesh, 'alice')
    await run(mesh, '--subject', 'alice-id')
    await mesh.sidecars.App.sidecar.stop()
    const again = await startAgain(mesh, 'App')
    t.after(() => again.sidecar.stop())
    const { headers } = await atApp(mesh, 'bob')
    assert.ok(await isRevoked({ port: again.inbound, headers: hers }))
    assert.equal(await codeOf({ port: again.inbound, headers }), 'ok')
  },
)

test('what nobody was told is found within the interval', { skip }, async (t) => {
  const { mesh, redis } = await startOnRedis(t, { run: ['App'] })
  const sent = await atApp(mesh, 'alice')
  const entry = makeEntry(alice, 60, Date.now())
  await redis.call('zadd', '{onbehalf}:revocations', entry.forgetAtSeconds, memberOf(entry))
  await eventually(() => isRevoked(sent), reconcileMs + 5_000)
})

test('what is deleted in Redis stays revoked, and is there again', { skip }, async (t) => {
  const { mesh, redis } = await startOnRedis(t, { run: ['App'] })
  const sent = await atApp(mesh, 'alice')
  await run(mesh, '--subject', 'alice-id')
  await eventually(() => isRevoked(sent))
  await redis.call('flushall')
  await eventually(
    async () => (await redis.call('zcard', '{onbehalf}:revocations')) === 1,
    reconcileMs + 5_000,
  )
  assert.ok(await isRevoked(sent))
})

test(
  'revoked at one sidecar while Redis is away: holds there, and reaches the others when it is back',
  { skip },
  async (t) => {
    const { mesh, redis } = await startOnRedis(t)
    const [app, api] = [await atApp(mesh, 'alice'), await atApi(mesh, 'alice')]
    await redis.kill()
    const { reach, message } = await byAdmin(mesh, 'App', alice)
    assert.equal(reach, 'unreachable')
    assert.match(message, /here from now on.* NOT told yet/)
    assert.deepEqual([await isRevoked(app), await codeOf(api)], [true, 'ok'])
    await redis.restart()
    await eventually(() => isRevoked(api), reconcileMs + 10_000)
  },
)

test(
  'without word for longer than revocation_max_age requests are refused with 503, and served again with it',
  { skip },
  async (t) => {
    const clock = { offsetMs: 0 }
    const { mesh, redis } = await startOnRedis(t, {
      settings: { revocation_max_age: '20s', timeouts: { linger: '5m', drain: '5s' } },
      clockOffsetMs: () => clock.offsetMs,
    })
    const [app, api] = [await atApp(mesh, 'alice'), await atApi(mesh, 'alice')]
    await eventually(async () => (await codeOf(app)) === 'ok' && (await codeOf(api)) === 'ok')
    await send(app)
    const handle = rawValues(mesh.apps.App.received.at(-1), 'x-onbehalf-handle')[0] ?? ''
    redis.freeze()
    t.after(() => redis.thaw())
    clock.offsetMs = 40_000
    assert.deepEqual([await codeOf(app), await codeOf(api)], ['keys_unavailable', 'keys_unavailable'])
    const call = await send({
      port: mesh.sidecars.App.outbound,
      host: hosts.API,
      headers: ['x-onbehalf-handle', handle],
    })
    assert.equal(call.code, 'keys_unavailable')
    assert.match(call.body, /revocation_max_age/)
    redis.thaw()
    await eventually(async () => (await codeOf(app)) === 'ok' && (await codeOf(api)) === 'ok', 20_000)
  },
)

test('garbage on the channel and in the set is counted, and changes nothing', { skip }, async (t) => {
  const { mesh, redis } = await startOnRedis(t, { run: ['App'] })
  await redis.call(
    'zadd',
    '{onbehalf}:revocations',
    '+inf',
    'garbage',
    12,
    '__proto__',
    '+inf',
    'x'.repeat(10_000),
  )
  await redis.call('publish', '{onbehalf}:revocations', 'garbage')
  await redis.call('publish', '{onbehalf}:revocations', 'x'.repeat(300_000))
  await redis.call('publish', '{onbehalf}:revocations', `${'A'.repeat(43)}.1 -inf`)
  const rejected = 'onbehalf_revocations_rejected_total{reason="malformed"}'
  await eventually(async () => (await metric(mesh, 'App', rejected)) >= 4, reconcileMs + 5_000)
  const sent = await atApp(mesh, 'alice')
  assert.equal(await codeOf(sent), 'ok')
  await redis.call('publish', '{onbehalf}:revocations', messageOf(makeEntry(alice, 60, Date.now())))
  await eventually(() => isRevoked(sent))
})

test('a set of another type is no word of revocations, and nothing breaks', { skip }, async (t) => {
  const { mesh, redis } = await startOnRedis(t, { run: ['App'] })
  await redis.call('set', '{onbehalf}:revocations', 'not a set')
  const { status, stderr } = await run(mesh, '--subject', 'alice-id')
  assert.equal(status, 1)
  assert.match(stderr, /NOT revoked: the store: .*another type/)
  assert.equal(await codeOf(await atApp(mesh, 'alice')), 'ok')
})

/** The mesh file's `store`, as of a sidecar. */
const secureStore = (
  { server, settings, tls, passwordFile }: SecureRedis,
  revokerPasswordFile: string | undefined,
) => ({
  redis: {
    url: `rediss://localhost:${server.port}`,
    tls: { ca: tls.caFile, certificate: tls.certificateFile, key: tls.keyFile },
    username: settings.user.username,
    password_file: passwordFile,
    revoker: { username: 'revoker', password_file: revokerPasswordFile },
  },
})

const acl = new URL('../../deploy/redis/users.acl', import.meta.url)

test(
  'with a credential of its own for revoking: sidecars without it hear, and cannot revoke for others',
  { skip },
  async (t) => {
    const secure = await startSecureRedis(t, await readFile(acl, 'utf8'))
    const { server, revoker, passwordFile } = secure
    const store = secureStore(secure, join('elsewhere', 'revoker-password'))
    const mesh = await startMesh(t, {
      run: ['App', 'API'],
      settings: { mesh: withoutEvidence, store, log: { level: 'debug' } },
    })
    await eventually(async () => (await listening(server)) === 2)
    const [bob, alicesCall] = [await atApp(mesh, 'bob'), await atApi(mesh, 'alice')]

    const local = await byAdmin(mesh, 'App', { kind: 'subject', issuer: 'pomerium', value: 'bob-id' })
    assert.equal(local.reach, 'not_permitted')
    assert.ok(await isRevoked(bob))
    assert.equal(await server.call('zcard', '{onbehalf}:revocations'), 0)

    const without = await run(mesh, '--subject', 'alice-id')
    assert.equal(without.status, 1)
    assert.match(
      without.stderr,
      /NOT revoked: the password file .*revoker-password cannot be read \(ENOENT\)/,
    )
    const asSidecar = ['--redis-user', 'sidecar', '--redis-password-file', passwordFile]
    const denied = await run(mesh, '--subject', 'alice-id', ...asSidecar)
    assert.equal(denied.status, 1)
    assert.match(
      denied.stderr,
      /NOT revoked: this Redis user may not write revocations\. Give the one that may/,
    )
    assert.equal(await codeOf(alicesCall), 'ok')

    const done = await run(mesh, '--subject', 'alice-id', '--redis-password-file', revoker.passwordFile ?? '')
    assert.equal(done.status, 0, done.stderr)
    await eventually(() => isRevoked(alicesCall))
    const { logs } = mesh.sidecars.App
    assert.ok(!logs.some((line) => /"(warn|error)".*may not write/.test(line)))
  },
)

test('a sidecar that has the credential for revoking tells the others by it', { skip }, async (t) => {
  const secure = await startSecureRedis(t, await readFile(acl, 'utf8'))
  const { server, revoker } = secure
  const store = secureStore(secure, revoker.passwordFile)
  const mesh = await startMesh(t, { run: ['App', 'API'], settings: { mesh: withoutEvidence, store } })
  await eventually(async () => (await listening(server)) === 2)
  const api = await atApi(mesh, 'alice')
  assert.equal((await byAdmin(mesh, 'App', alice)).reach, 'shared')
  await eventually(() => isRevoked(api))
})
