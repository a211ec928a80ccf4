// One connection to one Redis server, by ioredis, which is loaded with the first one. It ends once and is not renewed:
// whoever needs another one reads the files and finds the server anew.
import type { Redis, RedisOptions } from 'ioredis'
import type { ServerAddress } from '../../shared/config/mesh.ts'
import type { Redacted } from '../../shared/redacted.ts'
import { within } from './deadline.ts'
import { faultOf, RedisFault } from './redis-fault.ts'
import { RespBounds } from './resp-bounds.ts'

export interface TlsMaterial {
  readonly ca?: string
  readonly certificate?: string
  readonly key?: string
}

export interface RedisAccess {
  /** Undefined: in the clear. */
  readonly tls: TlsMaterial | undefined
  /** Undefined: Redis' `default`. */
  readonly username: string | undefined
  readonly password: Redacted | undefined
}

export type OnMessage = (channel: string, message: string) => void

export interface RedisConnection {
  readonly address: ServerAddress
  /**
   * @param command in lower case, as ioredis compares it.
   * @throws {RedisFault}
   */
  call(deadlineMs: number, command: string, ...args: readonly (string | number)[]): Promise<unknown>
  /** Resolves with why it ended. */
  readonly ended: Promise<RedisFault>
  drop(): void
}

/** From the first packet to the last one of the handshake. */
export const connectDeadlineMs = 2_000

/** What a server may send before it has answered: the longest answer is a thousandth part of a sorted set. */
const maxReplyBytes = 4 * 1024 * 1024
/** No element takes less than four bytes. */
const maxReplyElements = maxReplyBytes / 4

/** @throws {RedisFault} it cannot be reached, or does not let us in. */
export async function connectRedis(
  address: ServerAddress,
  access: RedisAccess,
  onMessage: OnMessage = () => undefined,
): Promise<RedisConnection> {
  const Client = await loadClient()
  const redis = new Client(optionsFor(address, access))
  const { ended, received } = watch(redis)
  /** A server that wants TLS says nothing to who speaks without. */
  const orTls = (fault: RedisFault): RedisFault => {
    const isMute = fault.kind === 'closed' && access.tls === undefined && !received.hasAny
    return isMute ? new RedisFault('tls_perhaps') : fault
  }
  redis.on('message', (channel: string, message: string) => {
    received.bytes = 0
    onMessage(channel, message)
  })
  const drop = () => {
    redis.disconnect()
    // To end it politely takes two seconds of a frozen server's time, and ours.
    redis.stream?.destroy()
  }
  try {
    await within(connectDeadlineMs, Promise.race([redis.connect(), ended.then(fail)]))
  } catch (error) {
    // `connect` says only that the connection is closed; why, the event beneath said before.
    const fault = received.cause ?? faultOf(error)
    const isSilent =
      fault.kind === 'timeout' && access.tls !== undefined && !(redis.stream?.connecting ?? true)
    drop()
    throw isSilent ? new RedisFault('tls_silent') : orTls(fault)
  }
  return {
    address,
    ended,
    drop,
    async call(deadlineMs, command, ...args) {
      try {
        return await within(deadlineMs, redis.call(command, ...args))
      } catch (error) {
        throw orTls(received.cause ?? faultOf(error))
      } finally {
        received.bytes = 0
      }
    },
  }
}

function fail(fault: RedisFault): never {
  throw fault
}

interface Received {
  /** Since the last answer or message. */
  bytes: number
  hasAny: boolean
  /** The first fault of the connection. */
  cause: RedisFault | undefined
}

function watch(redis: Redis): { readonly ended: Promise<RedisFault>; readonly received: Received } {
  const { promise: ended, resolve } = Promise.withResolvers<RedisFault>()
  const received: Received = { bytes: 0, hasAny: false, cause: undefined }
  redis.on('error', (error: Error) => {
    const isTold = error instanceof RedisFault || !isUndigested(error)
    received.cause ??= isTold ? faultOf(error) : new RedisFault('not_redis')
  })
  redis.on('connect', () => {
    redis.stream.on('data', (chunk: Buffer) => {
      received.hasAny = true
      received.bytes += chunk.length
      if (received.bytes <= maxReplyBytes) return
      received.cause ??= new RedisFault('too_long')
      redis.stream.destroy()
    })
    redis.stream.prependOnceListener('data', (chunk: Buffer) => {
      // A TLS alert: what a server that waits for TLS answers to anything else.
      if (chunk[0] === 0x15) received.cause ??= new RedisFault('tls_wanted')
    })
  })
  redis.on('end', () => resolve(received.cause ?? new RedisFault('closed')))
  return { ended, received }
}

/** ioredis asks to report what it could not read, and what it was not waiting for. */
function isUndigested({ message }: Error): boolean {
  return / [Pp]lease report (?:this|it)\.(?! Last error)/.test(message)
}

function optionsFor(
  { host, port }: ServerAddress,
  access: RedisAccess,
): RedisOptions & { replyMapping?: 'legacy' } {
  const { tls, username, password } = access
  return {
    host,
    port,
    lazyConnect: true,
    // RESP2: nothing of RESP3 is needed, and what is in between understands it everywhere.
    protocol: 2,
    // To ask for INFO, or to name itself, would need further ACL rules.
    enableReadyCheck: false,
    disableClientInfo: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    connectTimeout: connectDeadlineMs,
    // With a name always: AUTH with a password alone makes ioredis print what it thinks of the server's answer.
    ...(password === undefined ? {} : { username: username ?? 'default', password: password.expose() }),
    ...(tls === undefined ? {} : { tls: tlsOptions(tls) }),
  }
}

function tlsOptions({ ca, certificate, key }: TlsMaterial): RedisOptions['tls'] {
  return {
    // Verification is not left to NODE_TLS_REJECT_UNAUTHORIZED.
    rejectUnauthorized: true,
    ...(ca === undefined ? {} : { ca }),
    ...(certificate === undefined ? {} : { cert: certificate }),
    ...(key === undefined ? {} : { key }),
  }
}

async function loadClient(): Promise<typeof Redis> {
  loading ??= loadOnce()
  return loading
}

let loading: Promise<typeof Redis> | undefined

async function loadOnce(): Promise<typeof Redis> {
  const [{ Redis: Client }, handler, { Decoder }] = await Promise.all([
    import('ioredis'),
    import('ioredis/built/DataHandler.js'),
    import('ioredis/built/resp/decoder.js'),
  ])
  contain(handler.default as unknown as { default: HandlerClass })
  bound(Decoder)
  return Client
}

interface DecoderClass {
  readonly prototype: { write: (this: object, chunk: Buffer) => void }
}

/** What a decoder throws ends its connection. */
function bound({ prototype }: DecoderClass): void {
  const write = prototype.write
  const all = new WeakMap<object, RespBounds>()
  prototype.write = function (chunk) {
    const bounds = all.get(this) ?? new RespBounds(maxReplyElements, maxReplyBytes)
    all.set(this, bounds)
    bounds.take(chunk)
    write.call(this, chunk)
  }
}

interface Handler {
  dispatch(run: () => void): void
  returnFatalError(error: unknown): void
}

interface HandlerClass {
  readonly prototype: Handler
}

/**
 * A reply whose form ioredis does not expect makes it throw in a later tick, where nobody can catch it: a hostile
 * server could end the process. It is made to end the connection, as ioredis does with what is no RESP at all.
 */
function contain({ default: handler }: { readonly default: HandlerClass }): void {
  handler.prototype.dispatch = dispatch
}

function dispatch(this: Handler, run: () => void): void {
  try {
    run()
  } catch (error) {
    this.returnFatalError(error)
  }
}
