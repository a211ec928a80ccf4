// `onbehalf drain` and `onbehalf config` against a running sidecar.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from 'yaml'
import { main } from '../../sidecar/cli/main.ts'
import { send } from '../support/client.ts'
import { startMesh, type TestMesh } from '../support/mesh.ts'
import { freePort } from '../support/redis.ts'

async function run(mesh: TestMesh, args: readonly string[], admin = mesh.sidecars.App.admin) {
  const written = { stdout: '', stderr: '' }
  const stdout = { write: (text: string) => void (written.stdout += text) }
  const stderr = { write: (text: string) => void (written.stderr += text) }
  const [command = '', ...rest] = args
  const token = ['--admin-token-file', mesh.sidecars.App.sidecar.adminToken.file]
  const where = ['--config', mesh.meshFile, '--service', 'App', '--listen-admin', `127.0.0.1:${admin}`]
  const io = { stdout, stderr, env: {}, cwd: mesh.folder }
  const status = await main([command, ...where, ...token, ...rest], io)
  return { status, ...written }
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
