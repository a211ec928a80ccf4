// The attacker makes the sidecar hold all that it may hold, in a pod of 256 MiB, and wants it to be killed for it.
import assert from 'node:assert/strict'
import { Agent } from 'node:http'
import { test } from 'node:test'
import { mebibyte, watchResident } from '../endurance/resident.ts'
import { startSidecarProcess } from '../endurance/sidecar-process.ts'
import { send } from '../support/client.ts'
import { hosts, startMesh } from '../support/mesh.ts'
import { assertionName, asUser } from './attack.ts'

/** As the image says, and what V8 allows itself where a container may have 256 MiB. */
const nodeOptions = '--max-semi-space-size=2 --max-old-space-size=128'
const podBytes = 256 * mebibyte
const requests = 12_000
const atOnce = 32

test('sessions, verdicts and tokens as large as they may be stay within the memory of a pod', async (t) => {
  const settings = { timeouts: { linger: '60s', drain: '5s' } }
  const mesh = await startMesh(t, { run: [], settings })
  const app = await startSidecarProcess(t, mesh, 'App', { NODE_OPTIONS: nodeOptions })
  const agent = new Agent({ keepAlive: true })
  t.after(() => agent.destroy())
  mesh.apps.App.handler = (request, response) => void request.resume().once('end', () => response.end())
  const watch = watchResident(app.pid)
  const outcomes = new Map<string, number>()
  let left = requests
  const work = async () => {
    while (left-- > 0) {
      const claims = {
        ...mesh.pomerium.claims(`user${left % 500}`, hosts.App),
        jti: `t${left}`,
        note: 'x'.repeat(5_000),
      }
      const headers = [assertionName, await mesh.pomerium.sign(claims)]
      const { status, code } = await send({ port: app.inbound, agent, headers })
      outcomes.set(`${status} ${code}`, (outcomes.get(`${status} ${code}`) ?? 0) + 1)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  const most = watch.stop()
  t.diagnostic(
    `${Math.round(most / mebibyte)} MiB; ${[...outcomes].map((each) => each.join(': ')).join(', ')}`,
  )
  assert.ok(most < podBytes, `${Math.round(most / mebibyte)} MiB`)
  assert.ok((outcomes.get('200 ') ?? 0) > requests / 2)
  assert.equal((await send({ port: app.inbound, headers: await asUser(mesh, 'alice') })).status, 200)
  assert.equal(await app.terminate(), 0)
})
