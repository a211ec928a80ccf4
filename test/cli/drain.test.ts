// `onbehalf drain`, `onbehalf wait` and `onbehalf config` against a running sidecar.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { parse } from 'yaml'
import { asUser } from '../attacks/attack.ts'
import { main } from '../../sidecar/cli/main.ts'
import { send } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { startMesh, type TestMesh } from '../support/mesh.ts'
import { freePort } from '../support/redis.ts'

async function run(mesh: TestMesh, args: readonly string[], admin = mesh.sidecars.App.admin) {
  const written = { stdout: '', stderr: '' }
  const complaintsAtMs: number[] = []
  const stdout = { write: (text: string) => void (written.stdout += text) }
  const stderr = {
    write(text: string) {
      written.stderr += text
      complaintsAtMs.push(performance.now())
    },
  }
  const [command = '', ...rest] = args
  const token = ['--admin-token-file', mesh.sidecars.App.sidecar.adminToken.file]
  const listen = ['--listen-admin', `127.0.0.1:${admin}`, ...at(mesh.sidecars.App.probes)]
  const where = ['--config', mesh.meshFile, '--service', 'App', ...listen]
  const io = { stdout, stderr, env: {}, cwd: mesh.folder }
  const status = await main([command, ...where, ...token, ...rest], io)
  return { status, ...written, complaintsAtMs }
}

test('a sidecar that is told to drain is no longer ready, and the command waits for what is under way', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const { probes } = mesh.sidecars.App
  assert.equal((await send({ port: probes, target: '/ready' })).status, 200)
  const { status, stdout, stderr } = await run(mesh, ['drain', '--wait'])
  assert.deepEqual([status, stderr], [0, ''])
  assert.equal(stdout, 'the sidecar of App drains\nno request to the app is under way any more\n')
  const ready = await send({ port: probes, target: '/ready' })
  assert.deepEqual([ready.status, ready.body], [503, 'not ready: draining\n'])
})

test('as long as new requests are taken nobody is told that none is under way', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { timeouts: { drain_delay: '300ms' } } })
  assert.equal((await run(mesh, ['drain', '--wait'])).status, 0)
  const late = await send({ port: mesh.sidecars.App.inbound }).catch(({ code }) => ({ code }) as const)
  assert.match(String(late.code), /^(draining|ECONNREFUSED)$/)
})

test('without timeouts.drain it waits for as long as it takes', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { timeouts: { drain: '0s' } } })
  const asked = Promise.withResolvers<ServerResponse>()
  mesh.apps.App.handler = (_request, response) => asked.resolve(response)
  const answer = send({ port: mesh.sidecars.App.inbound, headers: await asUser(mesh, 'alice') })
  const response = await asked.promise
  const drained = run(mesh, ['drain', '--wait'])
  await eventually(
    async () => (await send({ port: mesh.sidecars.App.probes, target: '/ready' })).status === 503,
  )
  response.end()
  assert.deepEqual([(await drained).stderr, (await answer).status], ['', 200])
})

test('a request that is not decided yet is under way, too', async (t) => {
  const asked = Promise.withResolvers<ServerResponse>()
  let count = 0
  const jwks = createServer((_request, response) => {
    if (++count === 1) response.end('{"keys": []}')
    else asked.resolve(response)
  }).listen(0, '127.0.0.1')
  t.after(() => jwks.close())
  await once(jwks, 'listening')
  const issuer = { jwks: `http://127.0.0.1:${(jwks.address() as AddressInfo).port}` }
  const mesh = await startMesh(t, { run: ['App'], issuer, settings: { timeouts: { drain: '200ms' } } })
  const answer = send({ port: mesh.sidecars.App.inbound, headers: await asUser(mesh, 'alice') })
  const response = await asked.promise
  const { status, stderr } = await run(mesh, ['drain', '--wait'])
  response.end('{"keys": []}')
  assert.equal((await answer).code, 'assertion_key_unknown')
  assert.deepEqual([status, stderr], [1, 'onbehalf drain: 1 requests are still under way\n'])
})

