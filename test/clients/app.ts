// The app that all clients talk to: the answers of the scenarios, each under a path of its own.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import type { AppHandler, Received } from '../support/app.ts'

export const contents = {
  nothing: Buffer.alloc(0),
  plain: Buffer.from('Grüße aus der Anwendung\n'),
  large: randomBytes(8 * 1024 * 1024),
  text: Buffer.from('the same line, again and again\n'.repeat(1_000)),
} as const
export const zipped = gzipSync(contents.text)

export interface ClientApp {
  readonly handler: AppHandler
  /** Requests that were read whole, oldest first; the body in latin1. */
  readonly received: Received[]
  /** Resolves when the client of the next answer without an end has left. */
  nextLeft(): Promise<void>
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>

/** @param more answers by path, beside those of the scenarios. */
export function createClientApp(more: Readonly<Record<string, Answer>> = {}): ClientApp {
  const received: Received[] = []
  let left = Promise.withResolvers<void>()
  const endless: Answer = async (_request, response) => {
    response.write('the beginning of what has no end\n')
    await once(response, 'close')
    left.resolve()
  }
  const handler: AppHandler = async (request, response) => {
    const { method = '', url = '', rawHeaders, headers } = request
    received.push({ method, url, rawHeaders, headers, body: (await buffer(request)).toString('latin1') })
    const path = url.split('?')[0] as string
    const answer = path === '/endless' ? endless : (more[path] ?? answers[path] ?? answers['/plain'])
    await answer?.(request, response)
  }
  return {
    handler,
    received,
    nextLeft() {
      left = Promise.withResolvers()
      return left.promise
    },
  }
}

const answers: Readonly<Record<string, Answer>> = {
  '/plain': (_request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': contents.plain.length })
    response.end(contents.plain)
  },
  '/page': (_request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/html' }).end('<link rel="icon" href="data:,">')
  },
  '/large': (_request, response) => {
    response.setHeader('Content-Length', contents.large.length)
    response.end(contents.large)
  },
  '/large-chunked': (_request, response) => {
    response.write(contents.large.subarray(0, 1_000_000))
    response.end(contents.large.subarray(1_000_000))
  },
  '/gzip': (_request, response) => {
    response.writeHead(200, { 'Content-Encoding': 'gzip', 'Content-Length': zipped.length })
    response.end(zipped)
  },
  '/redirect': (_request, response) => {
    response.writeHead(302, { Location: '/plain?landed' }).end()
  },
  '/no-content': (_request, response) => {
    response.writeHead(204).end()
  },
  '/not-modified': (request, response) => {
    response.writeHead(request.headers['if-none-match'] === '"v1"' ? 304 : 200, { ETag: '"v1"' }).end()
  },
  '/cookies': (_request, response) => {
    response.writeHead(200, ['Set-Cookie', 'a=1; Path=/', 'Set-Cookie', 'b=2', 'Set-Cookie', 'c=3; HttpOnly'])
    response.end()
  },
  '/failing': (_request, response) => {
    response.writeHead(500, { 'Content-Type': 'text/plain' }).end(contents.plain)
  },
}
