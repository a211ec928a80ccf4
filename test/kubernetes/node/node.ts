// A node without a cluster: a bridge with pods on it, services that balance over them, and an agent in its own network.
import { execFile, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'
import { kill } from '../../clients/child.ts'
import { makeBridge, type Bridge } from '../../interception/network.ts'
import type { Orders } from './agent.ts'
import type { RunningContainer } from './container.ts'
import type { Image } from './filesystem.ts'

const run = promisify(execFile)

export interface NodeAgent {
  tell<What extends keyof Orders>(
    what: What,
    given: Parameters<Orders[What]>[0],
  ): Promise<Awaited<ReturnType<Orders[What]>>>
}

export interface ClusterNode {
  readonly folder: string
  readonly bridge: Bridge
  readonly agent: NodeAgent
  /** By the name without registry and tag. */
  readonly images: Readonly<Record<string, Image>>
  /** ConfigMaps and Secrets, by `configmap/NAME` and `secret/NAME`. */
  readonly objects: Map<string, Readonly<Record<string, string>>>
  /** The hosts file of every pod: the names of the services. */
  readonly hosts: string
  /** All that ever ran, to be ended with the node. */
  readonly processes: Set<RunningContainer>
  /** Called when the node ends, before its processes do. */
  whenEnding(act: () => void): void
  /** Which addresses a service's own leads to, from now on. */
  setEndpoints(service: ClusterService, addresses: readonly string[]): Promise<void>
}

export interface ClusterService {
  readonly name: string
  readonly address: string
  readonly port: number
  readonly targetPort: number
  /** Under which the pods find it. */
  readonly hosts: readonly string[]
}

export async function startNode(
  t: TestContext,
  services: readonly ClusterService[],
  images: Readonly<Record<string, Image>>,
): Promise<ClusterNode> {
  const processes = new Set<RunningContainer>()
  const ending: (() => void)[] = []
  t.after(async () => {
    for (const act of ending) act()
    for (const each of processes) each.signal('SIGKILL')
    await Promise.all([...processes].map(({ ended }) => ended))
  })
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-node-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const bridge = await makeBridge('node')
  t.after(() => bridge.close())
  await bridge.router.exec('sysctl', '-q', '-w', 'net.ipv4.ip_forward=1')
  await bridge.router.exec(
    'iptables',
    '-t',
    'nat',
    '-A',
    'POSTROUTING',
    '-m',
    'conntrack',
    '--ctstate',
    'DNAT',
    '-j',
    'MASQUERADE',
  )
  // Only so that there is a way at all: the rules lead elsewhere.
  await bridge.router.exec('ip', 'route', 'add', '10.96.0.0/16', 'dev', 'br0')
  for (const service of services) await addService(bridge, service)
  const hosts = join(folder, 'hosts')
  const lines = services.map(({ address, hosts: names }) => `${address} ${names.join(' ')}`)
  await writeFile(hosts, ['127.0.0.1 localhost', '::1 localhost', ...lines, ''].join('\n'))
  await writeFile(join(folder, 'nsswitch.conf'), 'hosts: files dns\n')
  await mkdir(join(folder, 'pods'))
  return {
    processes,
    whenEnding: (act) => void ending.push(act),
    folder,
    bridge,
    images,
    hosts,
    objects: new Map(),
    agent: await startAgent(t, bridge),
    setEndpoints: (service, addresses) => setEndpoints(bridge, service, addresses),
  }
}

const chainOf = ({ name }: ClusterService) => `SVC-${name.toUpperCase()}`

/** For those who come from pods, and for the node's own. */
async function addService(bridge: Bridge, service: ClusterService): Promise<void> {
  const nat = (...args: string[]) => bridge.router.exec('iptables', '-w', '-t', 'nat', ...args)
  await nat('-N', chainOf(service))
  for (const chain of ['PREROUTING', 'OUTPUT'])
    await nat(
      '-A',
      chain,
      '-d',
      service.address,
      '-p',
      'tcp',
      '--dport',
      String(service.port),
      '-j',
      chainOf(service),
    )
}

/** Connections that are open stay where they are. */
async function setEndpoints(
  bridge: Bridge,
  service: ClusterService,
  addresses: readonly string[],
): Promise<void> {
  const chain = chainOf(service)
  const rules = addresses.map((address, i) => {
    const share = 1 / (addresses.length - i)
    const chance = share < 1 ? `-m statistic --mode random --probability ${share.toFixed(6)} ` : ''
    return `-A ${chain} -p tcp ${chance}-j DNAT --to-destination ${address}:${service.targetPort}`
  })
  const script = ['*nat', `:${chain} - [0:0]`, ...rules, 'COMMIT', ''].join('\n')
  await bridge.router.exec('sh', '-c', `iptables-restore -w 5 --noflush <<'RULES'\n${script}RULES`)
}

async function startAgent(t: TestContext, bridge: Bridge): Promise<NodeAgent> {
  const program = [process.execPath, join(import.meta.dirname, 'agent.ts')]
  const child = spawn('ip', ['netns', 'exec', bridge.router.name, ...program], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  t.after(() => kill(child))
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  child.on('message', ({ id, result, failure }: { id: number; result?: unknown; failure?: string }) => {
    const asked = waiting.get(id)
    waiting.delete(id)
    if (failure === undefined) asked?.resolve(result)
    else asked?.reject(new Error(failure))
  })
  child.once('exit', () => {
    for (const asked of waiting.values()) asked.reject(new Error('the agent ended'))
  })
  let last = 0
  const waitFor = (id: number) => {
    const asked = Promise.withResolvers<unknown>()
    waiting.set(id, asked)
    return asked.promise
  }
  await waitFor(0)
  return {
    tell(what, given) {
      const id = ++last
      const done = waitFor(id)
      child.send({ id, what, given })
      return done as never
    },
  }
}

/** For assertions about what is in force. */
export async function rulesIn(space: string): Promise<string> {
  return (await run('ip', ['netns', 'exec', space, 'iptables', '-t', 'nat', '-S'])).stdout
}
