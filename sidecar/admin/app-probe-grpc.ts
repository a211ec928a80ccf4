// Asks an app by gRPC whether it serves, as the kubelet does (pkg/probe/grpc): grpc.health.v1.Health/Check in clear text.
import { once } from 'node:events'
import { connect, type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2'
import type { GrpcProbe } from '../../shared/config/app-probes.ts'
import { authorityOf, connectApp, type Asking } from './app-connection.ts'

interface Said {
  readonly headers: IncomingHttpHeaders
  readonly trailers: IncomingHttpHeaders
  readonly body: Buffer
}

const serving = 1n
const maxBodyBytes = 4 * 1024
const frameHeadBytes = 5

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
  stream.on('error', () => undefined)
  let trailers: IncomingHttpHeaders = {}
  stream.once('trailers', (fields) => (trailers = fields))
  const closed = new Promise<void>((resolve) => stream.once('close', resolve))
  stream.end(frame(encodeRequest(service)))
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
  const health = readHealth(body)
  if (health === undefined) return 'the app answered no health check'
  return health === serving ? undefined : `the app says that it does not serve (${health})`
}

/** `service` is field 1 of the request, a string; empty ones are not written. */
function encodeRequest(service: string): Buffer {
  const text = Buffer.from(service)
  return text.length === 0 ? text : Buffer.concat([Buffer.from([0x0a, ...encodeVarint(text.length)]), text])
}

function encodeVarint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...encodeVarint(value >>> 7)]
}

/** Uncompressed, with its length. */
function frame(message: Buffer): Buffer {
  const head = Buffer.alloc(frameHeadBytes)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

/** `status` is field 1 of the answer, a varint; 0 where it is not written. Undefined for what is no such message. */
function readHealth(body: Buffer): bigint | undefined {
  if (body.length < frameHeadBytes || body[0] !== 0) return undefined
  const message = body.subarray(frameHeadBytes)
  if (body.readUInt32BE(1) !== message.length) return undefined
  let health = 0n
  for (let at = 0; at < message.length;) {
    const tag = readVarint(message, at)
    const field = tag && readField(message, tag)
    if (tag === undefined || field === undefined) return undefined
    if (tag.value === 8n) health = field.value
    at = field.end
  }
  return health
}

interface Read {
  readonly value: bigint
  readonly end: number
}

/** What follows a tag: the value of a varint, and the end of anything. */
function readField(message: Buffer, { value: tag, end }: Read): Read | undefined {
  const wireType = tag & 7n
  if (wireType === 0n) return readVarint(message, end)
  const length = wireType === 2n ? readVarint(message, end) : undefined
  const after =
    wireType === 1n ? end + 8 : wireType === 5n ? end + 4 : length && length.end + Number(length.value)
  return after === undefined || after > message.length ? undefined : { value: 0n, end: after }
}

function readVarint(message: Buffer, at: number): Read | undefined {
  let value = 0n
  for (let i = 0; i < 10; i++) {
    const byte = message[at + i]
    if (byte === undefined) return undefined
    value |= BigInt(byte & 0x7f) << BigInt(7 * i)
    if (byte < 0x80) return { value, end: at + i + 1 }
  }
  return undefined
}
