// One request to the app on a connection of its own, in the version of HTTP that the app chose.
import { once } from 'node:events'
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import { connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2'
import { isIP, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { writeRequestHead } from '../http2/head.ts'
import { outlive } from '../http2/outlive.ts'

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

const switchingProtocols = 101

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
  const answered = answerTo(request)
  request.end()
  const response = await answered
  const { statusCode: status = 0, headers: given } = response
  if (status !== switchingProtocols) await read(response)
  return { status, location: given.location }
}

/** @throws {Error} there is none: what comes after one is of no interest. */
function answerTo(request: ClientRequest): Promise<IncomingMessage> {
  const answered = Promise.withResolvers<IncomingMessage>()
  // Nobody asked for it, and the signal does not end a request that has become something else.
  request.once('upgrade', (response, socket) => {
    answered.resolve(response)
    socket.destroy()
  })
  request.once('response', answered.resolve)
  request.on('error', answered.reject)
  request.once('close', () => answered.reject(new Error('the app ended the connection')))
  return answered.promise
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
    outlive(session, stream)
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
