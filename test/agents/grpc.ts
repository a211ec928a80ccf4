// As much of gRPC as one call needs, on node:http2: a client that sends any metadata, and a server that keeps it.
import { once } from 'node:events'
import {
  connect,
  createServer,
  type ClientHttp2Session,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import { createServer as createNetServer, type AddressInfo, type Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import type { HeaderList } from '../../shared/head.ts'

/** Of one message: a byte that says "not compressed", and its length. */
const prefixBytes = 5

function frame(message: string): Buffer {
  const bytes = Buffer.from(message)
  const framed = Buffer.alloc(prefixBytes + bytes.length)
  framed.writeUInt32BE(bytes.length, 1)
  bytes.copy(framed, prefixBytes)
  return framed
}

/** @throws Error with the status, where the call failed */
export async function callGrpc(
  session: ClientHttp2Session,
  path: string,
  message: string,
  metadata: HeaderList,
): Promise<string> {
  const headers: Record<string, string> = {}
  for (let i = 0; i < metadata.length; i += 2) headers[metadata[i] as string] = metadata[i + 1] as string
  const stream = session.request({
    ...headers,
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
  })
  let status: unknown
  stream.on('response', (head) => (status ??= head['grpc-status']))
  stream.on('trailers', (trailers) => (status = trailers['grpc-status']))
  stream.end(frame(message))
  const body = await buffer(stream)
  if (status !== '0') throw new Error(`${path}: grpc-status ${String(status)}`)
  return body.subarray(prefixBytes).toString()
}

export function connectGrpc(port: number): ClientHttp2Session {
  return connect(`http://127.0.0.1:${port}`)
}

export interface GrpcUpstream {
  readonly port: number
  /** Told of each call: its message and its metadata. */
  onCall: (message: string, metadata: HeaderList) => void
  /** Ends all connections, so that the next call meets a cold channel. */
  disconnect(): Promise<void>
  close(): Promise<void>
}

/** Of a network with distance: while a connection is made, calls gather before it. */
const connectMs = 30

export async function startGrpcUpstream(): Promise<GrpcUpstream> {
  const sessions = new Set<ServerHttp2Session>()
  const http2 = createServer()
  http2.on('session', (session) => {
    sessions.add(session)
    session.once('close', () => sessions.delete(session))
  })
  http2.on('stream', (stream: ServerHttp2Stream, _headers, _flags, rawHeaders) => {
    stream.respond({ 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    buffer(stream).then(
      (body) => {
        upstream.onCall(body.subarray(prefixBytes).toString(), rawHeaders)
        stream.end(frame(''))
      },
      () => stream.close(),
    )
  })
  const accept = async (socket: Socket) => {
    await setTimeout(connectMs)
    http2.emit('connection', socket)
  }
  const listener = createNetServer((socket) => void accept(socket))
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const disconnect = async () => {
    await Promise.all(
      [...sessions].map(async (session) => {
        const closed = once(session, 'close')
        session.destroy()
        await closed
      }),
    )
  }
  const upstream: GrpcUpstream = {
    port: (listener.address() as AddressInfo).port,
    onCall: () => undefined,
    disconnect,
    close: async () => {
      listener.close()
      await disconnect()
    },
  }
  return upstream
}
