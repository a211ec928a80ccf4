// Runs the clients that are programs: each with an environment of its own, a deadline, and an end.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { buffer } from 'node:stream/consumers'
import type { Ask, RunningClient, Told } from './ask.ts'

/** For whatever a client does. */
export const deadlineMs = 30_000

/** Why a program cannot run here; undefined where it can. */
export function missingProgram(command: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return folders.some((folder) => isExecutable(join(folder, command)))
    ? undefined
    : `${command} is not installed`
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Nothing of this process's own: a proxy set there would change what is tested. */
export function environment(more: Readonly<Record<string, string | undefined>>): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], LANG: 'C.UTF-8', ...more }
}

/** Rejects where it takes longer than any client may. */
export async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`${what}: not within ${deadlineMs} ms`)), deadlineMs)
  try {
    return await Promise.race([promise, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

export async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

export interface Finished {
  /** Undefined: killed. */
  readonly exitCode: number | undefined
  readonly stdout: Buffer
  readonly stderr: string
}

/** Runs a program to its end, or kills it at the first byte that it writes. */
export async function run(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  leave = false,
): Promise<Finished> {
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let isLate = false
  const timer = setTimeout(() => {
    isLate = true
    child.kill('SIGKILL')
  }, deadlineMs)
  if (leave) child.stdout.once('readable', () => child.kill('SIGKILL'))
  const [stdout, stderr] = await Promise.all([
    buffer(child.stdout),
    buffer(child.stderr),
    once(child, 'close'),
  ])
  clearTimeout(timer)
  if (isLate) throw new Error(`${command} did not end within ${deadlineMs} ms`)
  return { exitCode: child.exitCode ?? undefined, stdout, stderr: stderr.toString() }
}

/** A program that takes asks on its standard input, one a line, and tells of each in a line. */
export function startProgram(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): RunningClient {
  const child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'inherit'] })
  // Who writes to a program that has ended learns it from its silence.
  child.stdin.on('error', () => undefined)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const askOne = async (ask: Ask): Promise<Told> => {
    const timer = setTimeout(() => child.kill('SIGKILL'), deadlineMs)
    child.stdin.write(`${JSON.stringify(ask)}\n`)
    const { value, done } = await lines.next()
    clearTimeout(timer)
    if (done === true) throw new Error(`${args.join(' ')} ended, or was silent for ${deadlineMs} ms`)
    return JSON.parse(value) as Told
  }
  return {
    async ask(asks) {
      const told: Told[] = []
      for (const ask of asks) told.push(await askOne(ask))
      return told
    },
    stop: () => kill(child),
  }
}
