// An address where connections are neither taken nor refused.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { TestContext } from 'node:test'
import { kill } from '../clients/child.ts'
import { eventually } from './eventually.ts'

/** The port of a process that takes no connections, where as many wait as may. */
export async function startHole(t: TestContext): Promise<number> {
  const script = `
    const server = require('node:net').createServer()
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      process.stdout.write(String(server.address().port))
      setTimeout(() => process.kill(process.pid, 'SIGSTOP'), 50)
    })`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => kill(child))
  const port = Number(String((await once(child.stdout, 'data'))[0]))
  const waiting = () =>
    new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1')
      t.after(() => socket.destroy())
      socket.on('error', () => undefined)
      socket.once('connect', () => resolve(false))
      setTimeout(() => resolve(socket.connecting), 300)
    })
  await eventually(waiting)
  return port
}
