// The ways on which a request reaches an app: through its own sidecar, and through that of a calling service before.
import type { TestContext } from 'node:test'
import { hosts, startMesh, type MeshOptions, type TestMesh } from '../support/mesh.ts'
import { ask, type Asked } from './peers.ts'
import { aliceHeaders } from './websocket-ground.ts'

export const ways = ['to the app', 'from an app to another service'] as const
/** Sidecars show each other whose they are; users come from an edge. */
export const securedWay = 'from an app to another service in mutual TLS'
export type Way = (typeof ways)[number] | typeof securedWay
export const allWays: readonly Way[] = [...ways, securedWay]

const secured: MeshOptions = {
  scheme: 'https',
  mesh: { tls: 'strict' },
  issuer: { edges: { source_ip: ['127.0.0.1'] } },
}

export interface Ground {
  readonly mesh: TestMesh
  /** Where and as whom a client asks. */
  readonly to: Pick<Asked, 'port' | 'host' | 'headers'>
}

/** @param app what stands at the end of the way. */
export async function startWay(
  t: TestContext,
  way: Way,
  app: string,
  options: MeshOptions = {},
): Promise<Ground> {
  if (way === 'to the app') {
    const mesh = await startMesh(t, { run: ['App'], services: { App: { app } }, ...options })
    const { inbound: port } = mesh.sidecars.App
    return { mesh, to: { port, host: hosts.App, headers: await aliceHeaders(mesh) } }
  }
  // Registered before the mesh: the request that is held has ended when its app does.
  const over = Promise.withResolvers<void>()
  t.after(() => over.resolve())
  const how = way === securedWay ? secured : undefined
  const mesh = await startMesh(t, { ...how, run: ['App', 'API'], services: { API: { app } }, ...options })
  const { outbound: port } = mesh.sidecars.App
  const headers = { 'x-onbehalf-handle': await handleOf(t, mesh, over.promise) }
  return { mesh, to: { port, host: hosts.API, headers } }
}

/** Of a request of alice's that is under way until it is over. */
async function handleOf(t: TestContext, mesh: TestMesh, over: Promise<void>): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  mesh.apps.App.handler = async (request, response) => {
    resolve(String(request.headers['x-onbehalf-handle']))
    await over
    response.end()
  }
  const { inbound: port } = mesh.sidecars.App
  ask(t, 'HTTP/1.1', { port, host: hosts.App, path: '/', headers: await aliceHeaders(mesh) })
  return promise
}