test(
  'a sidecar that says nothing is not waited for longer than it may drain',
  { timeout: 10_000 },
  async (t) => {
    const mesh = await startMesh(t, { run: ['App'], settings: { timeouts: { drain: '100ms' } } })
    const silent = createServer().listen(0, '127.0.0.1')
    t.after(() => {
      silent.closeAllConnections()
      silent.close()
    })
    await once(silent, 'listening')
    const { port } = silent.address() as AddressInfo
    const { status, stderr } = await run(mesh, ['drain', '--wait', ...at(port)])
    assert.deepEqual([status, stderr], [1, 'onbehalf drain: the sidecar does not answer at listen.probes\n'])
  },
)

test('told to outlive the app, it waits until nothing listens there; and not for ever', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { timeouts: { drain: '500ms' } } })
  const inTime = await run(mesh, ['drain', '--wait', '--until-app-ends'])
  assert.deepEqual([inTime.status, inTime.stderr], [1, 'onbehalf drain: the app still listens\n'])
  const waiting = run(mesh, ['drain', '--wait', '--until-app-ends'])
  await mesh.apps.App.close()
  assert.equal((await waiting).status, 0)
  assert.match((await run(mesh, ['drain', '--until-app-ends'])).stderr, /--until-app-ends goes with --wait/)
})

test('the app has what is left of timeouts.drain to end, not all of it once more', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { timeouts: { drain: '500ms' } } })
  const asked = Promise.withResolvers<void>()
  mesh.apps.App.handler = () => asked.resolve()
  const answer = send({ port: mesh.sidecars.App.inbound, headers: await asUser(mesh, 'alice') })
  const gone = assert.rejects(answer)
  await asked.promise
  const { status, stderr, complaintsAtMs } = await run(mesh, ['drain', '--wait', '--until-app-ends'])
  assert.equal(status, 1)
  assert.match(stderr, /1 requests are still under way\n.*the app still listens\n$/)
  const [busyAtMs = 0, listeningAtMs = Infinity] = complaintsAtMs
  assert.ok(listeningAtMs - busyAtMs < 500, `${listeningAtMs - busyAtMs} ms`)
  await mesh.sidecars.App.sidecar.stop()
  await gone
})

function at(port: number): readonly string[] {
  return ['--listen-probes', `127.0.0.1:${port}`]
}

test('wait ends when the listeners are open, or its time is over', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const { probes } = mesh.sidecars.App
  const { status, stdout, stderr } = await run(mesh, ['wait', ...at(probes)])
  assert.deepEqual([status, stdout, stderr], [0, '', ''])
  const { stderr: wrong, status: wrongStatus } = await run(mesh, ['wait', '--timeout', 'long'])
  assert.equal(wrongStatus, 2)
  assert.match(wrong, /--timeout: "long" is no number of seconds/)
  const port = await freePort()
  const late = await run(mesh, ['wait', ...at(port), '--timeout', '0'])
  assert.deepEqual(
    [late.status, late.stderr],
    [1, 'onbehalf wait: the listeners of App are not open after 0 s\n'],
  )
  const server = createServer((_request, response) => response.end()).listen(port, '127.0.0.1')
  t.after(() => server.close())
  for (const list of [`0.0.0.0:${port}`, `[::1]:${await freePort()}, 127.0.0.1:${port}`])
    assert.equal((await run(mesh, ['wait', '--listen-probes', list, '--timeout', '1'])).status, 0)
})

test('where no sidecar answers, that is said', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const { status, stderr } = await run(mesh, ['drain'], await freePort())
  assert.equal(status, 1)
  assert.match(stderr, /^onbehalf drain: no sidecar answers at 127\.0\.0\.1:\d+/)
})

test('the configuration in effect is shown as YAML or as JSON, with every default and no secret', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const yaml = await run(mesh, ['config'])
  assert.deepEqual([yaml.status, yaml.stderr], [0, ''])
  const shown = parse(yaml.stdout) as { service: string; timeouts: { idleMs: number }; audit: unknown }
  assert.deepEqual([shown.service, shown.timeouts.idleMs, shown.audit], ['App', 300_000, { to: 'off' }])
  assert.deepEqual(JSON.parse((await run(mesh, ['config', '-o', 'json'])).stdout), shown)
  assert.doesNotMatch(yaml.stdout, /PRIVATE KEY/)
})
