// The attacker has a sidecar killed at any moment, again and again, and wants it to stay away, or one user's answer to go to another.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { startSidecarProcess, type SidecarProcess } from '../endurance/sidecar-process.ts'
import { send } from '../support/client.ts'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'
import { redisMissing, startRedis } from '../support/redis.ts'
import { asUser } from './attack.ts'

const skip = redisMissing
const bundle = join(import.meta.dirname, '../../dist/onbehalf.cjs')
const users = ['alice', 'bob', 'user1'] as const
/** Milliseconds after which it is killed, once while it starts and once while it serves. */
const momentsMs = [5, 20, 60, 90, 120, 160, 200, 300]

/** App asks API who it is called for, by the sidecar that is there now. */
function askApi(mesh: TestMesh, outbound: () => number): void {
  mesh.apps.API.handler = ({ headers }, response) =>
    void response.end(headers['x-pomerium-original-user-id'] ?? 'nobody')
  mesh.apps.App.handler = ({ headers }, response) => {
    const carried = ['Host', hosts.API, 'tracestate', String(headers['tracestate'] ?? '')]
    const call = httpRequest({ port: outbound(), headers: carried, setHost: false, agent: false })
    call.on('error', () => response.destroy())
    call.on('response', (answer: IncomingMessage) => {
      response.writeHead(answer.statusCode ?? 0)
      text(answer).then(
        (body) => response.end(body),
        () => response.destroy(),
      )
    })
    call.end()
  }
}

/** @returns what came of it; of one that was answered with 200, for whom. */
async function ask(mesh: TestMesh, inbound: number, user: string): Promise<string> {
  const sent = send({ port: inbound, headers: await asUser(mesh, user) })
  return sent.then(
    ({ status, code, body }) => (status === 200 ? body : `${status} ${code}`),
    () => 'no answer',
  )
}

async function killWhileItStarts(mesh: TestMesh, afterMs: number): Promise<void> {
  const args = [bundle, 'run', '--config', mesh.meshFile, '--service', 'App']
  const child = spawn(process.execPath, args, { stdio: 'ignore' })
  const exited = once(child, 'exit')
  await pause(afterMs)
  child.kill('SIGKILL')
  await exited
}

async function revokeSomething(mesh: TestMesh, admin: number): Promise<number> {
  const token = (await readFile(join(mesh.folder, 'App.admin-token'), 'utf8')).trim()
  const body = JSON.stringify({ kind: 'jti', issuer: 'mesh', value: 'a' })
  const headers = ['Authorization', `Bearer ${token}`]
  const answer = await send({
    port: admin,
    host: `127.0.0.1:${admin}`,
    method: 'POST',
    target: '/revoke',
    headers,
    body,
  })
  return answer.status
}

test(
  'killed while it starts and while it serves, it comes back and carries each user as herself',
  { skip },
  async (t) => {
    const redis = await startRedis(t)
    const settings = { store: { redis: { url: `redis://127.0.0.1:${redis.port}` } } }
    const mesh = await startMesh(t, { run: ['API'], settings })
    let app: SidecarProcess | undefined
    let served = 0
    askApi(mesh, () => app?.outbound ?? 0)
    for (const momentMs of momentsMs) {
      await killWhileItStarts(mesh, momentMs)
      const started = await startSidecarProcess(t, mesh, 'App')
      app = started
      const asked = Array.from({ length: 30 }, async (_, i) => {
        await pause(i * 5)
        const user = users[i % users.length] as string
        const answer = await ask(mesh, started.inbound, user)
        assert.ok(answer === `${user}-id` || answer === 'no answer', `${user}: ${answer}`)
        if (answer !== 'no answer') served++
      })
      await pause(momentMs / 2)
      process.kill(started.pid, 'SIGKILL')
      await Promise.all(asked)
    }
    assert.ok(served > 0)
    app = await startSidecarProcess(t, mesh, 'App')
    for (const user of users) assert.equal(await ask(mesh, app.inbound, user), `${user}-id`)
    assert.equal(await revokeSomething(mesh, app.admin), 202)
  },
)
