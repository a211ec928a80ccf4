// The client of the overload scenario: sends at a fixed rate, phase after phase, whatever becomes of the requests before,
// and counts each from when it was to be sent. What it finds goes to standard output as JSON.
import { readFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { connectTo, type Connection } from '../open-loop/connection.ts'
import { assertionHeader, host } from '../users.ts'
import type { OverloadOrder } from './order.ts'
import { Tally } from './tally.ts'
import type { Dues } from './ticker.ts'

const order = JSON.parse(readFileSync(process.argv[2] as string, 'utf8')) as OverloadOrder
const lines = readFileSync(order.tokenFile, 'latin1').trimEnd().split('\n')
const head = `GET / HTTP/1.1\r\nHost: ${host}\r\n${assertionHeader}: ${order.assertion}\r\n${assertionHeader}-For: `
// In turn: a connection without a request is ended by the sidecar after a while.
const idle: Connection[] = await Promise.all(
  Array.from({ length: order.connections }, () => connectTo(order.port)),
)
/** Without a connection yet. */
const waiting: number[] = []

const now = () => performance.timeOrigin + performance.now()
const dues: Dues = { startMs: now() + 200, phases: order.phases }
const tally = new Tally(order.phases)
let next = 0
const { promise: finished, resolve: finish } = Promise.withResolvers<void>()

/** All up to that one. */
function due(end: number): void {
  for (; next < end; next++) {
    const connection = idle.shift()
    if (connection === undefined) waiting.push(next)
    else send(next, connection)
  }
}

function send(index: number, connection: Connection): void {
  const dueMs = dues.startMs + tally.dueMs(index)
  const lagMs = now() - dueMs
  const [token, via] = (lines[index] as string).split('\t')
  connection.ask(`${head}${token}\r\nX-Onbehalf-Via: ${via}\r\n\r\n`, (status) => {
    tally.add(index, { isAdmitted: isAdmitted(status), lagMs, latencyMs: now() - dueMs })
    if (tally.isComplete) return finish()
    const first = waiting.shift()
    if (first === undefined) idle.push(connection)
    else send(first, connection)
  })
}

/** What is neither served nor shed makes all that was counted worthless. */
function isAdmitted(status: number): boolean {
  if (status !== 200 && status !== 503) throw new Error(`an answer with status ${status}`)
  return status === 200
}

const ticker = new Worker(new URL('./ticker.ts', import.meta.url), { workerData: dues })
ticker.on('message', due)
await finished
console.log(JSON.stringify(tally.counts()))
process.exit()
