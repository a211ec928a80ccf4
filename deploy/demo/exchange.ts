// One raw request: exactly the headers given, repeated ones included, and the whole answer.
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'

export interface Exchange {
  /** On 127.0.0.1. */
  readonly port: number
  /** The request target: a path, or an absolute URL where the port is a proxy's. Default `/`. */
  readonly target?: string
  readonly headers: readonly (readonly [name: string, value: string])[]
}

export interface Answer {
  readonly status: number
  /** `x-onbehalf-error`, or empty. */
  readonly refusal: string
  readonly body: string
}

const deadlineMs = 10_000

export async function exchange({ port, target = '/', headers }: Exchange): Promise<Answer> {
  const signal = AbortSignal.timeout(deadlineMs)
  const options = { host: '127.0.0.1', port, path: target, headers: headers.flat(), agent: false, signal }
  const request = httpRequest(options).end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const refusal = String(response.headers['x-onbehalf-error'] ?? '')
  return { status: response.statusCode ?? 0, refusal, body: await text(response) }
}
