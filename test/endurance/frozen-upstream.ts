// An upstream in a process of its own that is stopped, with a full queue of connections: who connects to it waits.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

const program = `
const server = require('node:net').createServer((socket) => socket.on('error', () => undefined))
server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(server.address().port))
`
/** On loopback a connection that is taken at all is taken at once. */
const takenMs = 500

export interface FrozenUpstream {
  readonly port: number
  /** Ends it: who waits is refused when it asks again. */
  kill(): void
}

export async function startFrozenUpstream(t: TestContext): Promise<FrozenUpstream> {
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  const fillers: Socket[] = []
  t.after(async () => {
    for (const filler of fillers) filler.destroy()
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string]
  const port = Number(line)
  child.kill('SIGSTOP')
  while (await isTaken(port, fillers));
  return { port, kill: () => void child.kill('SIGKILL') }
}

async function isTaken(port: number, fillers: Socket[]): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  fillers.push(socket)
  socket.on('error', () => undefined)
  const late = Promise.withResolvers<false>()
  const timer = setTimeout(() => late.resolve(false), takenMs)
  const taken = once(socket, 'connect').then(() => true)
  taken.catch(() => undefined)
  return Promise.race([taken, late.promise]).finally(() => clearTimeout(timer))
}
