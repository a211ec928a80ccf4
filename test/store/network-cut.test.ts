// The network between sidecars and their store is cut, without a word to either side, and mended.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { makeNetwork, whyNoNamespaces } from '../interception/network.ts'
import { redisMissing } from '../support/redis.ts'
import type { LoadReport } from './programs/load.ts'

const skip = redisMissing || ((await whyNoNamespaces()) ?? false)
const program = join(import.meta.dirname, 'programs/load.ts')

test('the network is cut under load', { skip }, async (t) => {
  const network = await makeNetwork(['mesh', 'redis'])
  t.after(() => network.close())
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-cut-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const { mesh, redis } = network.pods
  const server = redis.start(
    0,
    ['ignore', 'pipe', 'inherit'],
    'redis-server',
    '--bind',
    '0.0.0.0',
    '--dir',
    folder,
    '--save',
    '',
    '--protected-mode',
    'no',
  )
  t.after(() => server.kill('SIGKILL'))
  await once(createInterface(server.stdout as NodeJS.ReadableStream), 'line')
  const load = mesh.start(
    0,
    ['ignore', 'pipe', 'inherit'],
    process.execPath,
    program,
    `redis://${redis.addresses.ipv4}:6379`,
  )
  t.after(() => load.kill('SIGKILL'))
  const lines = createInterface(load.stdout as NodeJS.ReadableStream)[Symbol.asyncIterator]()
  const next = async () => (await lines.next()).value as string
  assert.equal(await next(), 'runs')
  const rule = ['INPUT', '-p', 'tcp', '--dport', '6379', '-j', 'DROP']
  await redis.exec('iptables', '-A', ...rule)
  assert.equal(await next(), 'cut')
  await pause(3_000)
  await redis.exec('iptables', '-D', ...rule)
  const report = JSON.parse(await next()) as LoadReport
  t.diagnostic(`${report.served} served`)
  assert.deepEqual([report.failed, report.admitted, report.up], [[], [], [1, 0, 1]])
  assert.ok(report.served > 20)
})
