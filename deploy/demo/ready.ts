// Waits until the demo's processes serve, or something is so, and says why not.
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { exchange } from './exchange.ts'
import type { Started } from './processes.ts'

const deadlineMs = 15_000
const intervalMs = 50

/** @throws Error with the sidecar's log, where it ends or is not ready within 15 s */
export async function waitUntilReady(sidecar: Started, probesPort: number): Promise<void> {
  await waitUntil(sidecar, () => isReady(probesPort))
}

/** @throws Error with the app's log, where it ends or does not listen within 15 s */
export async function waitUntilListening(app: Started, port: number): Promise<void> {
  await waitUntil(app, () => isListening(port))
}

async function waitUntil(started: Started, serves: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + deadlineMs
  while (!(await serves())) {
    const ended = started.hasEnded()
    if (ended || performance.now() > deadline) {
      const fault = ended ? 'ended' : `did not come up within ${deadlineMs / 1000} s`
      throw new Error(`${started.name} ${fault}. Its log:\n${await readFile(started.logFile, 'utf8')}`)
    }
    await pause(intervalMs)
  }
}

/** @throws Error where it is not so within 15 s */
export async function eventually(isSo: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + deadlineMs
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`within ${deadlineMs / 1000} s it was not so: ${what}`)
    await pause(intervalMs)
  }
}

function isReady(port: number): Promise<boolean> {
  return exchange({ port, target: '/ready', headers: [['Host', '127.0.0.1']] }).then(
    (answer) => answer.status === 200,
    () => false,
  )
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })
}
