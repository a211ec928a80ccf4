// The attacker writes a trace context that only some agents read as ours, or that costs its reader dearly.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { test, type TestContext } from 'node:test'
import { rawValues } from '../support/app.ts'
import { send } from '../support/client.ts'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'
import { adminToken, asUser, handleName } from './attack.ts'

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

const start = (t: TestContext) =>
  startMesh(t, { run: ['App', 'API'], settings: { egress: { local: 'allow' }, timeouts: { linger: '2s' } } })

async function comeIn(mesh: TestMesh, user: string, headers: readonly string[] = []): Promise<string> {
  const port = mesh.sidecars.App.inbound
  const answer = await send({ port, headers: [...(await asUser(mesh, user)), ...headers] })
  assert.equal(answer.status, 200)
  return rawValues(mesh.apps.App.received.at(-1), handleName)[0] ?? ''
}

test('a member that only a lenient agent reads as ours does not reach the app', async (t) => {
  const mesh = await start(t)
  const bob = await comeIn(mesh, 'bob')
  const keys = [
    // Python's `unquote_plus(name).strip()`, .NET's `UrlDecode` and `Trim`.
    '+onbehalf',
    'onbehalf+',
    '+++%6fnbehalf++',
    '%1Fonbehalf',
    'onbehalf%C2%85',
    'onbehalf%00',
    // Beside what JavaScript refuses to decode, others go on.
    '%6Fnbehalf%FF',
    // Decoded once, and sent on without being encoded again.
    '%256Fnbehalf',
  ]
  for (const key of keys) {
    const planted = `${key}=${bob}`
    await comeIn(mesh, 'alice', ['traceparent', traceparent, 'baggage', `a=1,${planted},b=2`])
    const [baggage = ''] = rawValues(mesh.apps.App.received.at(-1), 'baggage')
    assert.equal(baggage.includes(bob), false, key)
    assert.ok(baggage.endsWith(',a=1,b=2'), baggage)
  }
})

test('baggage under its older name carries no handle in, and none out', async (t) => {
  const mesh = await start(t)
  const bob = await comeIn(mesh, 'bob')
  const names = ['Correlation-Context', 'Correlation_Context', 'Jaeger_Baggage']
  for (const name of names) {
    await comeIn(mesh, 'alice', [name, `a=1, onbehalf=${bob}`])
    const { rawHeaders = [] } = mesh.apps.App.received.at(-1) ?? {}
    assert.equal(rawHeaders.join('\n').includes(bob), false, name)
    // As .NET sends on what it read as `baggage`.
    const headers = [name, `a=1, onbehalf=${bob}`]
    const host = new URL(mesh.apps.API.origin).host
    const answer = await send({ port: mesh.sidecars.App.outbound, host, headers })
    assert.equal(answer.status, 200)
    assert.deepEqual(rawValues(mesh.apps.API.received.at(-1), name), ['a=1'])
  }
})

test('what .NET sends on of our baggage names the user', async (t) => {
  const mesh = await start(t)
  const handle = await comeIn(mesh, 'bob')
  const headers = ['Correlation-Context', `a=1, onbehalf=${handle}`]
  await send({ port: mesh.sidecars.App.outbound, host: hosts.API, headers })
  assert.deepEqual(rawValues(mesh.apps.API.received.at(-1), 'x-pomerium-original-user-id'), ['bob-id'])
})

/** Reads each value as a sidecar does, in a thread: what hangs there can be ended. */
const reader = `
  const { workerData } = require('node:worker_threads')
  import(workerData.module).then(({ stripHandles, withHandle }) => {
    const parent = { traceId: '', spanId: '', isSampled: true, isContinued: true }
    for (const value of workerData.values) {
      stripHandles(value)
      withHandle(['baggage', value, 'tracestate', value], 'a'.repeat(26), parent)
    }
  })`

test('baggage that could be read in many ways hangs nobody', { timeout: 30_000 }, async (t) => {
  const hostile = [
    // In a way that took seconds for this one, and years for the next.
    `a=1${';b=  '.repeat(16)}"`,
    `a=1${';b=  '.repeat(5_000)}"`,
    `a=${' '.repeat(30_000)}"`,
    `a=1;b${' '.repeat(30_000)}"`,
    `a=1${' '.repeat(30_000)}"`,
    `a=1${'; b = 2 '.repeat(4_000)}"`,
    `${'%25'.repeat(10_000)}=1`,
    `${'+'.repeat(30_000)}x=1`,
    `${'a%'.repeat(15_000)}=1`,
  ]
  const module = new URL('../../shared/headers/trace-context.ts', import.meta.url).href
  const worker = new Worker(reader, { eval: true, workerData: { module, values: hostile } })
  t.after(() => worker.terminate())
  assert.deepEqual(await once(worker, 'exit'), [0])
})

test('a call that carries thousands of handles leaves a small record', async (t) => {
  const mesh = await start(t)
  const many = Array.from({ length: 2_000 }, (_, i) => `onbehalf=${i}`).join(',')
  const port = mesh.sidecars.App.outbound
  const answer = await send({ port, host: hosts.API, headers: ['baggage', many] })
  assert.equal(answer.code, 'original_user_lost')
  const token = await adminToken(mesh.sidecars.App)
  const { body } = await send({
    port: mesh.sidecars.App.admin,
    host: '127.0.0.1',
    target: '/decisions',
    headers: ['Authorization', `Bearer ${token}`],
  })
  assert.ok(body.length < 4_000, String(body.length))
  assert.ok(mesh.sidecars.App.logs.every((line) => line.length < 2_000))
})
