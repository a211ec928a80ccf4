// The stand-in's JWKS endpoint: max-age, ETag, a count of fetches, and failures on request.
import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'

export const jwksPath = '/.well-known/pomerium/jwks.json'

/** How fetching the keys fails: a 500, no answer ever, or an answer that is no JSON. */
export type JwksFailure = 'status' | 'hang' | 'garbage'

export interface JwksEndpoint {
  readonly answer: (request: IncomingMessage, response: ServerResponse) => void
  /** How often it was asked, failures included. */
  readonly fetches: () => number
  /** Fails from now on; undefined ends it. */
  readonly fail: (how: JwksFailure | undefined) => void
}

export function createJwksEndpoint(document: () => unknown): JwksEndpoint {
  let fetches = 0
  let failure: JwksFailure | undefined

  return {
    fetches: () => fetches,
    fail: (how) => {
      failure = how
    },
    answer: (request, response) => {
      fetches += 1
      if (failure === undefined) answerDocument(request, response, JSON.stringify(document()))
      if (failure === 'status') response.writeHead(500).end()
      if (failure === 'garbage') response.writeHead(200, { 'content-type': 'application/json' }).end('<html>')
    },
  }
}

function answerDocument(request: IncomingMessage, response: ServerResponse, body: string): void {
  const etag = `"${createHash('sha256').update(body).digest('hex')}"`
  const headers = { 'cache-control': 'max-age=60', 'content-type': 'application/json', etag }
  const unchanged = request.headers['if-none-match'] === etag
  response.writeHead(unchanged ? 304 : 200, headers).end(unchanged ? undefined : body)
}
