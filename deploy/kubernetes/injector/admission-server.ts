// The HTTPS server that an API server asks: one path, bounded in size, time and number.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { ServingCertificate } from './serving-certificate.ts'

export interface Answer {
  readonly status: number
  readonly body: string
}

/** An API server takes 3 MiB from its own clients; the review holds that again, as JSON. */
const maxBodyBytes = 8 * 1024 * 1024
const maxConnections = 1_000
const maxUnderWay = 100
const requestTimeoutMs = 10_000

/** @param answer is given the body of each request. */
export function createAdmissionServer(
  certificate: ServingCertificate,
  answer: (body: string) => Answer,
): Server {
  let underWay = 0
  const server = createServer(
    {
      ...certificate.current(),
      minVersion: 'TLSv1.2',
      requestTimeout: requestTimeoutMs,
      insecureHTTPParser: false,
    },
    (request, response) => {
      if (underWay >= maxUnderWay) return send(response, 503, 'too many reviews at once\n')
      underWay++
      response.once('close', () => underWay--)
      serve(request, response, answer).catch(() => response.destroy())
    },
  )
  server.maxConnections = maxConnections
  certificate.onChange(() => server.setSecureContext({ ...certificate.current(), minVersion: 'TLSv1.2' }))
  return server
}

async function serve(request: IncomingMessage, response: ServerResponse, answer: (body: string) => Answer) {
  const { pathname } = new URL(request.url ?? '', 'https://injector')
  if (pathname !== '/inject') return send(response, 404, 'There is: POST /inject.\n')
  if (request.method !== 'POST') return send(response, 405, 'Use POST.\n')
  if (!/^application\/json\b/.test(request.headers['content-type'] ?? ''))
    return send(response, 415, 'A review comes as application/json.\n')
  const body = await read(request)
  if (body === undefined) return send(response, 413, `A review has at most ${maxBodyBytes} bytes.\n`)
  const answered = answer(body)
  send(response, answered.status, answered.body, answered.status === 200 ? 'application/json' : undefined)
}

/** Undefined where it is too long; the rest is not read then. */
async function read(request: IncomingMessage): Promise<string | undefined> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length
    if (length > maxBodyBytes) return undefined
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

function send(
  response: ServerResponse,
  status: number,
  body: string,
  type = 'text/plain; charset=utf-8',
): void {
  // What is left of a body that is not read would be taken for the next request.
  const close = status === 200 ? {} : { connection: 'close' }
  response.writeHead(status, { 'content-type': type, ...close })
  response.end(body)
}
