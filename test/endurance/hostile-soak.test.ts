// One request of five is an attack, Redis fails, keys and certificates change, the app starts anew: nobody comes in who
// must not, as nobody else, and nobody is kept out who may come in, but for those under way at an app that ends.
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { Agent, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { assertionName, calling, forName } from '../attacks/attack.ts'
import { badRequests, type BadGround } from '../attacks/bad-requests.ts'
import { chanceOf } from '../fuzz/fuzz.ts'
import { startApp } from '../support/app.ts'
import { send } from '../support/client.ts'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'
import { redisMissing, startRedis, type RedisServer } from '../support/redis.ts'
import { mebibyte, residentOf } from './resident.ts'
import { startSidecarProcess, type SidecarProcess } from './sidecar-process.ts'
import { scaled, soak } from './soak.ts'

const durationMs = scaled(20_000)
const workers = 10
const attackOneOf = 5
const users = 500
const maxResident = 500 * mebibyte
/** Of the issuer's at a time. */
const mostKeys = 5

interface Tally {
  served: number
  attacks: number
  /** Attacks that were served, and requests that came to API as another's. */
  readonly wrong: string[]
  readonly failed: { readonly startedMs: number; readonly endedMs: number; readonly answer: string }[]
}

/** From when to when the app was not there. */
type Outage = readonly [fromMs: number, toMs: number]

function userOf(header: unknown): string {
  const [, payload = ''] = String(header).split('.')
  return String((JSON.parse(Buffer.from(payload, 'base64url').toString() || '{}') as { sub?: unknown }).sub)
}

/** Answers requests to `/as/<subject>`; whoever else it comes from is wrong. */
function answerFor(tally: Tally) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    const user = userOf(request.headers[forName.toLowerCase()])
    const caller = userOf(request.headers[assertionName.toLowerCase()])
    if (request.url !== `/as/${user}` || caller !== 'api-access')
      tally.wrong.push(`${request.url} came as ${user} by ${caller}`)
    response.end(user)
  }
}

async function start(t: TestContext, tally: Tally) {
  const redis = await startRedis(t)
  const handler = answerFor(tally)
  const api = { app: await startApp(handler) }
  t.after(() => api.app.close())
  const mesh = await startMesh(t, {
    run: [],
    services: { API: { app: api.app.origin } },
    routes: { API: { original_user: 'required' } },
    settings: { store: { redis: { url: `redis://127.0.0.1:${redis.port}` } } },
  })
  const sidecars = [
    await startSidecarProcess(t, mesh, 'App'),
    await startSidecarProcess(t, mesh, 'API'),
  ] as const
  calling(mesh.apps.App, sidecars[0].outbound, hosts.API, ({ headers }) => [
    'tracestate',
    String(headers['tracestate'] ?? ''),
  ])
  const restartApp = async () => {
    await api.app.close()
    await pause(200)
    api.app = await startApp(handler, api.app.port)
  }
  return { redis, mesh, sidecars, restartApp }
}

async function renew(mesh: TestMesh, account: string): Promise<void> {
  const { folder } = mesh
  const { certificatePem, keyPem } = await mesh.certified(account)
  await writeFile(join(folder, `${account}-key.pem`), keyPem)
  await writeFile(join(folder, `${account}.pem`), certificatePem)
}

/** One after the other, again and again. */
function faults(mesh: TestMesh, redis: RedisServer, restartApp: () => Promise<void>, outages: Outage[]) {
  let published: readonly unknown[] = [mesh.pomerium.signingKey().jwk]
  return [
    async () => {
      const { jwk } = await mesh.pomerium.rotateKey()
      published = [jwk, ...published].slice(0, mostKeys)
      mesh.pomerium.serveJwks({ keys: published })
    },
    async () => {
      redis.freeze()
      await pause(500)
      redis.thaw()
    },
    () => renew(mesh, 'api-access'),
    async () => {
      const fromMs = performance.now()
      await restartApp()
      outages.push([fromMs, performance.now()])
    },
    async () => {
      await redis.kill()
      await pause(500)
      await redis.restart()
    },
    () => renew(mesh, 'ledger-access'),
  ]
}

