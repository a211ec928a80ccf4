// The attacker holds a handle, or a user's token, of a request that is over, and wants to go on in that user's name.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rawValues } from '../support/app.ts'
import { send } from '../support/client.ts'
import { hosts, startMesh, type MeshOptions, type TestMesh } from '../support/mesh.ts'
import { adminToken, assertionName, asUser, forName, handleName } from './attack.ts'

interface Came {
  readonly mesh: TestMesh
  readonly token: string
  readonly handle: string
}

const clock = { offsetMs: 0 }

async function comeIn(t: Parameters<typeof startMesh>[0], options: MeshOptions = {}): Promise<Came> {
  clock.offsetMs = 0
  const mesh = await startMesh(t, { run: ['App', 'API'], clockOffsetMs: () => clock.offsetMs, ...options })
  const headers = await asUser(mesh, 'alice')
  assert.equal((await send({ port: mesh.sidecars.App.inbound, headers })).status, 200)
  const handle = rawValues(mesh.apps.App.received[0], handleName)[0] ?? ''
  return { mesh, token: headers[1] ?? '', handle }
}

const ways = ({ token, handle }: Came) => [
  [handleName, handle],
  ['tracestate', `onbehalf=${handle}`],
  ['baggage', `onbehalf=${handle}`],
  [forName, token],
  [assertionName, token],
]

async function allRefused(came: Came, code: string): Promise<void> {
  for (const headers of ways(came)) {
    const answer = await send({ port: came.mesh.sidecars.App.outbound, host: hosts.API, headers })
    assert.deepEqual([answer.status, answer.code], [403, code], String(headers[0]))
  }
  assert.equal(came.mesh.apps.API.received.length, 0)
}

test('after the linger nothing names the user any more', async (t) => {
  const came = await comeIn(t)
  clock.offsetMs = 2_100
  await allRefused(came, 'original_user_lost')
})

test("after the user's token has expired nothing names her, though her session still lingers", async (t) => {
  const came = await comeIn(t, { settings: { timeouts: { linger: '1h', drain: '1s' } } })
  clock.offsetMs = 361_000
  await allRefused(came, 'original_user_lost')
})

test('nor while her request still runs', async (t) => {
  const came = await comeIn(t)
  const { mesh } = came
  const arrived = Promise.withResolvers<string>()
  const release = Promise.withResolvers<void>()
  mesh.apps.App.handler = async (request, response) => {
    arrived.resolve(String(request.headers[handleName]))
    await release.promise
    response.end()
  }
  const running = send({ port: mesh.sidecars.App.inbound, headers: [assertionName, came.token] })
  const handle = await arrived.promise
  clock.offsetMs = 361_000
  await allRefused({ ...came, handle }, 'original_user_lost')
  release.resolve()
  await running
})

test('a session that memory was needed for is gone, and is not replaced by the account', async (t) => {
  const came = await comeIn(t, { settings: { limits: { session_bytes: '6KiB' } } })
  for (let i = 0; i < 4; i++) {
    const headers = await asUser(came.mesh, `user${i}`)
    assert.equal((await send({ port: came.mesh.sidecars.App.inbound, headers })).status, 200)
  }
  await allRefused(came, 'original_user_lost')
})

test('a flood of sessions takes none from a request that still runs', async (t) => {
  const mesh = await startMesh(t, { run: ['App', 'API'], settings: { limits: { session_bytes: '10KiB' } } })
  const arrived = Promise.withResolvers<string>()
  const release = Promise.withResolvers<void>()
  mesh.apps.App.handler = async (request, response) => {
    if (request.url === '/long') {
      arrived.resolve(String(request.headers[handleName]))
      await release.promise
    }
    response.end()
  }
  const port = mesh.sidecars.App.inbound
  const long = send({ port, target: '/long', headers: await asUser(mesh, 'alice') })
  const handle = await arrived.promise
  for (let i = 0; i < 30; i++) {
    assert.equal((await send({ port, headers: await asUser(mesh, `user${i}`) })).status, 200)
  }
  const headers = [handleName, handle]
  assert.equal((await send({ port: mesh.sidecars.App.outbound, host: hosts.API, headers })).status, 200)
  assert.deepEqual(rawValues(mesh.apps.API.received[0], 'x-pomerium-original-user-id'), ['alice-id'])
  release.resolve()
  assert.equal((await long).status, 200)
})

