// Ends the app's process and starts the next on the same port, which is closed for a known time only.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'

const program = join(import.meta.dirname, 'recording-app.ts')

export interface RestartingApp {
  /** Ends it by the signal; resolves when the next one listens, `downMs` after this one's end. */
  restart(signal: 'SIGTERM' | 'SIGKILL', downMs: number): Promise<void>
  /** How often each request was processed, by its id. */
  processed(): Promise<ReadonlyMap<string, number>>
}

/** @param record the file in which each process writes down what it processes. */
export async function startRestartingApp(
  t: TestContext,
  port: number,
  record: string,
): Promise<RestartingApp> {
  const children = new Set<ChildProcess>()
  t.after(() => {
    for (const child of children) child.kill('SIGKILL')
  })
  const load = async () => {
    const child = fork(program, [record])
    children.add(child)
    child.once('exit', () => children.delete(child))
    await once(child, 'message')
    return child
  }
  const listen = async (child: ChildProcess) => {
    const listening = once(child, 'message')
    child.send(port)
    await listening
    return child
  }
  let current = await listen(await load())
  // Loaded beforehand, so that a busy machine does not make the port stay closed for longer.
  let next = await load()
  return {
    async restart(signal, downMs) {
      const exited = once(current, 'exit')
      current.kill(signal)
      await exited
      await pause(downMs)
      current = await listen(next)
      next = await load()
    },
    async processed() {
      const counts = new Map<string, number>()
      for (const id of (await readFile(record, 'utf8')).split('\n').slice(0, -1)) {
        counts.set(id, (counts.get(id) ?? 0) + 1)
      }
      return counts
    },
  }
}
