// A small real app behind a sidecar: keeps what it was sent, and answers as the test says.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

export interface Received {
  readonly method: string
  readonly url: string
  readonly rawHeaders: readonly string[]
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

export type AppHandler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>

export interface TestApp {
  readonly port: number
  readonly origin: string
  /** What came in, oldest first; only by the default handler. */
  readonly received: Received[]
  handler: AppHandler
  close(): Promise<void>
}

export async function startApp(handler?: AppHandler, port = 0): Promise<TestApp> {
  const received: Received[] = []
  const answerOk: AppHandler = async (request, response) => {
    const { method = '', url = '', rawHeaders, headers } = request
    received.push({ method, url, rawHeaders, headers, body: await text(request) })
    response.end('ok')
  }
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    Promise.resolve(app.handler(request, response)).catch(() => response.destroy())
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const bound = (server.address() as AddressInfo).port
  const app: TestApp = {
    port: bound,
    origin: `http://127.0.0.1:${bound}`,
    received,
    handler: handler ?? answerOk,
    async close() {
      server.close()
      server.closeAllConnections()
    },
  }
  return app
}

/** All values of a header as the app got it, byte for byte. */
export function rawValues(received: Received | undefined, name: string): string[] {
  const { rawHeaders = [] } = received ?? {}
  return rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]?.toLowerCase() === name.toLowerCase())
}

/** The names, of those that we or Pomerium would set, that the app got. */
export function identityNames(received: Received | undefined): string[] {
  const { rawHeaders = [] } = received ?? {}
  return rawHeaders
    .filter((name, i) => i % 2 === 0 && /pomerium|onbehalf/i.test(name))
    .map((name) => name.toLowerCase())
}
