// Apps that know nothing of their users carry them on, whatever they serve, whatever they call in, whatever is called.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { freePorts } from '../../deploy/demo/ports.ts'
import { preload } from '../preload/app.ts'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'
import { appsFolder } from '../support/nodes.ts'
import { ask, type Version } from './peers.ts'
import {
  origins,
  serverVersions,
  startVersionedApp,
  type Handler,
  type ServerVersion,
} from './versioned-app.ts'
import { trustedTls } from './trusted-tls.ts'

const clients: readonly Version[] = ['HTTP/1.1', 'h2c']
const users = Array.from({ length: 20 }, (_, i) => i)

interface Cell {
  /** What the app in the middle serves. */
  readonly app: ServerVersion
  /** What the service speaks that it calls. */
  readonly called: ServerVersion
}

/** Who the caller's user is, in the form in which it is asked. */
const sayUser: Handler = (request, response) => {
  request.resume()
  const user = String(request.headers['x-pomerium-original-user-id'])
  if (request.headers['content-type'] !== 'application/grpc') {
    response.end(user)
    return
  }
  const message = Buffer.alloc(5 + user.length)
  message.writeUInt32BE(user.length, 1)
  message.write(user, 5)
  response.setHeader('content-type', 'application/grpc')
  response.write(message)
  response.addTrailers({ 'grpc-status': '0' })
  response.end()
}

async function startMiddle(
  t: TestContext,
  version: ServerVersion,
  port: number,
  outbound: number,
): Promise<string[]> {
  const { cert, key } = await trustedTls()
  const child = spawn(
    process.execPath,
    ['--require', preload, join(appsFolder, 'protocols/calling-app.cjs')],
    {
      env: {
        PATH: process.env['PATH'],
        VERSION: version,
        PORT: String(port),
        OUTBOUND: String(outbound),
        NEXT: hosts.API,
        CERT: cert,
        KEY: key,
      },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    },
  )
  const exited = once(child, 'exit')
  t.after(async () => {
    child.kill('SIGKILL')
    await exited
  })
  const ended = exited.then(([status]) => assert.fail(`the app ended with status ${status}`))
  const [calls] = (await Promise.race([once(child, 'message'), ended])) as [string[]]
  return calls
}

interface Started {
  readonly mesh: TestMesh
  /** How the app in the middle can call on. */
  readonly calls: readonly string[]
}

async function start(t: TestContext, { app, called }: Cell): Promise<Started> {
  const { origin } = await startVersionedApp(t, called, sayUser)
  const [port = 0] = await freePorts(1)
  const mesh = await startMesh(t, {
    run: ['App', 'API'],
    services: { App: { app: `${origins[app]}:${port}` }, API: { app: origin } },
    routes: { API: { original_user: 'required' } },
  })
  return { mesh, calls: await startMiddle(t, app, port, mesh.sidecars.App.outbound) }
}

async function askAs(t: TestContext, { mesh }: Started, call: string, user: number): Promise<string> {
  const version = clients[user % clients.length] ?? 'HTTP/1.1'
  const token = await mesh.pomerium.assertion(`user${user}`, hosts.App)
  const { body } = await ask(t, version, {
    port: mesh.sidecars.App.inbound,
    host: hosts.App,
    path: `/${encodeURIComponent(call)}/${user}`,
    headers: { 'x-pomerium-jwt-assertion': token },
  }).answered
  return text(body)
}

for (const app of serverVersions) {
  for (const called of serverVersions) {
    test(`an app that serves ${app} carries its users to one that serves ${called}`, async (t) => {
      const started = await start(t, { app, called })
      // gRPC exists in HTTP/2 alone.
      const calls = started.calls.filter((call) => called !== 'HTTP/1.1' || call !== 'grpc-js')
      assert.ok(calls.length > 3)
      const arrived = await Promise.all(
        calls.flatMap((call) => users.map(async (user) => `${call}: ${await askAs(t, started, call, user)}`)),
      )
      assert.deepEqual(
        arrived,
        calls.flatMap((call) => users.map((user) => `${call}: user${user}-id`)),
      )
    })
  }
}
