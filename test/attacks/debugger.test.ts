// The attacker has SIGUSR1 sent, by whoever rotates logs so, and wants Node's debugger to open on the loopback that a pod shares.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startSidecarProcess } from '../endurance/sidecar-process.ts'
import { send } from '../support/client.ts'
import { startMesh } from '../support/mesh.ts'
import { asUser, until } from './attack.ts'

test('SIGUSR1 opens no debugger, and ends nothing', async (t) => {
  const mesh = await startMesh(t, { run: [] })
  const app = await startSidecarProcess(t, mesh, 'App')
  process.kill(app.pid, 'SIGUSR1')
  // Heard behind it: by then the other was, too.
  process.kill(app.pid, 'SIGHUP')
  await until('SIGHUP is heard', () => /reload|SIGHUP/.test(app.output()))
  assert.doesNotMatch(app.output(), /Debugger|inspector/i)
  assert.equal((await send({ port: app.inbound, headers: await asUser(mesh, 'alice') })).status, 200)
  assert.equal(await app.terminate(), 0)
})
