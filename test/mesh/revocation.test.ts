// Revocation across real sidecars on a real Redis: heard at once, found when it was not heard, and never undone.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { test, type TestContext } from 'node:test'
import { makeEntry, memberOf, messageOf, type Revocation } from '../../shared/revocation.ts'
import { revoke } from '../../sidecar/cli/revoke.ts'
import { reconcileMs } from '../../sidecar/revocation-sync.ts'
import { rawValues, type AppHandler } from '../support/app.ts'
import { send } from '../support/client.ts'
import { hosts, meshIssuer, startAgain, startMesh, type MeshOptions, type TestMesh } from '../support/mesh.ts'
import { redisMissing, startRedis, startSecureRedis, type RedisServer } from '../support/redis.ts'
import { eventually } from '../support/eventually.ts'

const skip = redisMissing
const assertionName = 'X-Pomerium-Jwt-Assertion'
const forName = 'X-Pomerium-Jwt-Assertion-For'
const alice: Revocation = { kind: 'subject', issuer: 'pomerium', value: 'alice-id' }

/** Calls on behalf of a user are made here by hand. */
const withoutEvidence = { issuer: meshIssuer, ca: 'ca.pem', evidence: 'off' }

async function startOnRedis(t: TestContext, options: MeshOptions = {}) {
  const redis = await startRedis(t)
  const store = { redis: { url: `redis://127.0.0.1:${redis.port}` } }
  const mesh = await startMesh(t, {
    run: ['App', 'API'],
    ...options,
    settings: { mesh: withoutEvidence, store, ...options.settings },
  })
  // Once each listens, a message reaches them all; and once each has read what was there, no reading helps it.
  const services = Object.keys(mesh.sidecars) as ('App' | 'API')[]
  await eventually(async () => (await listening(redis)) === services.length)
  for (const service of services) await eventually(async () => (await heardMs(mesh, service)) > 0)
  await pause(settlingMs)
  return { redis, mesh }
}

/** After it has begun to listen, a sidecar reads all once more. */
const settlingMs = 500

const heardMs = (mesh: TestMesh, service: 'App' | 'API') =>
  metric(mesh, service, 'onbehalf_revocations_heard_timestamp_seconds')

async function listening(redis: RedisServer): Promise<number> {
  const [, count] = (await redis.call('pubsub', 'numsub', '{onbehalf}:revocations')) as [string, number]
  return count
}

async function run(mesh: TestMesh, ...args: string[]) {
  const written = { stdout: '', stderr: '' }
  const stdout = { write: (text: string) => void (written.stdout += text) }
  const stderr = { write: (text: string) => void (written.stderr += text) }
  const status = await revoke(['--config', mesh.meshFile, ...args], {
    stdout,
    stderr,
    env: {},
    cwd: mesh.folder,
  })
  return { status, ...written }
}

async function byAdmin(mesh: TestMesh, service: 'App' | 'API', revocation: Revocation) {
  const { admin, sidecar } = mesh.sidecars[service]
  const token = (await readFile(sidecar.adminToken.file, 'utf8')).trim()
  const headers = ['Authorization', `Bearer ${token}`]
  const answer = await send({
    port: admin,
    host: `127.0.0.1:${admin}`,
    target: '/revoke',
    method: 'POST',
    headers,
    body: JSON.stringify(revocation),
  })
  return JSON.parse(answer.body) as { reach: string; message: string }
}

async function metric(mesh: TestMesh, service: 'App' | 'API', name: string): Promise<number> {
  const { body } = await send({ port: mesh.sidecars[service].probes, target: '/metrics' })
  return Number(new RegExp(`^${name.replace(/[{}"]/g, '\\$&')} (\\S+)$`, 'm').exec(body)?.[1] ?? 0)
}

const atApp = async (mesh: TestMesh, user: string) => ({
  port: mesh.sidecars.App.inbound,
  headers: [assertionName, await mesh.pomerium.assertion(user, hosts.App)],
})

