// Sidecars on a real Redis, and what tests of revocation across them ask.
import { readFile } from 'node:fs/promises'
import type { TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Revocation } from '../../shared/revocation.ts'
import { revoke } from '../../sidecar/cli/revoke.ts'
import { send } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { hosts, meshIssuer, startMesh, type MeshOptions, type TestMesh } from '../support/mesh.ts'
import { redisMissing, startRedis, type RedisServer } from '../support/redis.ts'

export const skip = redisMissing
const assertionName = 'X-Pomerium-Jwt-Assertion'
const forName = 'X-Pomerium-Jwt-Assertion-For'
export const alice: Revocation = { kind: 'subject', issuer: 'pomerium', value: 'alice-id' }

/** Calls on behalf of a user are made here by hand. */
export const withoutEvidence = { issuer: meshIssuer, ca: 'ca.pem', evidence: 'off' }

export async function startOnRedis(t: TestContext, options: MeshOptions = {}) {
  const redis = await startRedis(t)
  const store = { redis: { url: `redis://127.0.0.1:${redis.port}` } }
  const mesh = await startMesh(t, {
    run: ['App', 'API'],
    ...options,
    settings: { mesh: withoutEvidence, store, ...options.settings },
  })
  // Once each listens, a message reaches them all; and once each has read what was there, no reading helps it.
  const services = Object.keys(mesh.sidecars) as ('App' | 'API')[]
  await eventually(async () => (await listening(redis)) === services.length)
  for (const service of services) await eventually(async () => (await heardMs(mesh, service)) > 0)
  await pause(settlingMs)
  return { redis, mesh }
}

/** After it has begun to listen, a sidecar reads all once more. */
const settlingMs = 500

const heardMs = (mesh: TestMesh, service: 'App' | 'API') =>
  metric(mesh, service, 'onbehalf_revocations_heard_timestamp_seconds')

export async function listening(redis: RedisServer): Promise<number> {
  const [, count] = (await redis.call('pubsub', 'numsub', '{onbehalf}:revocations')) as [string, number]
  return count
}

export async function run(mesh: TestMesh, ...args: string[]) {
  const written = { stdout: '', stderr: '' }
  const stdout = { write: (text: string) => void (written.stdout += text) }
  const stderr = { write: (text: string) => void (written.stderr += text) }
  const status = await revoke(['--config', mesh.meshFile, ...args], {
    stdout,
    stderr,
    env: {},
    cwd: mesh.folder,
  })
  return { status, ...written }
}

export async function byAdmin(mesh: TestMesh, service: 'App' | 'API', revocation: Revocation) {
  const { admin, sidecar } = mesh.sidecars[service]
  const token = (await readFile(sidecar.adminToken.file, 'utf8')).trim()
  const headers = ['Authorization', `Bearer ${token}`]
  const answer = await send({
    port: admin,
    host: `127.0.0.1:${admin}`,
    target: '/revoke',
    method: 'POST',
    headers,
    body: JSON.stringify(revocation),
  })
  return JSON.parse(answer.body) as { reach: string; message: string }
}

export async function metric(mesh: TestMesh, service: 'App' | 'API', name: string): Promise<number> {
  const { body } = await send({ port: mesh.sidecars[service].probes, target: '/metrics' })
  return Number(new RegExp(`^${name.replace(/[{}"]/g, '\\$&')} (\\S+)$`, 'm').exec(body)?.[1] ?? 0)
}

export const atApp = async (mesh: TestMesh, user: string) => ({
  port: mesh.sidecars.App.inbound,
  headers: [assertionName, await mesh.pomerium.assertion(user, hosts.App)],
})

export const atApi = async (mesh: TestMesh, user: string) => ({
  port: mesh.sidecars.API.inbound,
  headers: [
    assertionName,
    (await mesh.minter('api-access')).assertionFor(hosts.API),
    forName,
    await mesh.pomerium.assertion(user, hosts.App),
  ],
})

export type Sent = Awaited<ReturnType<typeof atApp>>

export const codeOf = async (sent: Sent) => {
  const { status, code } = await send(sent)
  return status === 200 ? 'ok' : code
}
export const isRevoked = async (sent: Sent) => (await codeOf(sent)).endsWith('_revoked')
