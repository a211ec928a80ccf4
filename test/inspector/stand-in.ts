// Serves the page in the place of a sidecar, and says what the test wants said.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { pageFiles } from '../../sidecar/admin/page-files.ts'
import type { DecisionEvent, ServiceState } from '../../sidecar/admin/page/protocol.ts'
import { pageHeaders } from '../../sidecar/admin/security-headers.ts'

export const rightToken = 'a-token-that-nobody-else-has-4711'

export interface StandIn {
  readonly origin: string
  /** With the token, as `run` names it. */
  readonly url: string
  /** Bodies of `POST /token`. */
  readonly asked: unknown[]
  /** How often the stream was opened. */
  readonly opened: () => number
  sendState(...states: readonly ServiceState[]): void
  sendDecision(...decisions: readonly DecisionEvent[]): void
  /** Ends every stream that is open. */
  breakStreams(): void
  close(): void
}

/** What `POST /token` says of the token that is no token. */
export const badTokenAnswer = {
  accepted: false,
  code: 'assertion_malformed',
  lines: ['it has 1 part: a JWT has 3', 'nothing else can be read of it'],
}

export async function startStandIn(): Promise<StandIn> {
  const streams = new Set<ServerResponse>()
  const asked: unknown[] = []
  let opened = 0
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy())
  })

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://stand-in')
    const file = pageFiles()[pathname]
    if (file !== undefined) {
      response.writeHead(200, { ...pageHeaders, 'content-type': file.type }).end(file.text)
    } else if (request.headers.authorization !== `Bearer ${rightToken}`) {
      sendJson(response, 401, { message: 'Send the admin token: the content of /run/App.admin-token.' })
    } else if (pathname === '/events') {
      opened += 1
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
      response.write(': here\n\n')
      streams.add(response)
      response.on('close', () => streams.delete(response))
    } else if (pathname === '/token') {
      asked.push(JSON.parse(await text(request)))
      sendJson(response, 200, badTokenAnswer)
    } else {
      sendJson(response, 200, { service: searchParams.get('service'), mode: 'enforce', read: true })
    }
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const send = (name: string, all: readonly unknown[]) => {
    const events = all.map((each) => `event: ${name}\ndata: ${JSON.stringify(each)}\n\n`).join('')
    for (const stream of streams) stream.write(events)
  }
  return {
    origin,
    url: `${origin}/#token=${rightToken}`,
    asked,
    opened: () => opened,
    sendState: (...states) => send('state', states),
    sendDecision: (...decisions) => send('decision', decisions),
    breakStreams() {
      for (const stream of streams) stream.destroy()
    },
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(`${JSON.stringify(body, undefined, 2)}\n`)
}
