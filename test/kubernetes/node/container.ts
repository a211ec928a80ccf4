// One container of a pod, run as its manifest says: user, capabilities, root file system, mounts, environment.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Container, SecurityContext } from '../../../deploy/kubernetes/injection/pod.ts'
import { environmentOf, type Fields } from './environment.ts'
import { enterScript, type Bind, type Image } from './filesystem.ts'

export interface ContainerPlace {
  /** The network namespace of the pod. */
  readonly network: string
  /** A folder of the container's own on the host. */
  readonly folder: string
  readonly image: Image
  /** Where the pod's volumes lie on the host, by name. */
  readonly volumes: ReadonlyMap<string, string>
  /** The pod's hosts file. */
  readonly hosts: string
  readonly fields: Fields
}

export interface RunningContainer {
  readonly name: string
  readonly pid: number
  /** What it has written so far. */
  readonly output: () => string
  /** Its exit status, or null where a signal ended it. */
  readonly ended: Promise<number | null>
  hasEnded(): boolean
  signal(signal: NodeJS.Signals): void
  /** Runs a command in the container, as `exec` of a hook does. @returns its exit status */
  exec(command: readonly string[]): Promise<number | null>
}

export async function startContainer(container: Container, place: ContainerPlace): Promise<RunningContainer> {
  const { network, folder, image, fields } = place
  await mkdir(folder, { recursive: true })
  const { securityContext } = container
  const script = enterScript(
    folder,
    image,
    bindsOf(container, place),
    securityContext?.readOnlyRootFilesystem === true,
  )
  const program = [...(container.command ?? image.entrypoint), ...(container.args ?? [])]
  const env = {
    PATH: '/nodejs/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    ...environmentOf(container.env ?? [], fields),
  }
  const user = privileges(securityContext ?? {}, image.user)
  // Each replaces the one before: the process that is started here is in the end the program itself.
  const child = spawn(
    'ip',
    ['netns', 'exec', network, 'unshare', '--mount', 'sh', '-c', script, 'sh', ...user, ...program],
    { env, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  return watch(container.name, child, (command) =>
    spawn('nsenter', [`--target=${child.pid}`, '--mount', '--net', '--root', '--wd', ...user, ...command], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  )
}

function watch(
  name: string,
  child: ChildProcess,
  spawnWithin: (command: readonly string[]) => ChildProcess,
): RunningContainer {
  let output = ''
  const keep = (process: ChildProcess) => {
    for (const stream of [process.stdout, process.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => (output += text))
  }
  keep(child)
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null
  return {
    name,
    pid: child.pid as number,
    output: () => output,
    ended: exitOf(child),
    hasEnded,
    signal: (signal) => void child.kill(signal),
    exec(command) {
      const process = spawnWithin(command)
      keep(process)
      return exitOf(process)
    },
  }
}

async function exitOf(child: ChildProcess): Promise<number | null> {
  const [status] = (await once(child, 'exit')) as [number | null]
  return status
}

function bindsOf({ volumeMounts }: Container, { volumes, hosts }: ContainerPlace): Bind[] {
  const mounts = (volumeMounts ?? []).map(({ name, mountPath, readOnly }) => {
    const from = volumes.get(name)
    if (from === undefined) throw new Error(`there is no volume "${name}"`)
    return { from, to: mountPath, readOnly: readOnly === true }
  })
  return [
    { from: hosts, to: '/etc/hosts', readOnly: true },
    { from: join(hosts, '../nsswitch.conf'), to: '/etc/nsswitch.conf', readOnly: true },
    ...mounts,
  ]
}

/** Capabilities are those that are added: every container here drops all, or is no root. */
function privileges(context: SecurityContext, imageUser: number): string[] {
  const uid = context.runAsUser ?? imageUser
  if (context.runAsNonRoot === true && uid === 0) throw new Error('runAsNonRoot: the image would run as root')
  const added = (context.capabilities?.add ?? []).map((name) => `+${name.toLowerCase()}`)
  return [
    'setpriv',
    `--reuid=${uid}`,
    `--regid=${context.runAsGroup ?? uid}`,
    '--clear-groups',
    `--bounding-set=${['-all', ...added].join(',')}`,
    `--inh-caps=${['-all', ...added].join(',')}`,
    ...(context.allowPrivilegeEscalation === false ? ['--no-new-privs'] : []),
    '--pdeathsig=KILL',
  ]
}
