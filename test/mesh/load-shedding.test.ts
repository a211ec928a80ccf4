// A sidecar that is asked for more than it can do: it refuses some, serves the others as ever, and is well afterwards.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { crowd } from '../../sidecar/load-shedder.ts'
import { asUser, open, speak, until } from '../attacks/attack.ts'
import { isLinux } from '../endurance/resident.ts'
import { startSidecarProcess, type SidecarProcess } from '../endurance/sidecar-process.ts'
import { send } from '../support/client.ts'
import { startMesh } from '../support/mesh.ts'

async function startOverloadable(t: TestContext, limits: Readonly<Record<string, unknown>>) {
  const mesh = await startMesh(t, { run: [], settings: { limits } })
  const sidecar = await startSidecarProcess(t, mesh, 'App')
  const [name, token] = await asUser(mesh, 'alice')
  return { sidecar, alice: `${name}: ${token}\r\n` }
}

/** Samples of `/metrics` whose names begin like this, each with its labels. */
async function samples({ probes }: SidecarProcess, start: string): Promise<Record<string, number>> {
  const { body } = await send({ port: probes, target: '/metrics' })
  const lines = body.split('\n').filter((line) => line.startsWith(start))
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]),
  )
}

const shed = 'onbehalf_shed_requests_total{direction="inbound",code="overloaded"}'

/** So many requests behind each other, and what became of each. */
async function ask({ inbound }: SidecarProcess, fields: string, count: number): Promise<string[]> {
  const one = `GET / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`
  const last = one.replace('Host', 'Connection: close\r\nHost')
  const answers = await speak(inbound, `${one.repeat(count - 1)}${last}`)
  return answers
    .split(/(?=HTTP\/1\.1 \d)/)
    .map((answer) => /^x-onbehalf-error: (\S+)/m.exec(answer)?.[1] ?? answer.slice(9, 12))
}

function countEach(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1
  return counts
}

/** What it answers itself comes without a pause, whatever other processes do: turn follows turn, each with a crowd on as many connections. */
test('more than it can do is refused in part, each request gets one answer, and afterwards all are served', async (t) => {
  const { sidecar, alice } = await startOverloadable(t, { queue_delay: '1ms' })
  const [connections, each, ofUser] = [2 * crowd, 60, 30]
  const [answers, userAnswers] = await Promise.all([
    Promise.all(Array.from({ length: connections }, () => ask(sidecar, '', each))),
    ask(sidecar, alice, ofUser),
  ])
  const { assertion_missing: served = 0, overloaded = 0, ...others } = countEach(answers.flat())
  assert.deepEqual(others, {})
  assert.equal(served + overloaded, connections * each)
  assert.ok(served > 0 && overloaded > 0, `${served} served, ${overloaded} refused`)
  assert.ok(answers.every((list) => list.length === each))
  const { 200: passed = 0, overloaded: unheard = 0, ...odd } = countEach(userAnswers)
  assert.deepEqual([passed + unheard, odd], [ofUser, {}])
  assert.deepEqual(await samples(sidecar, shed), { [shed]: overloaded + unheard })
  assert.deepEqual(await ask(sidecar, alice, 1), ['200'])
  await until(
    'load is shed no more',
    async () => (await samples(sidecar, 'onbehalf_shedding '))['onbehalf_shedding'] === 0,
  )
  assert.deepEqual(await samples(sidecar, shed), { [shed]: overloaded + unheard })
})

test('without limits.queue_delay nothing is shed', async (t) => {
  const { sidecar } = await startOverloadable(t, { queue_delay: '0s' })
  const answers = await Promise.all(Array.from({ length: 2 * crowd }, () => ask(sidecar, '', 30)))
  assert.deepEqual(countEach(answers.flat()), { assertion_missing: 60 * crowd })
  assert.deepEqual(await samples(sidecar, shed), {})
})

test(
  'a process that was stopped serves all that has come meanwhile',
  { skip: isLinux ? false : 'SIGSTOP is tried on Linux' },
  async (t) => {
    const { sidecar, alice } = await startOverloadable(t, { queue_delay: '1ms' })
    const sockets = await Promise.all(Array.from({ length: 100 }, () => open(sidecar.inbound)))
    const statusOf = async (socket: Socket) => {
      socket.write(`GET / HTTP/1.1\r\nHost: a\r\n${alice}\r\n`)
      const [bytes] = (await once(socket, 'data')) as [Buffer]
      return bytes.toString('latin1', 9, 12)
    }
    // What was only connected would be accepted in turns of its own.
    for (const socket of sockets) assert.equal(await statusOf(socket), '200')
    process.kill(sidecar.pid, 'SIGSTOP')
    await until('it is stopped', async () => / T /.test(await readFile(`/proc/${sidecar.pid}/stat`, 'utf8')))
    const statuses = sockets.map(statusOf)
    process.kill(sidecar.pid, 'SIGCONT')
    assert.deepEqual(countEach(await Promise.all(statuses)), { 200: 100 })
    for (const socket of sockets) socket.destroy()
    assert.deepEqual(await samples(sidecar, shed), {})
  },
)
