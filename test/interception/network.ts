// Network namespaces for a test: pods and an outside on one bridge, each with IPv4 and IPv6, gone when the test ends.
import { execFile, spawn, type ChildProcess, type StdioOptions } from 'node:child_process'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { missingProgram } from '../clients/child.ts'

const run = promisify(execFile)

export const families = ['ipv4', 'ipv6'] as const
export type Family = (typeof families)[number]

export interface Pod {
  /** Of its namespace. */
  readonly name: string
  readonly addresses: Readonly<Record<Family, string>>
  /** Runs a command in it to its end. @throws {Error} it fails. */
  exec(command: string, ...args: readonly string[]): Promise<string>
  /** Starts a command in it under a user. */
  start(uid: number, stdio: StdioOptions, command: string, ...args: readonly string[]): ChildProcess
}

/** Why there can be no namespaces here; undefined where there can. */
export async function whyNoNamespaces(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'network namespaces are a matter of Linux'
  for (const command of ['ip', 'iptables', 'ip6tables', 'setpriv']) {
    const missing = missingProgram(command)
    if (missing !== undefined) return missing
  }
  const name = nameOf('probe')
  try {
    await run('ip', ['netns', 'add', name])
    await run('ip', ['netns', 'exec', name, 'iptables', '-t', 'nat', '-S'])
    return undefined
  } catch (error) {
    return `network namespaces are forbidden here: ${(error as Error).message.split('\n', 2).join(' ')}`
  } finally {
    await run('ip', ['netns', 'delete', name]).catch(() => undefined)
  }
}

/** Two tests run beside each other. */
function nameOf(name: string): string {
  return `onbehalf-${process.pid}-${name}`
}

export interface Network<Name extends string> {
  readonly pods: Readonly<Record<Name, Pod>>
  close(): Promise<void>
}

/** A bridge that is the router of its pods. */
export interface Bridge {
  /** The namespace of the bridge itself, in which it is every pod's gateway. */
  readonly router: Pod
  addPod(name: string): Promise<Pod>
  removePod(name: string): Promise<void>
  close(): Promise<void>
}

/** @param hosts lines of each pod's hosts file. */
export async function makeNetwork<Name extends string>(
  names: readonly Name[],
  hosts: readonly string[] = [],
): Promise<Network<Name>> {
  const bridge = await makeBridge('bridge')
  try {
    const pods = new Map<string, Pod>()
    for (const name of names) pods.set(name, await bridge.addPod(name))
    for (const name of names) await writeHosts(nameOf(name), hosts)
    return { pods: Object.fromEntries(pods) as Record<Name, Pod>, close: () => bridge.close() }
  } catch (error) {
    await bridge.close()
    throw error
  }
}

export async function makeBridge(name: string): Promise<Bridge> {
  const space = nameOf(name)
  const spaces = new Set([space])
  const remove = async (each: string) => {
    spaces.delete(each)
    await run('ip', ['netns', 'delete', each]).catch(() => undefined)
    await rm(join('/etc/netns', each), { recursive: true, force: true })
  }
  const close = async () => {
    for (const each of [...spaces].toReversed()) await remove(each)
  }
  try {
    await addSpace(space)
    await ip(space, 'link add br0 type bridge', 'link set br0 up', ...addressLines('br0', 1))
  } catch (error) {
    await close()
    throw error
  }
  let last = 1
  return {
    router: podIn(space, addressOf(1)),
    async addPod(pod) {
      spaces.add(nameOf(pod))
      return addPod(space, nameOf(pod), ++last)
    },
    removePod: (pod) => remove(nameOf(pod)),
    close,
  }
}

async function addSpace(space: string): Promise<void> {
  await run('ip', ['netns', 'add', space])
  await ip(space, 'link set lo up')
}

async function ip(space: string, ...lines: readonly string[]): Promise<void> {
  for (const line of lines) await run('ip', ['-n', space, ...line.split(' ')])
}

const addressOf = (index: number): Record<Family, string> => ({
  ipv4: `10.77.0.${index}`,
  ipv6: `fd77::${index}`,
})

/** The address of the pod that is named as the first, second, … */
export function podAddress(index: number, family: Family): string {
  return addressOf(index + 2)[family]
}

function addressLines(device: string, index: number): string[] {
  const { ipv4, ipv6 } = addressOf(index)
  // Without waiting for somebody else who has the address.
  return [`address add ${ipv4}/24 dev ${device}`, `address add ${ipv6}/64 dev ${device} nodad`]
}

async function addPod(bridge: string, space: string, index: number): Promise<Pod> {
  await addSpace(space)
  const gateway = addressOf(1)
  await ip(bridge, `link add pod${index} type veth peer name eth0 netns ${space}`)
  await ip(bridge, `link set pod${index} master br0 up`)
  await ip(
    space,
    ...addressLines('eth0', index),
    'link set eth0 up',
    `route add default via ${gateway.ipv4}`,
    `-6 route add default via ${gateway.ipv6}`,
  )
  return podIn(space, addressOf(index))
}

function podIn(space: string, addresses: Pod['addresses']): Pod {
  return {
    name: space,
    addresses,
    async exec(command, ...args) {
      const { stdout } = await run('ip', ['netns', 'exec', space, command, ...args])
      return stdout
    },
    start(uid, stdio, command, ...args) {
      const user = ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--pdeathsig=KILL']
      return spawn('ip', ['netns', 'exec', space, ...user, command, ...args], { stdio })
    },
  }
}

async function writeHosts(space: string, hosts: readonly string[]): Promise<void> {
  const folder = join('/etc/netns', space)
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'hosts'), ['127.0.0.1 localhost', '::1 localhost', ...hosts, ''].join('\n'))
}
