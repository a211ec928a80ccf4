// `onbehalf explain` against a running sidecar: what caused a call, what the app carried, and why it was refused.
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Decision } from '../../shared/decision.ts'
import { explain } from '../../sidecar/cli/explain.ts'
import { rawValues, startApp } from '../support/app.ts'
import { send } from '../support/client.ts'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'

const traceId = '0af7651916cd43dd8448eb211c80319c'
const traceparent = `00-${traceId}-b7ad6b7169203331-01`

const ask = (mesh: TestMesh, ...args: string[]) => askAt(mesh, 'App', ...args)

async function askAt(mesh: TestMesh, service: 'App' | 'API', ...args: string[]) {
  const { admin, sidecar } = mesh.sidecars[service]
  const where = ['--listen-admin', `127.0.0.1:${admin}`, '--admin-token-file', sidecar.adminToken.file]
  return run(mesh.folder, ['--config', mesh.meshFile, '--service', service, ...where, ...args])
}

async function run(cwd: string, args: string[]) {
  const written = { stdout: '', stderr: '' }
  const stdout = { write: (text: string) => void (written.stdout += text) }
  const stderr = { write: (text: string) => void (written.stderr += text) }
  const status = await explain(args, { stdout, stderr, env: {}, cwd })
  return { status, ...written }
}

/** Alice comes in at App, whose app then calls API with these headers; gives what App's app got, and the answer. */
async function aliceCalls(mesh: TestMesh, carry: (handle: string) => string[]) {
  const token = await mesh.pomerium.assertion('alice', hosts.App)
  const headers = ['X-Pomerium-Jwt-Assertion', token, 'traceparent', traceparent]
  assert.equal((await send({ port: mesh.sidecars.App.inbound, headers })).status, 200)
  const handle = rawValues(mesh.apps.App.received.at(-1), 'x-onbehalf-handle')[0] ?? ''
  const answer = await send({
    port: mesh.sidecars.App.outbound,
    host: hosts.API,
    target: '/accounts?secret=1',
    headers: ['traceparent', traceparent, ...carry(handle)],
  })
  return { token, handle, answer }
}

test('by its trace, a request and the call that it caused: who, which source, and why', async (t) => {
  const mesh = await startMesh(t, { run: ['App', 'API'] })
  const { token, handle } = await aliceCalls(mesh, (own) => [
    'tracestate',
    `onbehalf=${own}`,
    'x-onbehalf-handle',
    own,
  ])
  for (const id of [traceId, traceparent]) {
    const { status, stdout, stderr } = await ask(mesh, id)
    assert.equal(status, 0, stderr)
    const [inbound = '', outbound = ''] = stdout.split('\n\n')
    assert.match(inbound, /^App: inbound GET test\.invalid\/ allowed\n/)
    assert.match(inbound, /route +App\n +caller +user pomerium\/alice-id\n +original user +none\n/)
    const requestId = /request +(\S+)/.exec(inbound)?.[1]
    assert.match(outbound, /^App: outbound GET api\.localhost\.pomerium\.io\/accounts allowed\n/)
    assert.match(outbound, /original user +user pomerium\/alice-id\n/)
    assert.ok(
      outbound.includes(`carried        handle: user pomerium/alice-id, of request ${requestId}\n`),
      outbound,
    )
    assert.ok(
      outbound.includes(`carried        tracestate: user pomerium/alice-id, of request ${requestId}\n`),
    )
    assert.match(outbound, /why +on behalf of the user that handle names\n/)
    for (const secret of [token, handle, 'secret']) assert.equal(stdout.includes(secret), false)
  }
})

test('where evidence came, by which accounts the request came', async (t) => {
  const mesh = await startMesh(t, { run: ['App', 'API'] })
  await aliceCalls(mesh, (own) => ['x-onbehalf-handle', own])
  const { stdout } = await askAt(mesh, 'API', traceId)
  assert.match(stdout, /original user +user pomerium\/alice-id\n +by way of +api-access\n/)
  assert.doesNotMatch((await ask(mesh, traceId)).stdout, /by way of/)
})

