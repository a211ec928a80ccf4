// The attacker has written until the disk is full, under the log and under the audit, and wants the sidecar to end, or nobody to be served.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { freePorts } from '../../deploy/demo/ports.ts'
import { send } from '../support/client.ts'
import { startMesh } from '../support/mesh.ts'
import { asUser, until } from './attack.ts'

const bundle = join(import.meta.dirname, '../../dist/onbehalf.cjs')
const requests = 200

const at = (port: number) => `127.0.0.1:${port}`

async function statusOf(port: number, headers: readonly string[] = []): Promise<number | undefined> {
  return (await send({ port, target: '/ready', headers }).catch(() => undefined))?.status
}

test('a sidecar whose log and audit cannot be written serves on, and ends as it is told', async (t) => {
  const [inbound = 0, outbound = 0, probes = 0] = await freePorts(3)
  const listen = { inbound: at(inbound), outbound: at(outbound), admin: at(0), probes: at(probes) }
  const mesh = await startMesh(t, {
    run: [],
    settings: { log: { level: 'debug', access: 'json' }, audit: { to: 'file', file: '/dev/full' } },
    services: { App: { listen } },
  })
  const full = await open('/dev/full', 'w')
  t.after(() => full.close())
  const args = [bundle, 'run', '--config', mesh.meshFile, '--service', 'App']
  const sidecar = spawn(process.execPath, args, { stdio: ['ignore', full.fd, full.fd] })
  t.after(() => sidecar.kill('SIGKILL'))
  const exited = once(sidecar, 'exit')
  await until('it is ready', async () => sidecar.exitCode !== null || (await statusOf(probes)) === 200)
  assert.equal(sidecar.exitCode, null)
  const headers = await asUser(mesh, 'alice')
  for (let i = 0; i < requests; i++) assert.equal(await statusOf(inbound, headers), 200)
  const { body } = await send({ port: probes, target: '/metrics' })
  assert.match(body, /^onbehalf_audit_dropped_total [1-9]\d*$/m)
  sidecar.kill('SIGTERM')
  assert.deepEqual(await exited, [0, null])
})
