// Forty users at once: every server and client that apps are made of, on every Node, as CommonJS and as ES modules.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodes } from '../support/nodes.ts'
import { startPreloadedApp } from './app.ts'
import { startUpstream } from './upstream.ts'
import { burst, userCount } from './users.ts'

const servers = ['http', 'express', 'fastify', 'grpc']
const allRight = { right: 2 * userCount, wrong: 0, missing: 0 }
/** ES modules are loaded alike in all of them. */
const outermost = new Set([nodes[0], nodes.at(-1)])
const isSoak = process.env['SOAK'] !== undefined

for (const node of nodes) {
  for (const program of ['app.cjs', 'app.mjs']) {
    const skip = node.missing ?? false
    test(`each call carries its own user's handle: Node ${node.major}, ${program}`, { skip }, async (t) => {
      const upstream = await startUpstream(t)
      const app = await startPreloadedApp(t, { node, program, upstream })
      assert.ok(app.clients.length > 20, String(app.clients.length))
      for (const server of servers) {
        // By one client each, on the first server; else by all clients at once, for time's sake.
        const isWhole = server === 'http' && outermost.has(node)
        const rows = isSoak || isWhole ? app.clients.map((name) => [name]) : [app.clients]
        for (const clients of rows) {
          const account = await burst(t, { app, upstream, server, clients })
          assert.deepEqual(account, allRight, `${server}, ${clients.join(', ')}`)
        }
      }
    })
  }
}