async function askAs(user: number, { mesh, app, agent }: BadGround, tally: Tally): Promise<void> {
  const startedMs = performance.now()
  const token = await mesh.pomerium.assertion(`user${user}`, hosts.App)
  const target = `/as/user${user}-id`
  const sent = send({ port: app.inbound, agent, target, headers: [assertionName, token] })
  const answer = await sent.then(
    ({ status, code, body }) => `${status} ${code}${body === `user${user}-id` ? '' : body.slice(0, 200)}`,
    (error: unknown) => String(error),
  )
  if (answer === '200 ') tally.served++
  else tally.failed.push({ startedMs, endedMs: performance.now(), answer })
}

async function attack(one: number, ground: BadGround, tally: Tally): Promise<void> {
  const chance = chanceOf(one)
  const bad = badRequests[chance(badRequests.length)] as (typeof badRequests)[number]
  const answer = await bad.send(ground, chance)
  tally.attacks++
  if (bad.isRefused && /^(?:HTTP\/1\.1 )?2/.test(answer))
    tally.wrong.push(`${bad.name}: ${answer.slice(0, 200)}`)
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length
}

/** Of each sidecar what it held over the run; grows no more in its second half. */
function assertFlat(t: TestContext, held: readonly number[][]): void {
  for (const samples of held) {
    const [, second = 0, third = 0] = [0, 1, 2].map((part) =>
      mean(samples.slice((part * samples.length) / 3, ((part + 1) * samples.length) / 3)),
    )
    const words = `${Math.round(second / mebibyte)} MiB, then ${Math.round(third / mebibyte)}`
    t.diagnostic(`held in the second and in the last third: ${words}`)
    assert.ok(Math.max(...samples) < maxResident, words)
    if (soak >= 10) assert.ok(third < second * 1.15, words)
  }
}

test(`attacks and faults for ${durationMs / 1000} s`, { skip: redisMissing }, async (t) => {
  const tally: Tally = { served: 0, attacks: 0, wrong: [], failed: [] }
  const { redis, mesh, sidecars, restartApp } = await start(t, tally)
  const agent = new Agent({ keepAlive: true })
  t.after(() => agent.destroy())
  const ground: BadGround = {
    mesh,
    app: sidecars[0],
    agent,
    plant: () => 'x'.repeat(20),
    add: () => undefined,
  }
  const outages: Outage[] = []
  const untilMs = performance.now() + durationMs
  const isOver = () => performance.now() > untilMs
  let number = 0
  const work = async () => {
    while (!isOver()) {
      const one = number++
      await (one % attackOneOf === 0 ? attack(one, ground, tally) : askAs(one % users, ground, tally))
    }
  }
  const held: number[][] = sidecars.map(() => [])
  const disturb = async () => {
    const all = faults(mesh, redis, restartApp, outages)
    for (let i = 0; !isOver(); i++) {
      await all[i % all.length]?.()
      await pause(1_000)
      for (const [which, { pid }] of sidecars.entries()) held[which]?.push(residentOf(pid))
    }
  }
  await Promise.all([disturb(), ...Array.from({ length: workers }, work)])
  const { served, attacks, wrong, failed } = tally
  t.diagnostic(
    `${served} served, ${attacks} attacks, ${outages.length} restarts, ${failed.length} failed there`,
  )
  assert.equal(wrong.length, 0, wrong.slice(0, 10).join('\n'))
  const isExcused = ({ startedMs, endedMs }: (typeof failed)[number]) =>
    outages.some(([fromMs, toMs]) => startedMs < toMs && endedMs > fromMs)
  const refused = failed.filter((one) => !isExcused(one))
  assert.equal(refused.length, 0, JSON.stringify(refused.slice(0, 10)))
  assert.ok(
    served > (durationMs / 1000) * 20 && attacks > served / 10,
    `${served} served, ${attacks} attacks`,
  )
  assertFlat(t, held)
  await Promise.all(sidecars.map(async (each: SidecarProcess) => assert.equal(await each.terminate(), 0)))
})