const atApi = async (mesh: TestMesh, user: string) => ({
  port: mesh.sidecars.API.inbound,
  headers: [
    assertionName,
    await (await mesh.minter('api-access')).assertionFor(hosts.API),
    forName,
    await mesh.pomerium.assertion(user, hosts.App),
  ],
})

type Sent = Awaited<ReturnType<typeof atApp>>

const codeOf = async (sent: Sent) => {
  const { status, code } = await send(sent)
  return status === 200 ? 'ok' : code
}
const isRevoked = async (sent: Sent) => (await codeOf(sent)).endsWith('_revoked')

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
    await run(mesh, '--subject', 'alice-id')
    await mesh.sidecars.App.sidecar.stop()
    const again = await startAgain(mesh, 'App')
    t.after(() => again.sidecar.stop())
    const { headers } = await atApp(mesh, 'bob')
    const sent = { port: again.inbound, headers: (await atApp(mesh, 'alice')).headers }
    assert.ok(await isRevoked(sent))
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

/** An app that writes the head and a first piece, and goes on when it is told to. */
function streaming() {
  const open = new Map<string, ServerResponse>()
  const closed = new Map<string, () => void>()
  const handler: AppHandler = (request, response) => {
    const name = request.url ?? ''
    open.set(name, response)
    response.once('close', () => closed.get(name)?.())
    response.write('first')
  }
  const whenClosed = (name: string) => new Promise<void>((resolve) => closed.set(name, resolve))
  return { open, handler, whenClosed }
}

async function openStream(sent: Sent, target: string): Promise<IncomingMessage> {
  const headers = ['Host', 'a', ...sent.headers]
  const request = httpRequest({ host: '127.0.0.1', port: sent.port, path: target, headers, agent: false })
  request.on('error', () => undefined).end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  await once(response, 'data')
  return response
}

test(
  'an answer that the revoked user is being sent breaks off, at the client and at the app; others go on',
  { skip },
  async (t) => {
    const { mesh } = await startOnRedis(t, { run: ['App'] })
    const app = streaming()
    mesh.apps.App.handler = app.handler
    const [hers, his] = [
      await openStream(await atApp(mesh, 'alice'), '/alice'),
      await openStream(await atApp(mesh, 'bob'), '/bob'),
    ]
    const [broken, left] = [once(hers, 'error'), app.whenClosed('/alice')]
    await run(mesh, '--subject', 'alice-id')
    const [[error]] = await Promise.all([broken, left])
    assert.equal((error as NodeJS.ErrnoException).code, 'ECONNRESET')
    const rest = once(his, 'data')
    app.open.get('/bob')?.write('second')
    assert.equal(String((await rest)[0]), 'second')
    app.open.get('/bob')?.end()
    await once(his.resume(), 'end')
    assert.equal(
      await metric(mesh, 'App', 'onbehalf_exchanges_ended_total{direction="inbound",reason="revoked"}'),
      1,
    )
  },
)

test(
  'an answer without length to a client of HTTP/1.0 ends by a reset: it must not look whole',
  { skip },
  async (t) => {
    const { mesh } = await startOnRedis(t, { run: ['App'] })
    mesh.apps.App.handler = streaming().handler
    const { port, headers } = await atApp(mesh, 'alice')
    const socket = connect(port, '127.0.0.1')
    socket.write(`GET / HTTP/1.0\r\nHost: a\r\n${headers.join(': ')}\r\n\r\n`)
    let text = ''
    while (!text.includes('first')) text += String(((await once(socket, 'data')) as [Buffer])[0])
    const [[error]] = await Promise.all([once(socket.resume(), 'error'), run(mesh, '--subject', 'alice-id')])
    assert.equal((error as NodeJS.ErrnoException).code, 'ECONNRESET')
  },
)

test(
  'a request of the revoked user that the app has not answered is refused with the reason',
  { skip },
  async (t) => {
    const { mesh } = await startOnRedis(t, { run: ['App'] })
    const arrived = Promise.withResolvers<void>()
    mesh.apps.App.handler = () => arrived.resolve()
    const answer = send(await atApp(mesh, 'alice'))
    await arrived.promise
    await run(mesh, '--subject', 'alice-id')
    const { status, code } = await answer
    assert.deepEqual([status, code], [401, 'assertion_revoked'])
  },
)

