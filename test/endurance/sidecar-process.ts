// A sidecar as a user runs it: the bundle, in a process of its own, on the mesh file of a test mesh.
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { send } from '../support/client.ts'
import type { ServiceName, TestMesh } from '../support/mesh.ts'

const bundle = join(import.meta.dirname, '../../dist/onbehalf.cjs')

export interface SidecarProcess {
  readonly pid: number
  readonly inbound: number
  readonly outbound: number
  readonly admin: number
  readonly probes: number
  /** All that it wrote so far. */
  output(): string
  /** Sends SIGTERM, and gives the exit status. */
  terminate(): Promise<number | null>
}

/**
 * Starts the sidecar of a service; resolves when it is ready.
 * @param env beside this process's own.
 * @param before what the shell is to do first, such as setting a limit.
 * @throws {Error} with what it wrote, where it ends instead.
 */
export async function startSidecarProcess(
  t: TestContext,
  mesh: TestMesh,
  service: ServiceName,
  env: Readonly<Record<string, string>> = {},
  before = 'true',
): Promise<SidecarProcess> {
  await access(bundle).catch(() => assert.fail('dist/onbehalf.cjs is missing: run `make build`'))
  const command = [process.execPath, bundle, 'run', '--config', mesh.meshFile, '--service', service]
  const child = spawn('/bin/sh', ['-c', `${before}; exec "$@"`, 'sh', ...command], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  const exited = exitOf(child)
  t.after(async () => {
    child.kill('SIGKILL')
    await exited
  })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part))
  child.stderr.setEncoding('utf8').on('data', (part: string) => (text += part))
  const ended = exited.then((status) => assert.fail(`the sidecar ended with status ${status}:\n${text}`))
  ended.catch(() => undefined)
  while (!text.includes('"listening"')) await Promise.race([once(child.stderr, 'data'), ended])
  const ports = portsIn(text)
  while (!(await isReady(ports.probes))) await Promise.race([pause(10), ended])
  return {
    pid: child.pid as number,
    ...ports,
    output: () => text,
    async terminate() {
      child.kill('SIGTERM')
      return exited
    },
  }
}

async function exitOf(child: ChildProcess): Promise<number | null> {
  const [status] = (await once(child, 'exit')) as [number | null]
  return status
}

function portsIn(log: string): Pick<SidecarProcess, 'inbound' | 'outbound' | 'admin' | 'probes'> {
  const line = log.split('\n').find((each) => each.includes('"listening"')) ?? '{}'
  const entry = JSON.parse(line) as Readonly<Record<string, string>>
  const portOf = (listener: string) => Number(/:(\d+)$/.exec(entry[listener] ?? '')?.[1])
  return {
    inbound: portOf('inbound'),
    outbound: portOf('outbound'),
    admin: portOf('admin'),
    probes: portOf('probes'),
  }
}

async function isReady(probes: number): Promise<boolean> {
  return (await send({ port: probes, target: '/ready' })).status === 200
}