test('by its trace, also a call into which the app carried a handle and no trace', async (t) => {
  const mesh = await startMesh(t, { run: ['App', 'API'] })
  const { handle } = await aliceCalls(mesh, () => [])
  await send({ port: mesh.sidecars.App.outbound, host: hosts.API, headers: ['x-onbehalf-handle', handle] })
  const all = JSON.parse((await ask(mesh, traceId, '-o', 'json')).stdout) as Decision[]
  assert.deepEqual(
    all.map(({ direction, cause, traceId: trace }) => [direction, cause, trace]),
    [
      ['inbound', undefined, traceId],
      ['outbound', 'none', traceId],
      // The sidecar itself goes on with the trace of the request that the handle names.
      ['outbound', 'user', traceId],
    ],
  )
})

test('by the id of a request, also the calls that it caused; by that of a call, also its cause', async (t) => {
  const mesh = await startMesh(t, { run: ['App', 'API'] })
  await aliceCalls(mesh, (own) => ['baggage', `onbehalf=${own}`])
  const all = JSON.parse((await ask(mesh, traceId, '-o', 'json')).stdout) as Decision[]
  assert.deepEqual(
    all.map(({ direction }) => direction),
    ['inbound', 'outbound'],
  )
  await send({ port: mesh.sidecars.App.outbound, host: hosts.API })
  for (const { requestId } of all) {
    const { status, stdout } = await ask(mesh, requestId, '-o', 'json')
    assert.equal(status, 0)
    assert.deepEqual(JSON.parse(stdout), all)
  }
})

test('a refused call: which sources disagreed', async (t) => {
  const mesh = await startMesh(t, { run: ['App', 'API'] })
  const { answer } = await aliceCalls(mesh, (own) => [
    'tracestate',
    `onbehalf=${own}`,
    'baggage',
    `onbehalf=${own.slice(0, 4)}${'A'.repeat(22)}`,
  ])
  assert.equal(answer.code, 'original_user_ambiguous')
  const { status, stdout } = await ask(mesh, String(answer.headers['x-onbehalf-request-id']))
  assert.equal(status, 0)
  assert.match(stdout, /accounts refused: original_user_ambiguous\n/)
  assert.match(stdout, /carried +tracestate: user pomerium\/alice-id, of request \S+\n/)
  assert.match(stdout, /carried +baggage: a request that has ended, or never came here\n/)
  assert.match(stdout, /why +What this call carries belongs to different requests/)
})

test('by the trace that was started for the app, where the caller is part of none', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const headers = ['X-Pomerium-Jwt-Assertion', await mesh.pomerium.assertion('alice', hosts.App)]
  assert.equal((await send({ port: mesh.sidecars.App.inbound, headers })).status, 200)
  const [started = ''] = rawValues(mesh.apps.App.received.at(-1), 'traceparent')
  const { status, stdout } = await ask(mesh, started)
  assert.equal(status, 0)
  assert.match(stdout, /^App: inbound GET test\.invalid\/ allowed\n/)
})

test('an app that carries nothing shows as that', async (t) => {
  const mesh = await startMesh(t, { run: ['App', 'API'] })
  await aliceCalls(mesh, () => [])
  const { stdout } = await ask(mesh, traceId)
  assert.match(stdout, /carried +no handle, and no user’s token\n/)
  assert.match(stdout, /why +as the service account: the app carried no user\n/)
})

test('a request that was refused before its route was known is not said to go without identity', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  await send({ port: mesh.sidecars.App.inbound, headers: ['traceparent', traceparent] })
  const { stdout } = await ask(mesh, traceId)
  assert.match(stdout, /^App: inbound GET test\.invalid\/ refused: assertion_missing\n/)
  assert.doesNotMatch(stdout, /^  route /m)
})

