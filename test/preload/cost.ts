// Measures what the preload costs an app: CPU per request, without it and with it, without a handle and with one.
// node test/preload/cost.ts [rounds] [requests of a round]
import { once } from 'node:events'
import { Agent, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { nodes, type Node } from '../support/nodes.ts'
import { ask, handleOf, preload, startPreloadedApp } from './app.ts'

const rounds = Number(process.argv[2] ?? 5)
const requests = Number(process.argv[3] ?? 5000)
const concurrency = 16

/** In the order of the table's columns; an app that got one handle is told from one that never did. */
const ways = [
  { args: [], handles: 0 },
  { args: ['--require', preload], handles: 0 },
  { args: ['--require', preload], handles: 1 },
  { args: ['--require', preload], handles: Infinity },
]

async function send(port: number, path: string, handles: number, count: number): Promise<void> {
  const agent = new Agent({ keepAlive: true })
  let sent = 0
  const one = async () => {
    while (sent < count) {
      sent += 1
      await ask({ port, path, handle: sent <= handles ? handleOf(1) : undefined, agent })
    }
  }
  await Promise.all(Array.from({ length: concurrency }, one))
  agent.destroy()
}

/** The least CPU time of a request in any round, in µs for each way: the machine's noise only adds. */
async function measure(node: Node, path: string, origin: string): Promise<number[]> {
  const endings: (() => unknown)[] = []
  const scope = { after: (end: () => unknown) => void endings.push(end) }
  const upstream = { origin } as never
  const apps = await Promise.all(
    ways.map(({ args }) => startPreloadedApp(scope, { node, program: 'cost.cjs', upstream, args })),
  )
  const least = ways.map(() => Infinity)
  for (let round = 0; round <= rounds; round++) {
    for (const [i, app] of apps.entries()) {
      const port = app.ports['http'] ?? 0
      const cpuUs = async () => Number(await ask({ port, path: '/cpu' }))
      const before = await cpuUs()
      await send(port, path, ways[i]?.handles ?? 0, requests)
      const spent = ((await cpuUs()) - before) / requests
      // The first round is for the compiler.
      if (round > 0) least[i] = Math.min(least[i] ?? Infinity, spent)
    }
  }
  for (const end of endings) end()
  return least
}

const upstream = createServer({ keepAliveTimeout: 60_000 }, (_, response) => response.end('ok'))
upstream.listen(0, '127.0.0.1')
await once(upstream, 'listening')
const origin = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`
console.log('µs of CPU per request: without the preload, with it, after one handle, with a handle each')
for (const node of nodes.filter(({ missing }) => missing === undefined)) {
  for (const path of ['/', '/call']) {
    const least = await measure(node, path, origin)
    console.log(
      `Node ${node.major} ${path}`.padEnd(16),
      least.map((us) => us.toFixed(1).padStart(7)).join(' '),
    )
  }
}
upstream.close()
upstream.closeAllConnections()
