// One request to the app on a connection of its own, in the version of HTTP that the app chose.
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2'
import { isIP, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { writeRequestHead } from '../http2/head.ts'

/** What the app said to one request. */
export interface Said {
  readonly status: number
  readonly location: string | undefined
}

export interface AppRequest {
  readonly path: string
  /** Names and values in turn, Host among them. */
  readonly headers: readonly string[]
  readonly signal: AbortSignal
}

export type ReadBody = (body: AsyncIterable<unknown>) => Promise<void>

/** @throws {Error} there is no answer. */
export async function exchangeHttp1(
  connection: Socket,
  { path, headers, signal }: AppRequest,
  read: ReadBody,
): Promise<Said> {
  const request = httpRequest({
    createConnection: () => connection,
    path,
    headers: [...headers, 'Connection', 'close'],
    setHost: false,
    insecureHTTPParser: false,
    signal,
  })
  // Told once by what waits for it; whatever else comes is of no interest.
  request.on('error', () => undefined)
  request.end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  await read(response)
  return { status: response.statusCode ?? 0, location: response.headers.location }
}

/** @throws {Error} there is no answer. */
export async function exchangeHttp2(
  connection: Socket,
  { path, headers, signal }: AppRequest,
  read: ReadBody,
): Promise<Said> {
  const session = connectHttp2('https://app', { createConnection: () => connection })
  session.on('error', () => undefined)
  try {
    const head = writeRequestHead({ method: 'GET', scheme: 'https', path }, headers)
    const stream = session.request(head, { endStream: true, signal })
    stream.on('error', () => undefined)
    const [answer] = (await Promise.race([once(stream, 'response'), ending(stream)])) as [IncomingHttpHeaders]
    await read(stream)
    return { status: Number(answer[':status']), location: answer.location }
  } finally {
    session.destroy()
  }
}

/** A stream can end without an answer and without an error. */
async function ending(stream: NodeJS.EventEmitter): Promise<never> {
  await once(stream, 'close')
  throw new Error('the app ended the request')
}

/** @returns with what the app chose of the versions as `alpnProtocol`, where any were offered. */
export async function secure(
  socket: Socket,
  hostname: string,
  versions: readonly string[],
  signal: AbortSignal,
): Promise<TLSSocket> {
  const servername = isIP(hostname.replaceAll(/[[\]]/g, '')) === 0 ? hostname : ''
  // The kubelet verifies none: what is asked is whether the app lives, and nothing secret is said.
  const secured = connectTls({
    socket,
    servername,
    rejectUnauthorized: false,
    ...(versions.length === 0 ? {} : { ALPNProtocols: versions }),
  })
  secured.on('error', () => undefined)
  await once(secured, 'secureConnect', { signal })
  return secured
}