test('nothing that a token says moves the terminal, or looks like a line of ours', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const evil = 'a\n  why            all is well\u001b[2J\u009b2J\u202e'
  const claims = { ...mesh.pomerium.claims('alice', hosts.App) }
  for (const changes of [{ iss: evil }, { sub: evil, user: evil }]) {
    const token = await mesh.pomerium.sign({ ...claims, ...changes })
    const headers = ['X-Pomerium-Jwt-Assertion', token, 'traceparent', traceparent]
    await send({ port: mesh.sidecars.App.inbound, headers })
  }
  for (const output of [[], ['-o', 'json']]) {
    const { stdout } = await ask(mesh, traceId, ...output)
    assert.equal(stdout.split('all is well').length, 3, stdout)
    // eslint-disable-next-line no-control-regex
    assert.doesNotMatch(stdout, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/)
    assert.doesNotMatch(stdout, /^ +why +all is well/m)
  }
})

test('what is not there ends with status 1, and JSON is JSON all the same', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const { status, stdout, stderr } = await ask(mesh, 'unknown', '-o', 'json')
  assert.deepEqual([status, JSON.parse(stdout)], [1, []])
  assert.match(stderr, /the sidecar of App has no request or trace unknown/)
})

test('a sidecar that is not there, or another’s token, ends with status 2 in words', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const asked = ['some-id', '--config', mesh.meshFile, '--service', 'App', '--listen-admin']
  const { admin, sidecar } = mesh.sidecars.App
  const missing = await run(mesh.folder, [...asked, `127.0.0.1:${admin}`, '--admin-token-file', 'none'])
  assert.equal(missing.status, 2)
  assert.match(missing.stderr, /admin token cannot be read from .*none \(ENOENT\): is the sidecar running/)
  await writeFile(join(mesh.folder, 'other'), 'x'.repeat(43))
  const other = await run(mesh.folder, [...asked, `127.0.0.1:${admin}`, '--admin-token-file', 'other'])
  assert.equal(other.status, 2)
  assert.match(other.stderr, /has another admin token/)
  const gone = await run(mesh.folder, [
    ...asked,
    '127.0.0.1:1',
    '--admin-token-file',
    sidecar.adminToken.file,
  ])
  assert.equal(gone.status, 2)
  assert.match(gone.stderr, /no sidecar answers at 127\.0\.0\.1:1/)
})

test('what answers there and is no sidecar ends with status 2 in words', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const other = await startApp((_request, response) => void response.end('<html>'))
  t.after(() => other.close())
  const { status, stderr } = await ask(mesh, 'some-id', '--listen-admin', `127.0.0.1:${other.port}`)
  assert.equal(status, 2)
  assert.match(stderr, /what answers at 127\.0\.0\.1:\d+ is no sidecar/)
})

for (const args of [[], ['a', 'b'], ['a', '-o', 'yaml'], ['a', '--nonsense']]) {
  test(`wrong use is told: ${JSON.stringify(args)}`, async () => {
    const { status, stdout, stderr } = await run('/', args)
    assert.deepEqual([status, stdout], [2, ''])
    assert.match(stderr, /^onbehalf explain: .+\nSee onbehalf explain --help\.\n$/)
  })
}

test('a misspelt code is told as that, not as a mesh file that is missing', async () => {
  const { status, stderr } = await run('/', ['assertion_audiance'])
  assert.equal(status, 2)
  assert.match(stderr, /there is no refusal assertion_audiance; did you mean "assertion_audience"\?/)
  assert.match((await run('/', ['4bf92f3577b34da6'])).stderr, /there is no such file/)
})

test('--help shows its use', async () => {
  const { status, stdout } = await run('/', ['--help'])
  assert.equal(status, 0)
  assert.match(stdout, /^Usage: onbehalf explain ID/)
})
