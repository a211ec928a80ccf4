// Starts the app's process, ends it, and starts it again on the same port.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

export interface RestartingApp {
  /** Ends it by the signal, and resolves when it listens again. */
  restart(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>
  /** How often each request was carried out, by its id. */
  carriedOut(): Promise<ReadonlyMap<string, number>>
}

export async function startRestartingApp(
  t: TestContext,
  port: number,
  record: string,
): Promise<RestartingApp> {
  let child = await start(port, record)
  t.after(() => end(child, 'SIGKILL'))
  return {
    async restart(signal) {
      await end(child, signal)
      child = await start(port, record)
    },
    async carriedOut() {
      const counts = new Map<string, number>()
      for (const id of (await readFile(record, 'utf8')).split('\n').slice(0, -1))
        counts.set(id, (counts.get(id) ?? 0) + 1)
      return counts
    },
  }
}

async function start(port: number, record: string): Promise<ChildProcess> {
  const child = fork(join(import.meta.dirname, 'app-process.ts'), [String(port), record], {
    execArgv: [],
  })
  await once(child, 'message')
  return child
}

async function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill(signal)
  await exited
}
