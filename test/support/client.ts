// A client that sends exactly what it is told to, and reads the whole answer.
import { once } from 'node:events'
import { request as httpRequest, type Agent, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'

export interface Sent {
  readonly port: number
  /** Where the listener is; default: 127.0.0.1. */
  readonly hostname?: string
  readonly method?: string
  readonly target?: string
  readonly host?: string
  /** Beside Host; names and values in turn. */
  readonly headers?: readonly string[]
  readonly body?: string
  readonly agent?: Agent
}

export interface Answer {
  readonly status: number
  /** `x-onbehalf-error`, or empty. */
  readonly code: string
  readonly headers: Readonly<IncomingMessage['headers']>
  readonly body: string
}

const deadlineMs = 20_000

export async function send(sent: Sent): Promise<Answer> {
  const {
    port,
    hostname = '127.0.0.1',
    method = 'GET',
    target = '/',
    host = 'test.invalid',
    headers = [],
    body,
    agent,
  } = sent
  const framing = body === undefined ? [] : ['Content-Length', String(Buffer.byteLength(body))]
  const request = httpRequest({
    host: hostname,
    port,
    method,
    path: target,
    headers: ['Host', host, ...headers, ...framing],
    agent: agent ?? false,
    setHost: false,
    signal: AbortSignal.timeout(deadlineMs),
  })
  request.end(body)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const code = String(response.headers['x-onbehalf-error'] ?? '')
  return { status: response.statusCode ?? 0, code, headers: response.headers, body: await text(response) }
}

/** Sends bytes and reads until the other side closes: for what no client library agrees to send. */
export async function sendRaw(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.setTimeout(deadlineMs, () => socket.destroy(new Error('no answer in time')))
  socket.write(bytes, 'latin1')
  let answer = ''
  socket.setEncoding('latin1')
  for await (const chunk of socket) answer += chunk
  return answer
}
