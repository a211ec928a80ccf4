// Runs an app beside one agent through cells of servers and clients.
import type { TestContext } from 'node:test'
import { startMesh } from '../support/mesh.ts'
import type { Agent } from './agents.ts'
import { startAppProcess, type Preload } from './app-process.ts'
import { isGrpc, type Cell, type ServerName } from './cells.ts'
import { connectGrpc, startGrpcUpstream } from './grpc.ts'
import { callByGrpc } from './played.ts'
import { callByHttp, putBehindSidecar } from './served.ts'
import type { Tally } from './tally.ts'

export interface Outcome extends Cell {
  readonly tally: Tally
}

export interface Run {
  readonly agent: Agent
  /** Loaded before the agent, or after it; default: not at all. */
  readonly preload?: Preload
  /** Default: `optional`. */
  readonly originalUser?: 'optional' | 'required'
  readonly cells: readonly Cell[]
}

export async function runMatrix(t: TestContext, run: Run): Promise<Outcome[]> {
  const { agent, preload, originalUser = 'optional', cells } = run
  const mesh = await startMesh(t, {
    run: ['App', 'API'],
    // The app calls App's outbound listener by its address, as if that were the API.
    // Whoever opened a connection that later calls wait for counts as live through the whole run: the worst case.
    settings: { timeouts: { linger: '10m', drain: '5s' } },
    routes: { API: { aliases: ['localhost'], original_user: originalUser } },
  })
  const upstream = await startGrpcUpstream()
  t.after(() => upstream.close())
  const apiUrl = `http://localhost:${mesh.sidecars.App.outbound}`
  const app = await startAppProcess(t, { agent, preload, apiUrl, apiGrpc: `127.0.0.1:${upstream.port}` })
  const grpc = connectGrpc(app.ports['grpc-js'])
  t.after(() => grpc.destroy())
  let behind: ServerName | undefined
  const tallyOf = async ({ server, client }: Cell): Promise<Tally> => {
    if (isGrpc(client)) return callByGrpc({ app, grpc, upstream }, server, client)
    if (behind !== server) await putBehindSidecar(mesh, app, server, grpc)
    behind = server
    return callByHttp(mesh, client)
  }
  const outcomes: Outcome[] = []
  for (const cell of cells) outcomes.push({ ...cell, tally: await tallyOf(cell) })
  return outcomes
}
