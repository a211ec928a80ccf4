// Many users at once through three services whose apps carry nothing themselves: who arrives at the end, and as whom.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { text } from 'node:stream/consumers'
import { freePorts } from '../../deploy/demo/ports.ts'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'
import { startSidecarProcess, type SidecarProcess } from './sidecar-process.ts'

const users = 500
const deadlineMs = 30_000
/** So many requests a user makes with one token: those of a page. */
const requestsPerToken = 10
/** One of so many clients leaves before it has its answer. */
const leavesOneOf = 50
/** The share of its requests that the last service fails: who calls it tries again. */
const failingShare = 0.02

export interface Tally {
  /** What reached the last service with exactly the user who started it: of the request itself, and of later work. */
  arrived: number
  late: number
  /** What reached it with another user, or with none. */
  readonly wrong: string[]
  /** How the clients' requests ended. */
  readonly ends: Map<string, number>
}

export interface Ground {
  readonly mesh: TestMesh
  readonly tally: Tally
  readonly entry: SidecarProcess
  readonly sidecars: readonly SidecarProcess[]
}

const program = join(import.meta.dirname, 'programs/untouched-app.mjs')

const at = (port: number) => ({ app: `http://127.0.0.1:${port}` })

/** @param correlator what the apps are started with: the preload, or one that is wrong on purpose. */
export async function startGround(t: TestContext, correlator: string): Promise<Ground> {
  const [appPort = 0, apiPort = 0] = await freePorts(2)
  const mesh = await startMesh(t, {
    run: [],
    services: { App: at(appPort), API: at(apiPort) },
    settings: { limits: { concurrent_requests: 0, connections: 0 } },
    routes: { API: { original_user: 'required' }, Ledger: { original_user: 'required' } },
  })
  const tally: Tally = { arrived: 0, late: 0, wrong: [], ends: new Map() }
  mesh.apps.Ledger.handler = (request, response) => {
    check(tally, request)
    if (Math.random() < failingShare) response.statusCode = 503
    setTimeout(() => response.end('end'), Math.random() * 8)
  }
  const [entry, api, ledger] = await Promise.all([
    startSidecarProcess(t, mesh, 'App'),
    startSidecarProcess(t, mesh, 'API'),
    startSidecarProcess(t, mesh, 'Ledger'),
  ])
  await startApp(t, correlator, appPort, entry.outbound, hosts.API)
  await startApp(t, correlator, apiPort, api.outbound, hosts.Ledger)
  return { mesh, tally, entry, sidecars: [entry, api, ledger] }
}

async function startApp(
  t: TestContext,
  correlator: string,
  port: number,
  outbound: number,
  next: string,
): Promise<void> {
  const proxy = `http://127.0.0.1:${outbound}`
  const child = spawn(process.execPath, ['--require', correlator, program], {
    env: {
      PATH: process.env['PATH'],
      PORT: String(port),
      NEXT: next,
      HTTP_PROXY: proxy,
      NODE_USE_ENV_PROXY: '1',
    },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const exited = once(child, 'exit')
  t.after(async () => {
    child.kill('SIGKILL')
    await exited
  })
  await Promise.race([
    once(child, 'message'),
    exited.then(([status]) => {
      throw new Error(`the app ended with status ${status}`)
    }),
  ])
}

/** The path says who started it; the verified headers say who it is. */
function check(tally: Tally, request: IncomingMessage): void {
  const [, started, isLate] = /^\/(user\d+)\/\d+(\/late)?/.exec(request.url ?? '') ?? []
  const carried = String(request.headers['x-pomerium-original-user-id'] ?? 'nobody')
  if (carried !== `${started}-id`) tally.wrong.push(`${started} arrived as ${carried}`)
  else if (isLate === undefined) tally.arrived++
  else tally.late++
}

/** All users at once, each with one request under way, until `requests` were made. */
export async function load({ mesh, tally, entry }: Ground, requests: number): Promise<void> {
  const agent = new Agent({ keepAlive: true })
  let left = requests
  const one = async (user: string) => {
    let token = ''
    for (let made = 0; left > 0; made++) {
      const number = --left
      if (made % requestsPerToken === 0) token = await mesh.pomerium.assertion(user, hosts.App)
      const end = await ask(entry, agent, { user, token, number })
      tally.ends.set(end, (tally.ends.get(end) ?? 0) + 1)
    }
  }
  await Promise.all(Array.from({ length: users }, (_, i) => one(`user${i}`)))
  agent.destroy()
}

interface Asked {
  readonly user: string
  readonly token: string
  readonly number: number
}

async function ask(entry: SidecarProcess, agent: Agent, { user, token, number }: Asked): Promise<string> {
  const isLeaving = number % leavesOneOf === 0
  const request = httpRequest({
    host: '127.0.0.1',
    port: entry.inbound,
    path: `/${user}/${number}`,
    headers: { Host: hosts.App, 'X-Pomerium-Jwt-Assertion': token },
    agent,
    signal: AbortSignal.timeout(isLeaving ? Math.ceil(Math.random() * 40) : deadlineMs),
  }).end()
  try {
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    await text(response)
    return `${response.statusCode} ${String(response.headers['x-onbehalf-error'] ?? '')}`.trim()
  } catch (error) {
    return isLeaving ? 'left' : String(error)
  }
}
