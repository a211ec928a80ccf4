// The ground that rows stand on: one real sidecar, and behind each of its three sides an upstream of the harness.
import { createServer } from 'node:net'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { hosts, startMesh } from '../support/mesh.ts'
import type { Side } from './row.ts'
import { probe } from './probe.ts'
import { valuesOf } from './strict.ts'
import { startUpstream, type Upstream } from './upstream.ts'

/** One side of the sidecar as a row sees it. */
export interface Ground {
  readonly side: Side
  /** Where the sidecar listens for it. */
  readonly port: number
  readonly upstream: Upstream
  /** What stands for `{name}` in rows. */
  readonly words: Readonly<Record<string, string>>
}

/** Starts one sidecar for all rows. */
export async function startGrounds(t: TestContext): Promise<Record<Side, Ground>> {
  const [app, callee, outside] = [await startUpstream(), await startUpstream(), await startUpstream()]
  t.after(() => Promise.all([app, callee, outside].map((upstream) => upstream.close())))
  const mesh = await startMesh(t, {
    run: ['App'],
    settings: { egress: { local: 'allow' } },
    routes: { API: { to: `http://127.0.0.1:${callee.port}` } },
    services: { App: { app: `http://127.0.0.1:${app.port}` } },
  })
  // A table that fails takes longer than an assertion of Pomerium's lives.
  const claims = mesh.pomerium.claims('alice', hosts.App)
  const assertion = await mesh.pomerium.sign({ ...claims, exp: Number(claims['iat']) + 3_600 })
  const { inbound, outbound } = mesh.sidecars.App
  const words = { assertion, auth: '', dead: `127.0.0.1:${await deadPort()}` }
  const auth = `X-Pomerium-Jwt-Assertion: ${assertion}\r\n`
  const outsideHost = `127.0.0.1:${outside.port}`
  return {
    inbound: await withVia({
      side: 'inbound',
      port: inbound,
      upstream: app,
      words: { ...words, auth, host: hosts.App },
    }),
    route: await withVia({
      side: 'route',
      port: outbound,
      upstream: callee,
      words: { ...words, host: hosts.API },
    }),
    unlisted: {
      side: 'unlisted',
      port: outbound,
      upstream: outside,
      words: { ...words, host: outsideHost },
    },
  }
}

/** Learns how the sidecar names itself in Via. */
async function withVia(ground: Ground): Promise<Ground> {
  await probe(ground, ground.upstream.bell)
  await ground.upstream.settle()
  const [via = ''] = valuesOf(ground.upstream.lastProbe?.fields ?? [], 'via')
  return { ...ground, words: { ...ground.words, via: via.split(' ').at(-1) ?? '' } }
}

/** A port on which nobody listens. */
async function deadPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
