// `onbehalf keys` and `onbehalf sessions`: what a running sidecar says of itself, for people and for programs.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { main } from '../../sidecar/cli/main.ts'
import { send } from '../support/client.ts'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'
import { freePort } from '../support/redis.ts'

async function run(mesh: TestMesh, admin: number, args: string[]) {
  const written = { stdout: '', stderr: '' }
  const stdout = { write: (text: string) => void (written.stdout += text) }
  const stderr = { write: (text: string) => void (written.stderr += text) }
  const [command = '', ...rest] = args
  const where = ['--config', mesh.meshFile, '--service', 'App', '--listen-admin', `127.0.0.1:${admin}`]
  const status = await main([command, ...where, ...rest], { stdout, stderr, env: {}, cwd: mesh.folder })
  return { status, ...written }
}

test('keys are shown with whose they are and until when: of issuers, roots and the account', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const { status, stdout, stderr } = await run(mesh, mesh.sidecars.App.admin, ['keys'])
  assert.equal(status, 0, stderr)
  const lines = stdout.trimEnd().split('\n')
  assert.match(lines[0] ?? '', /^KIND +OF +KID OR FINGERPRINT +USABLE UNTIL$/)
  assert.match(lines[1] ?? '', /^issuer +pomerium +\S+ +\d{4}-/)
  assert.match(lines[2] ?? '', /^root +mesh\.companydomain\.com +[0-9A-F:]{95} +\d{4}-/)
  assert.match(lines[3] ?? '', /^account +api-access +[0-9a-f]{64} +\d{4}-/)
  const json = JSON.parse((await run(mesh, mesh.sidecars.App.admin, ['keys', '-o', 'json'])).stdout) as {
    account: { key_id: string }
  }
  assert.ok((lines[3] ?? '').includes(json.account.key_id))
})

test('an issuer whose keys were never loaded is shown as that', async (t) => {
  const mesh = await startMesh(t, {
    run: ['App'],
    awaitReady: false,
    issuer: { jwks: `http://127.0.0.1:${await freePort()}/` },
  })
  const { stdout } = await run(mesh, mesh.sidecars.App.admin, ['keys'])
  assert.match(stdout, /^issuer +pomerium +never loaded$/m)
})

test('sessions are counted, and nobody is named', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const headers = ['X-Pomerium-Jwt-Assertion', await mesh.pomerium.assertion('alice', hosts.App)]
  await send({ port: mesh.sidecars.App.inbound, headers })
  const { status, stdout } = await run(mesh, mesh.sidecars.App.admin, ['sessions'])
  assert.equal(status, 0)
  assert.match(stdout, /^ACTIVE +LINGERING +MEMORY\n0 +1 +0\.0 MiB\n$/)
  const json = JSON.parse(
    (await run(mesh, mesh.sidecars.App.admin, ['sessions', '-o', 'json'])).stdout,
  ) as object
  assert.deepEqual(Object.keys(json), ['active', 'lingering', 'bytes'])
})

for (const command of ['keys', 'sessions']) {
  test(`${command}: where no sidecar answers, that is said`, async (t) => {
    const mesh = await startMesh(t, { run: ['App'] })
    const { status, stdout, stderr } = await run(mesh, await freePort(), [command])
    assert.deepEqual([status, stdout], [1, ''])
    assert.match(stderr, new RegExp(`^onbehalf ${command}: no sidecar answers at 127\\.0\\.0\\.1:`))
  })

  test(`${command}: wrong use is said, and --help helps`, async (t) => {
    const mesh = await startMesh(t, { run: [] })
    const wrong = await run(mesh, 1, [command, 'more'])
    assert.equal(wrong.status, 2)
    assert.match(wrong.stderr, /"more" is one word too many/)
    assert.equal((await run(mesh, 1, [command, '-o', 'yaml'])).status, 2)
    const help = await run(mesh, 1, [command, '--help'])
    assert.equal(help.status, 0)
    assert.match(help.stdout, new RegExp(`^Usage: onbehalf ${command} `))
  })
}
