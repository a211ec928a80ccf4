// `make demo`: three services with real sidecars behind a stand-in for Pomerium; with CI=1 it checks every row. With
// STORE=redis the sidecars share a Redis, and requests go on while it is killed and while keys are renewed.
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { issueCertificates } from './certificates.ts'
import { drawing, thingsToTry } from './guide.ts'
import { startPomerium } from './pomerium.ts'
import { heading } from './print.ts'
import { openObservatory } from './observatory.ts'
import { createProcesses, type Processes } from './processes.ts'
import { waitUntilListening, waitUntilReady } from './ready.ts'
import { isRedisInstalled, startRedis } from './redis.ts'
import { showAttacks, showChains, showSources } from './report.ts'
import { showSharing } from './sharing-report.ts'
import { layOut, type Service, type Topology } from './topology.ts'

const onbehalf = path.resolve(import.meta.dirname, '../../dist/onbehalf.cjs')
const preload = path.resolve(import.meta.dirname, '../../dist/preload.cjs')
const app = path.join(import.meta.dirname, 'app.ts')
const unattended = ['1', 'true'].includes(process.env['CI'] ?? '')

const staff = {
  alice: { sub: 'user-1', email: 'alice@companydomain.com', name: 'Alice', groups: ['Engineering'] },
  bob: { sub: 'user-2', email: 'bob@companydomain.com', name: 'Bob' },
}
const users = { ...staff, mallory: { sub: 'user-3', email: 'mallory@elsewhere.com', name: 'Mallory' } }

const store = process.env['STORE'] || 'memory'
if (!['memory', 'redis'].includes(store)) {
  console.error(`STORE is "${store}": give redis, or memory, which is the default`)
  process.exit(2)
}
if (![onbehalf, preload].every(existsSync)) {
  console.error('dist/ is missing: run `make build` first')
  process.exit(2)
}
if (store === 'redis' && !isRedisInstalled()) {
  console.error(
    'STORE=redis needs redis-server, which is not installed: apt-get install redis-server, or brew install redis',
  )
  process.exit(1)
}
process.exitCode = await main()
// Whatever an interrupted start left pending is of no interest any more.
process.exit()

async function main(): Promise<number> {
  const interrupted = signalled()
  const folder = await mkdtemp(path.join(tmpdir(), 'onbehalf-demo-'))
  const processes = createProcesses(folder)
  process.once('exit', () => processes.killAll())
  let status = 1
  try {
    status = await Promise.race([show(folder, processes, interrupted), interrupted])
  } catch (error) {
    console.error(`\n${error instanceof Error ? error.message : String(error)}`)
  }
  await processes.stopAll()
  if (status === 0) await rm(folder, { recursive: true })
  else console.error(`\nThe configuration and the logs are in ${folder}`)
  return status
}

/** Resolves to the exit status once someone asks the demo to stop. */
function signalled(): Promise<number> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => resolve(unattended ? 1 : 0))
  })
}

async function show(folder: string, processes: Processes, interrupted: Promise<number>): Promise<number> {
  const redis = store === 'redis' ? await startRedis(processes, folder) : undefined
  const topology = await layOut(folder, redis?.url)
  const issuing = { processes, onbehalf, topology }
  await issueCertificates(issuing)
  const { App, API, Ledger } = topology.services
  const routes = Object.fromEntries(
    [App, API, Ledger].map(({ host, inboundPort }) => [
      host,
      { to: `http://127.0.0.1:${inboundPort}`, passIdentityHeaders: true },
    ]),
  )
  const pomerium = await startPomerium({ port: topology.pomeriumPort, routes, users })
  await Promise.all([
    startService(processes, topology, App, API),
    startService(processes, topology, API, Ledger),
    startService(processes, topology, Ledger, undefined),
  ])
  const observatory = await openObservatory(Object.values(topology.services))
  console.log(`${heading('What runs here')}\n${drawing(topology, redis)}`)
  // Of a demo that ends by itself there is nothing to open.
  if (!unattended) console.log(`\n  All of it on one page: ${observatory.address}`)

  const chainsRight = await showChains(topology, staff)
  const sourcesRight = await showSources(topology, Object.keys(staff).length)
  const attacksRight = await showAttacks(topology, pomerium)
  const sharingRight = redis === undefined || (await showSharing({ ...issuing, pomerium, redis }, staff))
  const right = chainsRight && sourcesRight && attacksRight && sharingRight
  console.log(heading(right ? 'All as expected.' : 'Not all as expected.'))
  if (unattended) return right ? 0 : 1

  console.log(`${heading('To try')}\n${thingsToTry(topology, redis)}\n\nCtrl-C stops everything`)
  return interrupted
}

async function startService(
  processes: Processes,
  topology: Topology,
  service: Service,
  next: Service | undefined,
): Promise<void> {
  const { name, appPort, outboundPort, probesPort } = service
  const environment = {
    NAME: name,
    PORT: String(appPort),
    HTTP_PROXY: `http://127.0.0.1:${outboundPort}`,
    ...(next === undefined ? {} : { NEXT: `http://${next.host}` }),
    ...(store === 'redis' ? { TELL_ASSERTION: '1' } : {}),
  }
  const run = [onbehalf, 'run', '--config', topology.meshFile, '--service', name]
  await waitUntilListening(processes.start(`app-${name}`, ['--require', preload, app], environment), appPort)
  await waitUntilReady(processes.start(`sidecar-${name}`, run), probesPort)
}
