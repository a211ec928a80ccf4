// The probes listener: whether the sidecar takes requests, whether it lives, and its metrics.
import { createServer, type Server, type ServerResponse } from 'node:http'
import { boundConnections, requestTimeouts } from './connections.ts'

export interface ProbeSubject {
  /** Why it is not ready; empty when it is. */
  notReady(): readonly string[]
  metrics(): string
}

export function createProbes(subject: ProbeSubject): Server {
  const options = { insecureHTTPParser: false, maxHeaderSize: 16 * 1024, ...requestTimeouts }
  const server = createServer(options, (request, response) => {
    const path = (request.url ?? '').replace(/\?.*$/, '')
    if (request.method !== 'GET' && request.method !== 'HEAD') send(response, 405, 'Use GET.\n')
    else if (path === '/ready') sendReady(response, subject.notReady())
    else if (path === '/livez') send(response, 200, 'alive\n')
    else if (path === '/metrics')
      send(response, 200, subject.metrics(), 'text/plain; version=0.0.4; charset=utf-8')
    else send(response, 404, 'There is: /ready, /livez, /metrics.\n')
  })
  boundConnections(server)
  return server
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