test(
  'a call that the app makes for the revoked user ends; one that it makes for nobody goes on',
  { skip },
  async (t) => {
    const { mesh } = await startOnRedis(t, { run: ['App'] })
    const { headers } = await atApp(mesh, 'alice')
    await send({ port: mesh.sidecars.App.inbound, headers })
    const handle = rawValues(mesh.apps.App.received[0], 'x-onbehalf-handle')[0] ?? ''
    // API's sidecar does not run: whoever listens at its place is what App's sidecar calls.
    const { createServer } = await import('node:http')
    const arrived: ServerResponse[] = []
    const two = Promise.withResolvers<void>()
    const callee = createServer((_request, response) => {
      if (arrived.push(response) === 2) two.resolve()
    })
    const to = (JSON.parse(await readFile(mesh.meshFile, 'utf8')) as { routes: { to: string }[] }).routes[1]
      ?.to
    callee.listen(Number(new URL(to ?? '').port), '127.0.0.1')
    t.after(() => {
      callee.close()
      callee.closeAllConnections()
    })
    const call = (more: string[]) =>
      send({ port: mesh.sidecars.App.outbound, host: hosts.API, headers: more })
    const [hers, own] = [call(['x-onbehalf-handle', handle]), call([])]
    await two.promise
    await run(mesh, '--subject', 'alice-id')
    assert.equal((await hers).code, 'original_user_revoked')
    for (const response of arrived) response.end('done')
    assert.equal((await own).body, 'done')
    const again = await call(['x-onbehalf-handle', handle])
    assert.equal(again.code, 'original_user_revoked')
  },
)

for (const settings of [{ streams: { end_at: 'never' } }, { mode: 'report' }]) {
  test(`with ${JSON.stringify(settings)} what is open goes on to its end`, { skip }, async (t) => {
    const { mesh } = await startOnRedis(t, { run: ['App'], settings })
    const app = streaming()
    mesh.apps.App.handler = app.handler
    const sent = await atApp(mesh, 'alice')
    const hers = await openStream(sent, '/alice')
    await run(mesh, '--subject', 'alice-id')
    await eventually(async () => (await metric(mesh, 'App', 'onbehalf_revocations')) === 1)
    const [rest, end] = [once(hers, 'data'), once(hers, 'end')]
    app.open.get('/alice')?.end('second')
    assert.equal(String((await rest)[0]), 'second')
    await end
  })
}

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

const acl = new URL('../../deploy/redis/users.acl', import.meta.url)

test(
  'with a credential of its own for revoking: sidecars without it hear, and cannot revoke for others',
  { skip },
  async (t) => {
    const { server, settings, tls, revoker, passwordFile } = await startSecureRedis(
      t,
      await readFile(acl, 'utf8'),
    )
    const store = {
      redis: {
        url: `rediss://localhost:${server.port}`,
        tls: { ca: tls.caFile, certificate: tls.certificateFile, key: tls.keyFile },
        username: settings.user.username,
        password_file: passwordFile,
        revoker: { username: revoker.username, password_file: join('elsewhere', 'revoker-password') },
      },
    }
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
  const { server, settings, tls, revoker, passwordFile } = await startSecureRedis(
    t,
    await readFile(acl, 'utf8'),
  )
  const store = {
    redis: {
      url: `rediss://localhost:${server.port}`,
      tls: { ca: tls.caFile, certificate: tls.certificateFile, key: tls.keyFile },
      username: settings.user.username,
      password_file: passwordFile,
      revoker: { username: revoker.username, password_file: revoker.passwordFile },
    },
  }
  const mesh = await startMesh(t, { run: ['App', 'API'], settings: { mesh: withoutEvidence, store } })
  await eventually(async () => (await listening(server)) === 2)
  const api = await atApi(mesh, 'alice')
  assert.equal((await byAdmin(mesh, 'App', alice)).reach, 'shared')
  await eventually(() => isRevoked(api))
})
