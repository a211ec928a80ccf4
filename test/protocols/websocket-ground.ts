// Apps and clients that speak WebSocket, by `ws`, through one sidecar or through two.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { WebSocket, WebSocketServer, type ClientOptions } from 'ws'
import { hosts, startMesh, type MeshOptions, type TestMesh } from '../support/mesh.ts'

export interface SocketApp {
  readonly origin: string
  /** Heads of the handshakes that came. */
  readonly handshakes: IncomingMessage[]
  /** What it does with each connection; default: it sends back what comes. */
  onSocket: (socket: WebSocket) => void
}

function echo(socket: WebSocket): void {
  socket.on('message', (message, isBinary) => socket.send(message, { binary: isBinary }))
}

function handleProtocols(offered: Set<string>): string | false {
  return offered.has('chat') ? 'chat' : false
}

export async function startSocketApp(t: TestContext): Promise<SocketApp> {
  const server: Server = createServer((_request, response) => void response.write('and then nothing'))
  const sockets = new WebSocketServer({ server, handleProtocols, maxPayload: 64 * 1024 * 1024 })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const app: SocketApp = { origin, handshakes: [], onSocket: echo }
  sockets.on('connection', (socket, request) => {
    socket.on('error', () => undefined)
    app.handshakes.push(request)
    app.onSocket(socket)
  })
  t.after(() => {
    for (const socket of sockets.clients) socket.terminate()
    server.close()
    server.closeAllConnections()
  })
  return app
}

export interface SocketGround {
  readonly mesh: TestMesh
  readonly app: SocketApp
}

/** A mesh whose App speaks WebSocket. */
export async function startSocketGround(t: TestContext, options: MeshOptions = {}): Promise<SocketGround> {
  const app = await startSocketApp(t)
  const mesh = await startMesh(t, { run: ['App'], services: { App: { app: app.origin } }, ...options })
  return { mesh, app }
}

export async function aliceHeaders(mesh: TestMesh): Promise<Record<string, string>> {
  return { 'X-Pomerium-Jwt-Assertion': await mesh.pomerium.assertion('alice', hosts.App) }
}

/** Resolves when it is open; ended with the test. */
export async function openSocket(
  t: TestContext,
  port: number,
  options: ClientOptions,
  protocols: string[] = [],
): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/socket`, protocols, options)
  t.after(() => socket.terminate())
  await once(socket, 'open')
  socket.on('error', () => undefined)
  return socket
}

/** The next message, as text. */
export async function nextMessage(socket: WebSocket): Promise<string> {
  const [message] = (await once(socket, 'message')) as [Buffer]
  return message.toString()
}
