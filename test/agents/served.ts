// The calls over HTTP, by real sidecars: user → App's sidecar → app → App's sidecar → API's sidecar → API.
import assert from 'node:assert/strict'
import type { ClientHttp2Session } from 'node:http2'
import type { IncomingMessage } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import { filterHeaders } from '../../shared/head.ts'
import { send } from '../support/client.ts'
import { hosts, type TestMesh } from '../support/mesh.ts'
import type { AppProcess } from './app-process.ts'
import { users, type ServerName } from './cells.ts'
import { callGrpc } from './grpc.ts'
import { count, createTally, isUserRefusal, type Tally } from './tally.ts'

/** What the app told of its call. */
interface Told {
  readonly status: number
  readonly code: string
}

/** Puts a server of the app behind App's sidecar. */
export async function putBehindSidecar(
  mesh: TestMesh,
  app: AppProcess,
  server: ServerName,
  grpc: ClientHttp2Session,
): Promise<void> {
  // The sidecar serves no gRPC yet: its place on the way in is taken by one that turns a request into a gRPC call.
  const origin = server === 'grpc-js' ? mesh.apps.App.origin : `http://127.0.0.1:${app.ports[server]}`
  mesh.apps.App.handler = async (request, response) => {
    response.end(await callGrpc(grpc, '/shop.App/Answer', request.url ?? '', metadataOf(request)))
  }
  await mesh.writeMeshFile((file) => {
    Object.assign(file.services['App'] ?? {}, { app: origin })
  })
  await mesh.sidecars.App.sidecar.reload('another server of the app')
}

function metadataOf(request: IncomingMessage): string[] {
  return filterHeaders(request.rawHeaders, (name) => !['host', 'connection'].includes(name))
}

/** All users at once, each with one request, and the app's one call for it. */
export async function callByHttp(mesh: TestMesh, client: string): Promise<Tally> {
  const tally = createTally()
  mesh.apps.API.handler = async (request, response) => {
    count(tally, (request.url ?? '').slice(1), originalUser(request))
    await setTimeout(Math.random() * 4)
    response.end('ok')
  }
  const one = async (user: string) => {
    const headers = ['X-Pomerium-Jwt-Assertion', await mesh.pomerium.assertion(user, hosts.App)]
    const target = `/${client}/${user}`
    const answer = await send({ port: mesh.sidecars.App.inbound, target, headers })
    assert.equal(answer.status, 200, `${target}: ${answer.body}`)
    const told = JSON.parse(answer.body) as Told
    if (isUserRefusal(told.code)) tally.refused++
    else assert.deepEqual(told, { status: 200, code: '' }, target)
  }
  await Promise.all(users.map(one))
  return tally
}

/** `user7` of `user7-id`. */
function originalUser(request: IncomingMessage): string | undefined {
  const id = request.headers['x-pomerium-original-user-id']
  return id === undefined ? undefined : String(id).replace(/-id$/, '')
}
