// Starts a real app of test/apps under the preload, and asks it as its sidecar would.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { request as httpRequest, type Agent } from 'node:http'
import { connect, type ClientHttp2Session } from 'node:http2'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { appsFolder, type Node } from '../support/nodes.ts'
import { handleName, type Scope, type Upstream } from './upstream.ts'

export const preload = join(import.meta.dirname, '../../dist/preload.cjs')

export interface App {
  readonly ports: Readonly<Record<string, number>>
  /** The names of the clients that it has. */
  readonly clients: readonly string[]
}

export interface Started {
  readonly node: Node
  /** In `test/apps/preload`. */
  readonly program: string
  readonly upstream: Upstream
  /** How the preload is loaded, and whatever is loaded beside it. */
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Where the names of packages in `args` are looked up; default: `test/apps`. */
  readonly cwd?: string
}

const deadlineMs = 60_000

/** Nothing of this process's own environment: an agent or a proxy set there would change what is tested. */
export async function startPreloadedApp(scope: Scope, started: Started): Promise<App> {
  const { node, program, upstream, args = ['--require', preload], env = {}, cwd = appsFolder } = started
  const told = {
    UPSTREAM: upstream.origin,
    GRPC_UPSTREAM: upstream.grpc,
    SECURE_UPSTREAM: upstream.secureOrigin,
    SECURE_GRPC_UPSTREAM: upstream.secureGrpc,
    CA_PEM: upstream.caPem,
  }
  const child = spawn(node.path, [...args, join(appsFolder, 'preload', program)], {
    cwd,
    env: { PATH: process.env['PATH'], ...told, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  scope.after(() => child.kill('SIGKILL'))
  const late = setTimeout(() => child.kill('SIGKILL'), deadlineMs)
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.startsWith('{')) continue
    child.stdout.resume()
    clearTimeout(late)
    return JSON.parse(line) as App
  }
  throw new Error(`${program} ended before it listened`)
}

/** Of a user, different for each, in the form of a handle. */
export const handleOf = (user: number): string => `user${String(user).padStart(3, '0')}-handle_of_this_one`

export interface Asked {
  readonly port: number
  readonly path: string
  readonly handle?: string | undefined
  readonly method?: string
  /** Beside Host and the handle; names and values in turn. */
  readonly headers?: readonly string[]
  readonly body?: string
  readonly agent?: Agent
}

/** Asks over HTTP/1.1; what the app answers must be 200. */
export async function ask({
  port,
  path,
  handle,
  method = 'GET',
  headers = [],
  body,
  agent,
}: Asked): Promise<string> {
  const request = httpRequest({
    host: '127.0.0.1',
    port,
    path,
    method,
    agent: agent ?? false,
    headers: ['Host', 'app', ...(handle === undefined ? [] : [handleName, handle]), ...headers],
    signal: AbortSignal.timeout(deadlineMs),
  })
  request.end(body)
  const [response] = await once(request, 'response')
  const answer = await text(response)
  assert.equal(response.statusCode, 200, answer)
  return answer
}

/** A connection over which gRPC requests are made. */
export function openGrpc(scope: Scope, port: number): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`)
  scope.after(() => session.destroy())
  return session
}

/** Asks the app's one gRPC method, whose message is text. */
export async function askGrpc(
  session: ClientHttp2Session,
  path: string,
  handle: string | undefined,
): Promise<void> {
  const stream = session.request({
    ':method': 'POST',
    ':path': '/app/Work',
    'content-type': 'application/grpc',
    te: 'trailers',
    ...(handle === undefined ? {} : { [handleName]: handle }),
  })
  const message = Buffer.from(path)
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(message.length, 1)
  stream.end(Buffer.concat([prefix, message]))
  const trailed = once(stream, 'trailers')
  stream.resume()
  const [trailers] = await trailed
  assert.equal(trailers['grpc-status'], '0', String(trailers['grpc-message']))
}
