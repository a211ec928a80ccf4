// Asks an app by gRPC whether it serves, as the kubelet does (pkg/probe/grpc): grpc.health.v1.Health/Check in clear text.
import { once } from 'node:events'
import { connect, type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2'
import type { GrpcProbe } from '../../shared/config/app-probes.ts'
import { outlive } from '../http2/outlive.ts'
import { authorityOf, connectApp, type Asking } from './app-connection.ts'
import { encodeHealthRequest, readHealthAnswer, serving } from './grpc-health.ts'

interface Said {
  readonly headers: IncomingHttpHeaders
  readonly trailers: IncomingHttpHeaders
  readonly body: Buffer
}

const maxBodyBytes = 4 * 1024

/** @returns why the app is not well; undefined where it is. @throws {Error} it cannot be asked. */
export async function askByGrpc({ port, service }: GrpcProbe, asking: Asking): Promise<string | undefined> {
  const socket = await connectApp(port, asking)
  const session = connect(`http://${authorityOf(port, asking.podIp)}`, { createConnection: () => socket })
  session.on('error', () => undefined)
  const give = () => session.destroy()
  asking.signal.addEventListener('abort', give, { once: true })
  try {
    return whyNot(await call(session, service, asking))
  } finally {
    asking.signal.removeEventListener('abort', give)
    session.destroy()
  }
}

async function call(session: ClientHttp2Session, service: string, asking: Asking): Promise<Said> {
  const stream = session.request({
    ':method': 'POST',
    ':path': '/grpc.health.v1.Health/Check',
    'content-type': 'application/grpc',
    'user-agent': asking.userAgent,
    te: 'trailers',
  })
  outlive(session, stream)
  stream.on('error', () => undefined)
  let trailers: IncomingHttpHeaders = {}
  stream.once('trailers', (fields) => (trailers = fields))
  const closed = new Promise<void>((resolve) => stream.once('close', resolve))
  stream.end(encodeHealthRequest(service))
  const ended = closed.then(() => Promise.reject(new Error('the app ended the connection')))
  const answered = once(stream, 'response', { signal: asking.signal })
  const [headers] = (await Promise.race([answered, ended])) as [IncomingHttpHeaders]
  const parts: Buffer[] = []
  let length = 0
  for await (const part of stream) {
    length += (part as Buffer).length
    if (length > maxBodyBytes) throw new Error('the answer is too long')
    parts.push(part as Buffer)
  }
  await closed
  // A stream whose session was given up ends as if the app had ended it.
  asking.signal.throwIfAborted()
  return { headers, trailers, body: Buffer.concat(parts) }
}

function whyNot({ headers, trailers, body }: Said): string | undefined {
  const httpStatus = Number(headers[':status'])
  if (httpStatus !== 200) return `the app answered ${httpStatus}`
  const status = trailers['grpc-status'] ?? headers['grpc-status']
  if (status !== '0') return `the app answered gRPC status ${Number(status)}`
  const health = readHealthAnswer(body)
  if (health === undefined) return 'the app answered no health check'
  return health === serving ? undefined : `the app says that it does not serve (${health})`
}
