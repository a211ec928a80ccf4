// A Redis of the demo's own, which nothing else uses: to be killed, frozen and lied to.
import { spawnSync } from 'node:child_process'
import { connectRedis } from '../../sidecar/store/redis-connection.ts'
import { freePorts } from './ports.ts'
import type { Processes, Program } from './processes.ts'
import { waitUntilListening } from './ready.ts'

export interface Redis {
  readonly port: number
  /** For the mesh file. */
  readonly url: string
  /** By SIGKILL. Resolves when it is gone. */
  kill(): Promise<void>
  /** After `kill`, on the same port, with nothing in it. */
  restart(): Promise<void>
  /** Stops it by SIGSTOP: it keeps its connections, takes new ones, and says nothing. */
  freeze(): void
  thaw(): void
  /** Writes as anyone can who reaches it: the demo's has no password. */
  write(key: string, value: string): Promise<void>
}

const program = 'redis-server'
const writeDeadlineMs = 5_000

/** Whether there is one to start. */
export function isRedisInstalled(): boolean {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0
}

/** @throws Error with its log, where it does not come up */
export async function startRedis(processes: Processes, folder: string): Promise<Redis> {
  const [port = 0] = await freePorts(1)
  const host = '127.0.0.1'
  const args = ['--port', `${port}`, '--bind', host, '--dir', folder, '--save', '', '--appendonly', 'no']
  const launch = async (): Promise<Program> => {
    const started = processes.startProgram('redis', program, args)
    await waitUntilListening(started, port)
    return started
  }
  let running = await launch()
  return {
    port,
    url: `redis://${host}:${port}`,
    kill: async () => {
      running.send('SIGKILL')
      await running.ended
    },
    restart: async () => {
      running = await launch()
    },
    freeze: () => running.send('SIGSTOP'),
    thaw: () => running.send('SIGCONT'),
    write: async (key, value) => {
      const access = { tls: undefined, username: undefined, password: undefined }
      const connection = await connectRedis({ host, port }, access)
      try {
        await connection.call(writeDeadlineMs, 'set', key, value)
      } finally {
        connection.drop()
      }
    },
  }
}
