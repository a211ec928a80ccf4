// A gRPC service in all four kinds, by `@grpc/grpc-js`, and a client of it; messages are bytes.
import type { TestContext } from 'node:test'
import {
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  status,
  makeGenericClientConstructor,
  type Client,
  type MethodDefinition,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  type ServiceDefinition,
} from '@grpc/grpc-js'

const asIs = (bytes: Buffer): Buffer => bytes

export function method(
  name: string,
  requestStream: boolean,
  responseStream: boolean,
  service = 'test.Echo',
): MethodDefinition<Buffer, Buffer> {
  return {
    path: `/${service}/${name}`,
    requestStream,
    responseStream,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  }
}

export const methods = {
  unary: method('Unary', false, false),
  clientStream: method('ClientStream', true, false),
  serverStream: method('ServerStream', false, true),
  bidi: method('Bidi', true, true),
  never: method('Never', false, false),
  fails: method('Fails', false, false),
} as const satisfies ServiceDefinition

export interface GrpcApp {
  readonly port: number
  /** For further services. */
  readonly server: Server
  /** Metadata of the calls that came. */
  readonly calls: Metadata[]
  /** Resolves when the call that is never answered was cancelled. */
  readonly cancelled: Promise<void>
  /** Resolves when it has come. */
  readonly begun: Promise<void>
}

export async function startGrpcApp(t: TestContext, at = 0): Promise<GrpcApp> {
  const server = new Server({ 'grpc.max_receive_message_length': 16 * 1024 * 1024 })
  const calls: Metadata[] = []
  const cancelled = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  server.addService(methods, {
    unary(call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) {
      calls.push(call.metadata)
      const trailers = new Metadata()
      trailers.set('x-trailer', 'last')
      trailers.set('x-bytes-bin', Buffer.from([0, 255]))
      answer(null, call.request, trailers)
    },
    clientStream(call: ServerReadableStream<Buffer, Buffer>, answer: sendUnaryData<Buffer>) {
      const parts: Buffer[] = []
      call.on('data', (part: Buffer) => parts.push(part))
      call.on('end', () => answer(null, Buffer.concat(parts)))
    },
    serverStream(call: ServerWritableStream<Buffer, Buffer>) {
      for (const byte of call.request) call.write(Buffer.from([byte]))
      call.end()
    },
    bidi(call: ServerDuplexStream<Buffer, Buffer>) {
      call.on('data', (part: Buffer) => call.write(part))
      call.on('end', () => call.end())
      call.on('error', () => undefined)
    },
    never(call: ServerUnaryCall<Buffer, Buffer>) {
      call.on('cancelled', () => cancelled.resolve())
      begun.resolve()
    },
    fails(_call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) {
      const metadata = new Metadata()
      metadata.set('x-why', 'because')
      answer({ code: status.FAILED_PRECONDITION, details: 'not now: 100 %', metadata })
    },
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${at}`, ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    )
  })
  t.after(() => server.forceShutdown())
  return { port, server, calls, cancelled: cancelled.promise, begun: begun.promise }
}

export type EchoClient = Client & Record<keyof typeof methods, (...args: never[]) => unknown>

/** @param authority the host that it calls, whoever listens at the port. */
export function connectGrpc(t: TestContext, port: number, authority: string): Client {
  const Echo = makeGenericClientConstructor(methods, 'Echo')
  const client = new Echo(`127.0.0.1:${port}`, credentials.createInsecure(), {
    'grpc.default_authority': authority,
    'grpc.max_receive_message_length': 16 * 1024 * 1024,
  })
  t.after(() => client.close())
  return client
}

export function metadataOf(fields: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata()
  for (const [name, value] of Object.entries(fields)) metadata.set(name, value)
  return metadata
}
