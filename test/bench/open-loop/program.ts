// An open-loop client: sends at a fixed rate, whatever becomes of the requests before, and counts each from when it was
// to be sent. What it finds goes to standard output as JSON.
import { readFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { connectTo, type Connection } from './connection.ts'
import { latencyOf, type OpenLoopOrder, type OpenLoopResults } from './open-loop.ts'
import type { Ticks } from './ticker.ts'

const order = JSON.parse(readFileSync(process.argv[2] as string, 'utf8')) as OpenLoopOrder
const lines = order.lineFile === undefined ? [] : readFileSync(order.lineFile, 'utf8').trimEnd().split('\n')
const body = 'x'.repeat(order.bodyBytes)
const leadCount = order.rate * order.leadSeconds
const count = order.rate * order.seconds

const now = () => performance.timeOrigin + performance.now()

function requestOf(index: number): string {
  const line = lines[index % lines.length]
  const head = line === undefined ? order.head : `${order.head}${line}\r\n`
  return `${head}Content-Length: ${order.bodyBytes}\r\n\r\n${body}`
}

const connections = await Promise.all(Array.from({ length: order.connections }, () => connectTo(order.port)))
const idle: Connection[] = [...connections]
/** Without a connection yet. */
const waiting: number[] = []
const latenciesMs: number[] = []
const lagsMs: number[] = []
let failures = 0
let answered = 0
const { promise: finished, resolve: finish } = Promise.withResolvers<void>()

const ticks: Ticks = { startMs: now() + 200, intervalMs: 1_000 / order.rate, count: leadCount + count }
const intendedMs = (index: number) => ticks.startMs + index * ticks.intervalMs

function due(index: number): void {
  const connection = idle.pop()
  if (connection === undefined) waiting.push(index)
  else send(index, connection)
}

function send(index: number, connection: Connection): void {
  const isCounted = index >= leadCount
  if (isCounted) lagsMs.push(now() - intendedMs(index))
  connection.ask(requestOf(index), (status) => {
    if (isCounted) latenciesMs.push(now() - intendedMs(index))
    if (status !== 200) failures++
    answered++
    if (answered === leadCount + count) return finish()
    const next = waiting.shift()
    if (next === undefined) idle.push(connection)
    else send(next, connection)
  })
}

const ticker = new Worker(new URL('./ticker.ts', import.meta.url), { workerData: ticks })
ticker.on('message', due)
await finished

const results: OpenLoopResults = {
  requests: count,
  failures,
  seconds: (now() - intendedMs(leadCount)) / 1_000,
  latency: latencyOf(latenciesMs),
  lag: latencyOf(lagsMs),
}
console.log(JSON.stringify(results))
process.exit()