test('a restart forgets all sessions', async (t) => {
  const came = await comeIn(t)
  const again = await startMesh(t, { run: ['App'] })
  const headers = [handleName, came.handle]
  const answer = await send({ port: again.sidecars.App.outbound, host: hosts.API, headers })
  assert.equal(answer.code, 'original_user_lost')
})

test('a reload keeps sessions as they were: the same user, by the same handle, and nobody else', async (t) => {
  const came = await comeIn(t)
  await came.mesh.sidecars.App.sidecar.reload('nothing changed')
  const headers = [handleName, came.handle]
  const answer = await send({ port: came.mesh.sidecars.App.outbound, host: hosts.API, headers })
  assert.equal(answer.status, 200)
  assert.deepEqual(rawValues(came.mesh.apps.API.received[0], forName), [came.token])
})

test('a reload that takes a route out of calls counts for sessions that were there before', async (t) => {
  const came = await comeIn(t)
  await came.mesh.writeMeshFile((file) => {
    file.services['App'] = { ...file.services['App'], calls: ['Ledger'] }
  })
  await came.mesh.sidecars.App.sidecar.reload('fewer calls')
  await allRefused(came, 'call_not_allowed')
})

const revocations = ['jti', 'session', 'subject'] as const
for (const kind of revocations) {
  test(`a user whose ${kind} is revoked here is carried no further from here`, async (t) => {
    const came = await comeIn(t)
    const { App } = came.mesh.sidecars
    const claims = JSON.parse(Buffer.from(came.token.split('.')[1] ?? '', 'base64url').toString())
    const value = { jti: claims.jti, session: claims.sid, subject: claims.sub }[kind] as string
    const revoked = await send({
      port: App.admin,
      host: 'localhost',
      method: 'POST',
      target: '/revoke',
      headers: ['Authorization', `Bearer ${await adminToken(App)}`],
      body: JSON.stringify({ kind, issuer: 'pomerium', value }),
    })
    assert.equal(revoked.status, 202)
    const again = await send({ port: App.inbound, headers: [assertionName, came.token] })
    assert.equal(again.code, 'assertion_revoked')
    for (const headers of ways(came)) {
      const answer = await send({ port: App.outbound, host: hosts.API, headers })
      assert.notEqual(answer.status, 200, String(headers[0]))
    }
    assert.equal(came.mesh.apps.API.received.length, 0)
  })
}

test('a handle leaves by no way: not to a listed host, not to another, not in an answer, not in a log', async (t) => {
  const came = await comeIn(t, {
    settings: { egress: { local: 'allow' }, log: { level: 'debug', access: 'json' } },
  })
  const { mesh, handle } = came
  const own = `onbehalf=${handle}`
  const spellings = [handleName, 'X_Onbehalf_Handle', 'x.onbehalf.handle', 'uberctx-onbehalf']
  const lists = ['tracestate', 'a=1,' + own, 'Baggage', own, 'baggage', `b=2,%6fnbehalf=${handle}`]
  const headers = [...spellings.flatMap((name) => [name, handle]), ...lists, 'jaeger-baggage', own]
  mesh.apps.API.handler = (request, response) => {
    response.writeHead(200, headers)
    response.end(JSON.stringify(request.rawHeaders))
  }
  const answers = [
    await send({ port: mesh.sidecars.App.outbound, host: hosts.API, headers }),
    await send({ port: mesh.sidecars.App.outbound, host: `127.0.0.1:${mesh.apps.API.port}`, headers }),
  ]
  for (const answer of answers) {
    assert.equal(answer.status, 200)
    assert.equal(answer.body.includes(handle), false)
    assert.equal(JSON.stringify(answer.headers).includes(handle), false)
  }
  for (const { logs } of [mesh.sidecars.App, mesh.sidecars.API]) {
    assert.equal(logs.join('').includes(handle), false)
    assert.equal(logs.join('').includes(came.token), false)
  }
})
