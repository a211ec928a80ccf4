// The demo's child processes: started with a log each, and all stopped, whatever happens.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { openSync, closeSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'

export interface Started {
  readonly name: string
  readonly logFile: string
  /** Whether it ended, by itself or not. */
  hasEnded(): boolean
}

export interface Program extends Started {
  /** Sends it a signal; nothing happens where it has ended. */
  send(signal: NodeJS.Signals): void
  readonly ended: Promise<void>
}

export interface Processes {
  /** Runs a script with this Node until it is stopped; what it writes goes into its log. */
  start(name: string, args: readonly string[], environment?: Readonly<Record<string, string>>): Started
  /** Runs another program, found by PATH, until it ends or is stopped. */
  startProgram(name: string, program: string, args: readonly string[]): Program
  /** Runs a script to its end. @throws Error with what it wrote, where its exit status is not 0 */
  run(name: string, args: readonly string[]): Promise<void>
  /** Ends all of them: SIGTERM, then SIGKILL to what is still there after 10 s. Nothing starts from now on. */
  stopAll(): Promise<void>
  /** At once and without waiting, for when this process itself is ending. */
  killAll(): void
}

const stopDeadlineMs = 10_000

export function createProcesses(logFolder: string): Processes {
  const children = new Set<ChildProcess>()
  let stopping = false

  const launch = (
    name: string,
    args: readonly string[],
    environment: Readonly<Record<string, string>> = {},
    program = process.execPath,
  ) => {
    if (stopping) throw new Error('the demo is stopping')
    const logFile = path.join(logFolder, `${name}.log`)
    const log = openSync(logFile, 'a')
    const env = { ...process.env, ...environment }
    const child = spawn(program, args, { stdio: ['ignore', log, log], env })
    closeSync(log)
    children.add(child)
    child.on('error', () => children.delete(child)) // it never ran
    child.on('exit', () => children.delete(child))
    return { child, logFile }
  }

  return {
    start: (name, args, environment) => {
      const { child, logFile } = launch(name, args, environment)
      return { name, logFile, hasEnded: () => !children.has(child) }
    },
    startProgram: (name, program, args) => {
      const { child, logFile } = launch(name, args, {}, program)
      const { promise: ended, resolve } = Promise.withResolvers<void>()
      child.once('exit', () => resolve()).once('error', () => resolve())
      const hasEnded = () => !children.has(child)
      return { name, logFile, hasEnded, ended, send: (signal) => void child.kill(signal) }
    },
    run: async (name, args) => {
      const { child, logFile } = launch(name, args)
      const [status] = (await once(child, 'exit')) as [number | null]
      if (status !== 0) throw new Error(`${name} failed:\n${await readFile(logFile, 'utf8')}`)
    },
    stopAll: async () => {
      stopping = true
      await Promise.all([...children].map(stop))
    },
    killAll: () => {
      for (const child of children) child.kill('SIGKILL')
    },
  }
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  const lastResort = setTimeout(() => child.kill('SIGKILL'), stopDeadlineMs)
  child.kill('SIGTERM')
  // One that is frozen hears it only then.
  child.kill('SIGCONT')
  await ended
  clearTimeout(lastResort)
}
