// The soak's client: signs as it goes, sends at a fixed rate or as fast as it is answered, and never stops at a refusal.
// What it counted goes to standard output as JSON.
import { createPrivateKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { connectTo, type Connection } from '../open-loop/connection.ts'
import { latencyOf, type Latency } from '../open-loop/open-loop.ts'
import { assertionHeader, host } from '../users.ts'
import type { SoakCounts, SoakOrder } from './order.ts'
import { SoakUsers } from './users.ts'

const order = JSON.parse(readFileSync(process.argv[2] as string, 'utf8')) as SoakOrder
const users = new SoakUsers(order.kid, createPrivateKey(order.privateKeyPem))
// In turn: a connection without a request is ended by the sidecar after a while.
const idle: Connection[] = await Promise.all(
  Array.from({ length: order.connections }, () => connectTo(order.port)),
)
const startMs = performance.now()
const endMs = startMs + order.seconds * 1_000
const statuses: Record<string, number> = {}
const minutes: Latency[] = []
let latenciesMs: number[] = []
let requests = 0
let underWay = 0
const { promise: finished, resolve: finish } = Promise.withResolvers<void>()

function send(connection: Connection, dueMs: number): void {
  requests++
  underWay++
  const text = `GET / HTTP/1.1\r\nHost: ${host}\r\n${assertionHeader}: ${users.next()}\r\n\r\n`
  connection.ask(text, (status) => {
    underWay--
    statuses[status] = (statuses[status] ?? 0) + 1
    latenciesMs.push(performance.now() - dueMs)
    idle.push(connection)
    sendDue()
  })
}

/** When the next request is due; without a rate at once. */
function nextDueMs(nowMs: number): number {
  return order.rate === undefined ? nowMs : startMs + (requests * 1_000) / order.rate
}

function sendDue(): void {
  const nowMs = performance.now()
  if (nowMs >= endMs) {
    if (underWay === 0) finish()
    return
  }
  while (idle.length > 0 && nextDueMs(nowMs) <= nowMs) send(idle.shift() as Connection, nextDueMs(nowMs))
}

function closeMinute(): void {
  if (latenciesMs.length > 0) minutes.push(latencyOf(latenciesMs))
  latenciesMs = []
}

const due = setInterval(sendDue, 1)
const eachMinute = setInterval(closeMinute, 60_000)
sendDue()
await finished
clearInterval(due)
clearInterval(eachMinute)
closeMinute()
const counts: SoakCounts = { requests, statuses, seconds: (performance.now() - startMs) / 1_000, minutes }
console.log(JSON.stringify(counts))
process.exit()
