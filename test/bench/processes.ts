// The bench's child processes: pinned to a core, with a log each, and all ended, whatever happens.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'

/** The proxy has one core, and whatever is not measured has the other. */
export const cores = { proxy: 0, load: 1 } as const

type Core = (typeof cores)[keyof typeof cores]

export interface Process {
  readonly pid: number
  /** Resolves once `serves` does to true. @throws Error with the log, where it ends or does not serve within 15 s */
  readonly until: (serves: () => Promise<boolean>) => Promise<void>
  readonly stop: () => Promise<void>
}

export interface Processes {
  /** Runs until it is stopped. */
  start(name: string, core: Core, command: readonly string[]): Process
  /** Runs to its end, and gives what it wrote. @throws Error where its exit status is not 0 */
  run(core: Core, command: readonly string[]): Promise<string>
  /** Ends all of them; nothing starts from now on. */
  stopAll(): Promise<void>
  /** Asks all of them to end, without waiting, for when this process itself is ending. */
  endAll(): void
}

const readyDeadlineMs = 15_000
const readyIntervalMs = 5
const stopDeadlineMs = 10_000

export function createProcesses(folder: string): Processes {
  const children = new Set<ChildProcess>()
  let started = 0
  let stopping = false

  const launch = (core: Core, command: readonly string[], output: number | 'pipe') => {
    if (stopping) throw new Error('the bench is stopping')
    const child = spawn('taskset', ['-c', String(core), ...command], { stdio: ['ignore', output, output] })
    children.add(child)
    child.on('error', () => children.delete(child)) // it never ran
    child.on('exit', () => children.delete(child))
    return child
  }

  return {
    start: (name, core, command) => {
      const logFile = path.join(folder, `${name}-${++started}.log`)
      const log = openSync(logFile, 'a')
      const child = launch(core, command, log)
      closeSync(log)
      return {
        pid: child.pid as number,
        until: (serves) => waitUntil(name, serves, () => !children.has(child), logFile),
        stop: () => (children.has(child) ? stop(child) : Promise.resolve()),
      }
    },
    run: async (core, command) => {
      const child = launch(core, command, 'pipe')
      const ended = once(child, 'exit') as Promise<[number | null]>
      const streams = [child.stdout, child.stderr].filter((stream) => stream !== null)
      const [[status], ...parts] = await Promise.all([ended, ...streams.map((stream) => text(stream))])
      const output = parts.join('')
      if (status !== 0) throw new Error(`${command[0]} ended with status ${status}:\n${output}`)
      return output
    },
    stopAll: async () => {
      stopping = true
      await Promise.all([...children].map(stop))
    },
    // Never SIGKILL here: nginx's workers would outlive their master.
    endAll: () => {
      for (const child of children) child.kill('SIGTERM')
    },
  }
}

async function waitUntil(
  name: string,
  serves: () => Promise<boolean>,
  hasEnded: () => boolean,
  logFile: string,
): Promise<void> {
  const deadline = performance.now() + readyDeadlineMs
  while (!(await serves())) {
    if (hasEnded() || performance.now() > deadline) {
      const fault = hasEnded() ? 'ended' : `did not serve within ${readyDeadlineMs / 1000} s`
      throw new Error(`${name} ${fault}. Its log:\n${await readFile(logFile, 'utf8')}`)
    }
    await pause(readyIntervalMs)
  }
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  const lastResort = setTimeout(() => child.kill('SIGKILL'), stopDeadlineMs)
  child.kill('SIGTERM')
  await ended
  clearTimeout(lastResort)
}
