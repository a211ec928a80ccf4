// The probes listener: whether the sidecar takes requests, whether it and its app live, and its metrics.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { AppProbes } from './app-probes.ts'
import { boundConnections, requestTimeouts } from './connections.ts'
import type { Drained } from './drained.ts'

export interface ProbeSubject {
  /** Whether all listeners are open. */
  isOpen(): boolean
  /** Why it is not ready; empty when it is. */
  notReady(): readonly string[]
  metrics(): string
  readonly appProbes: AppProbes | undefined
  readonly drained: Drained | undefined
}

export function createProbes(subject: ProbeSubject): Server {
  const options = { insecureHTTPParser: false, maxHeaderSize: 16 * 1024, ...requestTimeouts }
  const server = createServer(options, (request, response) => answer(subject, request, response, spare))
  const spare = boundConnections(server)
  return server
}

function isForDrained({ drained }: ProbeSubject, { url }: IncomingMessage): boolean {
  return drained !== undefined && url === '/drained'
}

function answer(
  subject: ProbeSubject,
  request: IncomingMessage,
  response: ServerResponse,
  spare: (socket: Socket) => void,
): void {
  const { method, url = '' } = request
  const path = url.replace(/\?.*$/, '')
  const { appProbes, drained } = subject
  const isOfApp = appProbes?.has(path) === true
  const isDrained = isForDrained(subject, request)
  const takesTime = isOfApp || isDrained
  if (method !== 'GET' && (method !== 'HEAD' || takesTime)) send(response, 405, 'Use GET.\n')
  else if (isOfApp) void appProbes.serve(path, request, response)
  else if (isDrained) drained?.serve(response, () => spare(request.socket))
  else if (path === '/ready') sendReady(response, subject.notReady())
  else if (path === '/livez') sendAlive(response, subject.isOpen())
  else if (path === '/metrics')
    send(response, 200, subject.metrics(), 'text/plain; version=0.0.4; charset=utf-8')
  else
    send(response, 404, `There is: /ready, /livez, ${drained === undefined ? '' : '/drained, '}/metrics.\n`)
}

function sendAlive(response: ServerResponse, isOpen: boolean): void {
  if (isOpen) send(response, 200, 'alive\n')
  else send(response, 503, 'the listeners are not open\n')
}

function sendReady(response: ServerResponse, reasons: readonly string[]): void {
  if (reasons.length === 0) send(response, 200, 'ready\n')
  else send(response, 503, reasons.map((reason) => `not ready: ${reason}\n`).join(''))
}

function send(
  response: ServerResponse,
  status: number,
  body: string,
  type = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' })
  response.end(body)
}
