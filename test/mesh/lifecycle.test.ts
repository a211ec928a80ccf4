// Start, reload, report mode, drain and stop, as whoever operates a sidecar sees them.
import assert from 'node:assert/strict'
import { Agent } from 'node:http'
import { connect } from 'node:net'
import { once } from 'node:events'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { identityNames, rawValues } from '../support/app.ts'
import { send } from '../support/client.ts'
import { hosts, startAgain, startMesh, type TestMesh } from '../support/mesh.ts'

const assertionName = 'X-Pomerium-Jwt-Assertion'
const forName = 'X-Pomerium-Jwt-Assertion-For'

const asUser = async (mesh: TestMesh, user: string) => [
  assertionName,
  await mesh.pomerium.assertion(user, hosts.App),
]

async function until(condition: () => boolean | Promise<boolean>, deadlineMs: number): Promise<void> {
  const startedMs = Date.now()
  while (!(await condition())) {
    assert.ok(Date.now() - startedMs < deadlineMs, `not within ${deadlineMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

test('/ready waits for the issuer, says for which, and /livez does not', async (t) => {
  const dark = await startMesh(t, { run: [] })
  dark.pomerium.failJwks('status')
  const mesh = await startMesh(t, {
    run: ['App'],
    issuer: { jwks: dark.pomerium.jwksUrl },
    awaitReady: false,
  })
  const port = mesh.sidecars.App.probes
  const before = await send({ port, target: '/ready' })
  assert.equal(before.status, 503)
  assert.match(before.body, /issuer pomerium/)
  assert.equal((await send({ port, target: '/livez' })).status, 200)
  dark.pomerium.failJwks(undefined)
  await until(async () => (await send({ port, target: '/ready' })).status === 200, 5_000)
})

test('a changed mesh file takes effect within a second, written in place', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const port = mesh.sidecars.App.inbound
  assert.equal((await send({ port, headers: await asUser(mesh, 'mallory') })).code, 'policy_denied')
  await mesh.writeMeshFile((file) => {
    const app = file.routes.find((route) => route['name'] === 'App')
    if (app !== undefined) app['policy'] = [{ allow: { or: [{ domain: { is: 'elsewhere.com' } }] } }]
  })
  const changedMs = Date.now()
  await until(
    async () => (await send({ port, headers: await asUser(mesh, 'mallory') })).status === 200,
    5_000,
  )
  assert.ok(Date.now() - changedMs < 1_000, `${Date.now() - changedMs} ms`)
  assert.equal((await send({ port, headers: await asUser(mesh, 'alice') })).code, 'policy_denied')
})

test('a broken mesh file leaves the last good one in effect, and the log says why', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const good = await readFile(mesh.meshFile, 'utf8')
  await writeFile(mesh.meshFile, good.replace('"policy"', '"polcy"'))
  await until(() => mesh.sidecars.App.logs.some((line) => line.includes('not reloaded')), 5_000)
  assert.ok(mesh.sidecars.App.logs.some((line) => line.includes('polcy')))
  assert.equal(
    (await send({ port: mesh.sidecars.App.inbound, headers: await asUser(mesh, 'alice') })).status,
    200,
  )
  const metrics = await send({ port: mesh.sidecars.App.probes, target: '/metrics' })
  assert.match(metrics.body, /^onbehalf_failed_reloads [1-9]/m)
  await writeFile(mesh.meshFile, good)
  await until(() => mesh.sidecars.App.logs.some((line) => line.includes('configuration reloaded')), 5_000)
})

test('a new certificate and key are taken up from their files', async (t) => {
  const mesh = await startMesh(t, { run: ['App', 'API'] })
  const keyIdNow = async () => {
    await send({ port: mesh.sidecars.App.outbound, host: hosts.API })
    const token = rawValues(mesh.apps.API.received.at(-1), assertionName)[0] ?? ''
    return JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid as string
  }
  const before = await keyIdNow()
  const renewed = await mesh.certified('api-access')
  await writeFile(join(mesh.folder, 'api-access.pem'), renewed.certificatePem)
  await writeFile(join(mesh.folder, 'api-access-key.pem'), renewed.keyPem)
  await until(async () => (await keyIdNow()) !== before, 5_000)
})

test('a certificate that begins in a moment is taken up when it does, and refused once in the log until then', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const keyId = async () => {
    const { admin } = mesh.sidecars.App
    const { body } = await send({ port: admin, host: `127.0.0.1:${admin}`, target: '/keys' })
    return (JSON.parse(body) as { account: { key_id: string } }).account.key_id
  }
  const before = await keyId()
  // Certificates of the tests' CA begin a minute before.
  const renewed = await mesh.certified('api-access', Date.now() + 60_000 + 8_000)
  await writeFile(join(mesh.folder, 'api-access.pem'), renewed.certificatePem)
  await writeFile(join(mesh.folder, 'api-access-key.pem'), renewed.keyPem)
  const refusals = () => mesh.sidecars.App.logs.filter((line) => line.includes('configuration not reloaded'))
  await until(() => refusals().length > 0, 5_000)
  await until(async () => (await keyId()) !== before, 20_000)
  // One where the certificate was seen before its key.
  assert.ok(refusals().length <= 2)
})

test('what was wrong and is mended is read once, and not again for having been wrong', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const { logs } = mesh.sidecars.App
  const count = (words: string) => logs.filter((line) => line.includes(words)).length
  const good = await readFile(mesh.meshFile, 'utf8')
  await writeFile(mesh.meshFile, '{')
  await until(() => count('configuration not reloaded') === 1, 5_000)
  await writeFile(mesh.meshFile, good)
  await until(() => count('configuration reloaded') === 1, 5_000)
  // What cannot be used is looked at again after five seconds.
  await new Promise((resolve) => setTimeout(resolve, 5_500))
  assert.equal(count('configuration reloaded'), 1)
})

test('report mode decides and records, but lets through, with every unverified identity removed', async (t) => {
  const mesh = await startMesh(t, { run: ['App', 'API'], settings: { mode: 'report' } })
  const port = mesh.sidecars.App.inbound
  const forged = [
    assertionName,
    'not.a.token',
    'X-Pomerium-Authenticated-User-Email',
    'root@companydomain.com',
  ]
  assert.equal((await send({ port, headers: forged })).status, 200)
  const first = mesh.apps.App.received[0]
  assert.deepEqual(identityNames(first), ['x-onbehalf-handle'])
  assert.equal((await send({ port, headers: await asUser(mesh, 'mallory') })).status, 200)
  assert.deepEqual(rawValues(mesh.apps.App.received[1], 'x-pomerium-authenticated-user-id'), ['mallory-id'])
  const withFor = [...(await asUser(mesh, 'alice')), forName, await mesh.pomerium.assertion('bob', hosts.App)]
  assert.equal((await send({ port, headers: withFor })).status, 200)
  assert.deepEqual(rawValues(mesh.apps.App.received[2], forName), [])
  const codes = mesh.sidecars.App.logs.flatMap((line) => {
    const entry = JSON.parse(line) as { message: string; code?: string; mode?: string }
    return entry.message === 'refused' && entry.mode === 'report' ? [entry.code] : []
  })
  assert.deepEqual(codes, ['assertion_malformed', 'policy_denied', 'original_user_not_allowed'])
})

test('in report mode a call that lost its user goes out as nobody, not as the service account', async (t) => {
  const mesh = await startMesh(t, { run: ['App', 'API'], settings: { mode: 'report' } })
  const headers = [forName, await mesh.pomerium.assertion('alice', hosts.App)]
  assert.equal((await send({ port: mesh.sidecars.App.outbound, host: hosts.API, headers })).status, 200)
  assert.deepEqual(identityNames(mesh.apps.API.received[0]), ['x-onbehalf-handle'])
})

test('report mode does not let through what is ambiguous', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { mode: 'report' } })
  const token = await mesh.pomerium.assertion('alice', hosts.App)
  const headers = [assertionName, token, assertionName, token]
  assert.equal((await send({ port: mesh.sidecars.App.inbound, headers })).code, 'request_ambiguous')
})

test('stopping lets what is under way finish, outbound calls included, and loses nothing', async (t) => {
  const mesh = await startMesh(t, { run: ['App', 'API'] })
  const { inbound, outbound, sidecar, probes } = mesh.sidecars.App
  const arrived = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  mesh.apps.App.handler = async (request, response) => {
    arrived.resolve()
    await release.promise
    const handle = String(request.headers['x-onbehalf-handle'])
    const answer = await send({ port: outbound, host: hosts.API, headers: ['x-onbehalf-handle', handle] })
    response.writeHead(answer.status)
    response.end('finished')
  }
  const agent = new Agent({ keepAlive: true })
  t.after(() => agent.destroy())
  const underWay = send({ port: inbound, headers: await asUser(mesh, 'alice'), agent })
  await arrived.promise
  const stopped = sidecar.stop()
  assert.equal((await send({ port: probes, target: '/ready' })).status, 503)
  release.resolve()
  const answer = await underWay
  assert.deepEqual([answer.status, answer.body], [200, 'finished'])
  assert.equal(answer.headers.connection, 'close')
  await stopped
  await assert.rejects(send({ port: inbound, headers: await asUser(mesh, 'alice') }))
})

test('a request on an idle connection while draining is answered with its code, not reset', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const { inbound, sidecar } = mesh.sidecars.App
  const arrived = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  mesh.apps.App.handler = async (request, response) => {
    if (request.url === '/slow') {
      arrived.resolve()
      await release.promise
    }
    response.end('ok')
  }
  const idle = connect(inbound, '127.0.0.1')
  const [, token = ''] = await asUser(mesh, 'alice')
  const head = `Host: a\r\n${assertionName}: ${token}\r\n\r\n`
  idle.write(`GET /fast HTTP/1.1\r\n${head}`)
  await once(idle, 'data')
  const slow = send({ port: inbound, target: '/slow', headers: [assertionName, token] })
  await arrived.promise
  const drained = sidecar.drain()
  await until(() => mesh.sidecars.App.logs.some((line) => line.includes('draining')), 1_000)
  idle.write(`GET /late HTTP/1.1\r\n${head}`)
  const [late] = (await once(idle, 'data')) as [Buffer]
  assert.match(late.toString(), /^HTTP\/1\.1 503 [^]*x-onbehalf-error: draining\r\n/)
  release.resolve()
  assert.equal((await slow).status, 200)
  await drained
})

test('during drain_delay requests are served on, with Connection: close', async (t) => {
  const mesh = await startMesh(t, {
    run: ['App'],
    settings: { timeouts: { drain_delay: '300ms', drain: '5s' } },
  })
  const { inbound, sidecar } = mesh.sidecars.App
  const drained = sidecar.drain()
  const answer = await send({ port: inbound, headers: await asUser(mesh, 'alice') })
  assert.deepEqual([answer.status, answer.headers.connection], [200, 'close'])
  await drained
})

test('a connection that was idle for all of drain_delay is closed at its end', async (t) => {
  const mesh = await startMesh(t, {
    run: ['App'],
    settings: { timeouts: { drain_delay: '200ms', drain: '30s' } },
  })
  const { inbound, sidecar } = mesh.sidecars.App
  const agent = new Agent({ keepAlive: true })
  t.after(() => agent.destroy())
  const headers = await asUser(mesh, 'alice')
  assert.equal((await send({ port: inbound, headers, agent })).status, 200)
  const [idle] = Object.values(agent.freeSockets).flat()
  assert.ok(idle !== undefined)
  const release = Promise.withResolvers<void>()
  mesh.apps.App.handler = async (_request, response) => {
    await release.promise
    response.end()
  }
  const underWay = send({ port: inbound, headers: await asUser(mesh, 'alice') })
  const closed = once(idle, 'close', { signal: AbortSignal.timeout(5_000) })
  const drained = sidecar.drain()
  await closed
  release.resolve()
  assert.equal((await underWay).status, 200)
  await drained
})

test('a drain is over when the app has answered, whatever it still asks of others, and it may go on asking', async (t) => {
  const mesh = await startMesh(t, { run: ['App', 'API'], settings: { timeouts: { drain: '0s' } } })
  const { inbound, outbound, sidecar, probes } = mesh.sidecars.App
  const [arrived, release, called] = [
    Promise.withResolvers<void>(),
    Promise.withResolvers<void>(),
    Promise.withResolvers<void>(),
  ]
  mesh.apps.App.handler = async (_request, response) => {
    arrived.resolve()
    await release.promise
    response.end()
  }
  const held: { end?: () => void } = {}
  mesh.apps.API.handler = (request, response) => {
    if (request.url !== '/long') return void response.end('ok')
    held.end = () => response.end()
    called.resolve()
  }
  const underWay = send({ port: inbound, headers: await asUser(mesh, 'alice') })
  const longCall = send({ port: outbound, host: hosts.API, target: '/long' })
  await Promise.all([arrived.promise, called.promise])
  const waiting = send({ port: probes, target: '/drained' })
  let isOver = false
  const drained = sidecar.drain().then(() => (isOver = true))
  assert.equal((await send({ port: outbound, host: hosts.API })).status, 200)
  assert.equal(isOver, false)
  release.resolve()
  const { status, body } = await waiting
  assert.deepEqual([status, body, isOver], [200, 'drained\n', true])
  assert.equal((await underWay).status, 200)
  await drained
  assert.equal((await send({ port: outbound, host: hosts.API })).status, 200)
  held.end?.()
  assert.equal((await longCall).status, 200)
})

test('who waits for the drain of a sidecar that stops is told before its listeners close', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { timeouts: { drain_delay: '300ms' } } })
  const { sidecar, probes } = mesh.sidecars.App
  const stopped = sidecar.stop()
  const { status, body } = await send({ port: probes, target: '/drained' })
  assert.deepEqual([status, body], [200, 'drained\n'])
  await stopped
})

test('the admin listener: what needs the token, and who is refused', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const { admin, sidecar, inbound } = mesh.sidecars.App
  const host = `127.0.0.1:${admin}`
  await send({ port: inbound, headers: await asUser(mesh, 'alice') })
  assert.equal((await stat(sidecar.adminToken.file)).mode & 0o777, 0o600)
  const token = (await readFile(sidecar.adminToken.file, 'utf8')).trim()
  const bearer = ['Authorization', `Bearer ${token}`]
  for (const target of ['/config', '/keys', '/sessions', '/.well-known/pomerium/jwks.json']) {
    assert.equal((await send({ port: admin, host, target })).status, 200, target)
  }
  assert.equal((await send({ port: admin, host, target: '/decisions' })).status, 401)
  assert.equal((await send({ port: admin, host: 'evil.example.com', target: '/config' })).status, 403)
  const crossSite = ['Origin', 'https://evil.example.com', ...bearer]
  assert.equal(
    (await send({ port: admin, host, target: '/drain', method: 'POST', headers: crossSite })).status,
    403,
  )
  const decisions = JSON.parse(
    (await send({ port: admin, host, target: '/decisions', headers: bearer })).body,
  )
  assert.deepEqual([decisions[0].outcome, decisions[0].caller.subject], ['allowed', 'alice-id'])
})

test('what the admin listener, the metrics and the log show holds no token and no key', async (t) => {
  const mesh = await startMesh(t, {
    run: ['App', 'API'],
    settings: { log: { level: 'debug', access: 'json' } },
  })
  const { admin, sidecar, inbound, outbound, probes, logs } = mesh.sidecars.App
  const [, token = ''] = await asUser(mesh, 'alice')
  await send({ port: inbound, headers: [assertionName, token], target: '/x?secret=in-the-query' })
  await send({ port: inbound, headers: [assertionName, `${token}x`] })
  const handle = rawValues(mesh.apps.App.received[0], 'x-onbehalf-handle')[0] ?? ''
  await send({ port: outbound, host: hosts.API, headers: [assertionName, token] })
  const minted = rawValues(mesh.apps.API.received[0], assertionName)[0] ?? ''
  const bearer = ['Authorization', `Bearer ${(await readFile(sidecar.adminToken.file, 'utf8')).trim()}`]
  const pages = await Promise.all(
    ['/config', '/keys', '/sessions', '/decisions', '/.well-known/pomerium/jwks.json'].map((target) =>
      send({ port: admin, host: `127.0.0.1:${admin}`, target, headers: bearer }),
    ),
  )
  const metrics = await send({ port: probes, target: '/metrics' })
  const shown = [...logs, ...pages.map(({ body }) => body), metrics.body].join('\n')
  const key = await readFile(join(mesh.folder, 'api-access-key.pem'), 'utf8')
  const canaries = [
    token,
    token.split('.')[2] ?? '',
    handle,
    minted,
    key.split('\n')[1] ?? '',
    'in-the-query',
  ]
  for (const canary of canaries) {
    assert.ok(canary.length > 8)
    assert.equal(shown.includes(canary), false)
  }
})

test('what is revoked is refused from then on, cached or not', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const { admin, sidecar, inbound } = mesh.sidecars.App
  const headers = await asUser(mesh, 'alice')
  assert.equal((await send({ port: inbound, headers })).status, 200)
  const bearer = ['Authorization', `Bearer ${(await readFile(sidecar.adminToken.file, 'utf8')).trim()}`]
  const revocation = { kind: 'subject', issuer: 'pomerium', value: 'alice-id' }
  const body = JSON.stringify(revocation)
  const host = `127.0.0.1:${admin}`
  const revoked = await send({ port: admin, host, target: '/revoke', method: 'POST', headers: bearer, body })
  assert.equal(revoked.status, 202)
  assert.equal((await send({ port: inbound, headers })).code, 'assertion_revoked')
  assert.equal((await send({ port: inbound, headers: await asUser(mesh, 'bob') })).status, 200)
})

test('a revoked original user is refused at the callee', async (t) => {
  const mesh = await startMesh(t, { run: ['API'] })
  const { admin, sidecar, inbound } = mesh.sidecars.API
  const user = await mesh.pomerium.assertion('alice', hosts.App)
  const caller = (await mesh.minter('api-access')).assertionFor(hosts.API)
  const bearer = ['Authorization', `Bearer ${(await readFile(sidecar.adminToken.file, 'utf8')).trim()}`]
  const body = JSON.stringify({ kind: 'subject', issuer: 'pomerium', value: 'alice-id' })
  await send({
    port: admin,
    host: `127.0.0.1:${admin}`,
    target: '/revoke',
    method: 'POST',
    headers: bearer,
    body,
  })
  const headers = [assertionName, caller, forName, user]
  assert.equal((await send({ port: inbound, headers })).code, 'original_user_revoked')
})

test('in report mode a user who could not be verified is lost, not absent: no call becomes the account own', async (t) => {
  const mesh = await startMesh(t, { settings: { mode: 'report' } })
  const caller = (await mesh.minter('api-access')).assertionFor(hosts.API)
  const headers = [assertionName, caller, forName, 'not.a.token']
  assert.equal((await send({ port: mesh.sidecars.API.inbound, headers })).status, 200)
  const handle = rawValues(mesh.apps.API.received[0], 'x-onbehalf-handle')[0] ?? ''
  for (const copied of [
    ['x-onbehalf-handle', handle],
    [assertionName, caller],
  ]) {
    await send({ port: mesh.sidecars.API.outbound, host: hosts.Ledger, headers: copied })
    const names = identityNames(mesh.apps.Ledger.received.at(-1))
    assert.deepEqual(names, ['x-onbehalf-handle'])
  }
})

test('a start that fails for want of a port leaves the token of the sidecar that has it', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const { file } = mesh.sidecars.App.sidecar.adminToken
  const before = await readFile(file, 'utf8')
  await assert.rejects(startAgain(mesh, 'App'), /EADDRINUSE/)
  assert.equal(await readFile(file, 'utf8'), before)
})

test('a token that admin_token_file gives is used as it is, and left when the sidecar stops', async (t) => {
  const token = 'a-token-of-more-than-thirty-two-characters'
  const mesh = await startMesh(t, { run: ['App'], files: { 'App.admin-token': token } })
  const { admin, sidecar } = mesh.sidecars.App
  const headers = ['Authorization', `Bearer ${token}`]
  const answer = await send({ port: admin, host: `127.0.0.1:${admin}`, target: '/decisions', headers })
  assert.equal(answer.status, 200)
  await sidecar.stop()
  assert.equal(await readFile(sidecar.adminToken.file, 'utf8'), token)
})

test('a file that is written to right after it was read is noticed', async (t) => {
  const mesh = await startMesh(t, { run: [] })
  const changing = await startAgain(mesh, 'App', async () => {
    await mesh.writeMeshFile((file) => {
      file['mode'] = 'report'
    })
  })
  t.after(() => changing.sidecar.stop())
  await until(() => changing.logs.some((line) => line.includes('configuration reloaded')), 5_000)
})
