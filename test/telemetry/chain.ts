// App, API and Ledger as processes of their own with the built sidecar, and telemetry as each test wants it.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { issueCertificates } from '../../deploy/demo/certificates.ts'
import { exchange, type Answer } from '../../deploy/demo/exchange.ts'
import { startPomerium, type Pomerium } from '../../deploy/demo/pomerium.ts'
import { createProcesses, type Started } from '../../deploy/demo/processes.ts'
import { waitUntilListening, waitUntilReady } from '../../deploy/demo/ready.ts'
import { certify } from '../support/mesh.ts'
import { layOut, type ServiceName, type Topology } from '../../deploy/demo/topology.ts'

const root = path.join(import.meta.dirname, '../..')
export const onbehalf = path.join(root, 'dist/onbehalf.cjs')
const preload = path.join(root, 'dist/preload.cjs')
const agent = path.join(
  root,
  'test/apps/node_modules/@opentelemetry/auto-instrumentations-node/dist/register.cjs',
)

export interface ChainOptions {
  /** What carries the user through the apps. */
  readonly apps: 'preload' | 'agent'
  /** Of all sidecars. */
  readonly env?: Readonly<Record<string, string>>
  /** Of all apps. */
  readonly appEnv?: Readonly<Record<string, string>>
  /** Whether there are certificates by an authority that nobody trusts, as the demo has them. */
  readonly hasStrangers?: boolean
  /** Default: all three. */
  readonly services?: readonly ServiceName[]
}

export interface Chain {
  readonly topology: Topology
  readonly pomerium: Pomerium
  readonly sidecars: Readonly<Partial<Record<ServiceName, Started>>>
  /** As a browser with a session at Pomerium. */
  ask(user: keyof typeof users, headers?: readonly (readonly [string, string])[]): Promise<Answer>
  /** Sends all sidecars SIGTERM and waits until they are gone. */
  stop(): Promise<void>
}

const users = {
  alice: { sub: 'user-1', email: 'alice@companydomain.com', name: 'Alice' },
  bob: { sub: 'user-2', email: 'bob@companydomain.com', name: 'Bob' },
  mallory: { sub: 'user-3', email: 'mallory@elsewhere.com', name: 'Mallory' },
}
const order: readonly ServiceName[] = ['App', 'API', 'Ledger']

export async function startChain(t: TestContext, options: ChainOptions): Promise<Chain> {
  const folder = await mkdtemp(path.join(tmpdir(), 'onbehalf-chain-'))
  const processes = createProcesses(folder)
  t.after(async () => {
    // Nobody waits for them to drain.
    processes.killAll()
    await processes.stopAll()
    await rm(folder, { recursive: true, force: true })
  })
  const topology = await layOut(folder)
  if (options.hasStrangers === true) await issueCertificates({ processes, onbehalf, topology })
  else await certify(folder)
  const { services, pomeriumPort } = topology
  const routes = Object.fromEntries(
    Object.values(services).map(({ host, inboundPort }) => [
      host,
      { to: `http://127.0.0.1:${inboundPort}`, passIdentityHeaders: true },
    ]),
  )
  const pomerium = await startPomerium({ port: pomeriumPort, routes, users })
  t.after(() => pomerium.close())
  const wanted = options.services ?? order
  const started = await Promise.all(
    wanted.map(async (name) => {
      const { appPort, outboundPort, probesPort } = services[name]
      const next = order[order.indexOf(name) + 1]
      const hasNext = next !== undefined && wanted.includes(next)
      const carrying = options.apps === 'preload' ? preload : agent
      const app = processes.start(
        `app-${name}`,
        ['--require', carrying, path.join(import.meta.dirname, 'app.cjs')],
        {
          NAME: name,
          PORT: String(appPort),
          HTTP_PROXY: `http://127.0.0.1:${outboundPort}`,
          ...(hasNext ? { NEXT: `http://${services[next].host}` } : {}),
          OTEL_SERVICE_NAME: `${name}-app`,
          ...options.appEnv,
        },
      )
      const sidecar = processes.start(
        `sidecar-${name}`,
        [onbehalf, 'run', '--config', topology.meshFile, '--service', name],
        options.env,
      )
      await Promise.all([waitUntilListening(app, appPort), waitUntilReady(sidecar, probesPort)])
      return [name, sidecar] as const
    }),
  )
  return {
    topology,
    pomerium,
    sidecars: Object.fromEntries(started),
    ask: (user, headers = []) =>
      exchange({
        port: pomeriumPort,
        target: '/orders?secret=1',
        headers: [['Host', services.App.host], ['Cookie', `_pomerium=${user}`], ...headers],
      }),
    stop: () => processes.stopAll(),
  }
}
