// The attacker opens more connections than the sidecar has descriptors, and wants it to die, or to serve nobody for good.
import assert from 'node:assert/strict'
import { Agent } from 'node:http'
import { connect } from 'node:net'
import { test } from 'node:test'
import { startSidecarProcess } from '../endurance/sidecar-process.ts'
import { send } from '../support/client.ts'
import { startMesh } from '../support/mesh.ts'
import { asUser, until } from './attack.ts'

const descriptors = 120
const connections = 400

test('without descriptors who is connected is served on, and everybody once there are some', async (t) => {
  const mesh = await startMesh(t, { run: [] })
  const app = await startSidecarProcess(t, mesh, 'App', {}, `ulimit -n ${descriptors}`)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.after(() => agent.destroy())
  const ask = async (by?: Agent) => {
    const headers = await asUser(mesh, 'alice')
    const answer = send({ port: app.inbound, headers, ...(by !== undefined && { agent: by }) })
    return (await answer.catch(() => undefined))?.status
  }
  assert.equal(await ask(agent), 200)
  const sockets = Array.from({ length: connections }, () => connect(app.inbound, '127.0.0.1').resume())
  for (const socket of sockets) socket.on('error', () => undefined)
  await until('some are turned away', () => sockets.some(({ closed }) => closed))
  for (let i = 0; i < 20; i++) assert.equal(await ask(agent), 200)
  for (const socket of sockets) socket.destroy()
  await until('somebody new is served', async () => (await ask()) === 200)
  assert.equal(await app.terminate(), 0)
})
