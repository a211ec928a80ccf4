// Runs the demo as a user and as CI do, and looks for what it leaves behind.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import path from 'node:path'
import { text } from 'node:stream/consumers'

const script = path.resolve(import.meta.dirname, '../../deploy/demo/main.ts')

export function startDemo(environment: Readonly<Record<string, string>>) {
  const env: NodeJS.ProcessEnv = { ...process.env, STORE: '', ...environment, FORCE_COLOR: undefined }
  return spawn(process.execPath, [script], { env, stdio: ['ignore', 'pipe', 'pipe'] })
}

/** To its end. */
export async function runDemo(environment: Readonly<Record<string, string>>) {
  const demo = startDemo(environment)
  const [output, errors] = await Promise.all([text(demo.stdout), text(demo.stderr), once(demo, 'exit')])
  return { status: demo.exitCode, output, errors }
}

async function refuses(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  return once(socket, 'connect').then(
    () => (socket.destroy(), false),
    () => true,
  )
}

/** The ports of the drawing and of the curl lines that something still listens on. */
export async function portsLeftOpen(output: string): Promise<number[]> {
  const ports = [...new Set(output.match(/(?<=:)\d{5}/g))].map(Number)
  assert.ok(ports.length >= 7, 'the output names the ports')
  const open: number[] = []
  for (const port of ports) if (!(await refuses(port))) open.push(port)
  return open
}
