// The store in a Redis: standalone, found by sentinels, or in a cluster. Nobody waits for a server that is away.
import type { RedisSettings, RedisUser } from '../../shared/config/mesh.ts'
import type { Log } from '../telemetry/log.ts'
import { RedisChannels } from './redis-channels.ts'
import type { RedisConnection } from './redis-connection.ts'
import { faultOf, RedisFault, type RedisFaultKind } from './redis-fault.ts'
import { RedisLink } from './redis-link.ts'
import { expectOk, formatScore, readCount, readScan, readValue } from './redis-replies.ts'
import { leaseScript, releaseScript } from './redis-scripts.ts'
import { findMaster, formatAddress, openServer, probe, redisName } from './redis-server.ts'
import {
  checkLength,
  deadlineMs,
  maxMembers,
  maxValueBytes,
  stepMembers,
  StoreDenied,
  StoreOverfull,
  StoreUnavailable,
  type Scored,
  type Store,
} from './store.ts'

/** The closed list of what is counted: the questions that the interface has. */
export type StoreCommand = 'get' | 'set' | 'lease' | 'release' | 'merge' | 'members' | 'publish'

/** `open`: it was not asked, since it is known to be away. */
export type StoreOutcome = 'ok' | 'timeout' | 'error' | 'open'

/** Which of the two connections. */
export type StoreConnection = 'commands' | 'messages'

export interface StoreEvents {
  readonly onCommand: (command: StoreCommand, outcome: StoreOutcome) => void
  /** A connection came about that is not the first of its kind. */
  readonly onReconnect: (connection: StoreConnection) => void
}

export interface RedisOptions {
  readonly log: Log
  readonly events?: StoreEvents
  /** Instead of the user of the settings. */
  readonly user?: RedisUser
}

/** So many commands in a row without an answer in time, and it is asked no more until a heartbeat comes through. */
const timeoutsToSuspect = 3
/** How often the sentinels are asked whether the master is still that one. */
const sentinelIntervalMs = 5_000
/** For so long a start waits for the first connection. */
const firstTryMs = 1_000
/** A sorted set that is read to its end takes fewer, also while Redis makes its table larger. */
const maxSteps = (4 * maxMembers) / stepMembers
const maxLifeMs = 10 * 365 * 24 * 60 * 60 * 1000

/** After these another server, or the same one anew, may do what this one does not. */
const renewing: ReadonlySet<RedisFaultKind> = new Set([
  'read_only',
  'moved',
  'cluster_down',
  'loading',
  'master_down',
  'no_password',
])

/**
 * Resolves when the first attempt to connect has ended, well or not, or after a second: that it is away is no reason
 * not to start. Live state: to be closed.
 */
export async function openRedis(settings: RedisSettings, options: RedisOptions): Promise<Store> {
  const store = new RedisStore(settings, options)
  await store.tried()
  return store
}

class RedisStore implements Store {
  readonly kind = 'redis'
  readonly #settings: RedisSettings
  readonly #events: StoreEvents | undefined
  readonly #commands: RedisLink
  readonly #channels: RedisChannels
  #timeouts = 0
  #askedSentinelsMs = performance.now()

  constructor(settings: RedisSettings, { log, events, user = settings.user }: RedisOptions) {
    this.#settings = settings
    this.#events = events
    const commandsReport = reporter('commands', log, events)
    const messagesReport = reporter('messages', log, events)
    this.#channels = new RedisChannels({
      open: (onMessage) => openServer(settings, user, onMessage),
      nameOf: (channel) => this.#name(channel),
      onUp: messagesReport.up,
      onDown: messagesReport.down,
      onError: (error) =>
        log.write('error', 'a message of the store was not understood', { cause: nameOf(error) }),
    })
    this.#commands = new RedisLink({
      open: () => openServer(settings, user),
      prepare: async () => undefined,
      beat: (connection) => this.#beat(connection),
      onUp: (connection) => {
        this.#timeouts = 0
        commandsReport.up(connection)
        this.#channels.follow(connection, new RedisFault('moved'))
      },
      onDown: commandsReport.down,
    })
  }

  get isUp(): boolean {
    return this.#commands.connection !== undefined
  }

  async tried(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, firstTryMs)
    await Promise.race([this.#commands.tried, promise])
    clearTimeout(timer)
  }

  get(key: string): Promise<string | undefined> {
    // One byte more than may be there: who writes 500 MB does not make us read them.
    return this.#ask('get', async (call) =>
      readValue(await call('getrange', this.#name(key), 0, maxValueBytes)),
    )
  }

  async set(key: string, value: string, lifeMs: number): Promise<void> {
    checkLength(value)
    await this.#ask('set', async (call) =>
      expectOk(await call('set', this.#name(key), value, 'PX', formatLife(lifeMs))),
    )
  }

  lease(key: string, holder: string, lifeMs: number): Promise<boolean> {
    return this.#ask('lease', async (call) => {
      const reply = await call('eval', leaseScript, 1, this.#name(key), holder, formatLife(lifeMs))
      return readCount(reply) === 1
    })
  }

  async release(key: string, holder: string): Promise<void> {
    await this.#ask('release', async (call) =>
      readCount(await call('eval', releaseScript, 1, this.#name(key), holder)),
    )
  }

  merge(key: string, members: readonly Scored[], floor: number): Promise<void> {
    // No transaction: a score only rises and what is old only goes, so that the steps may mingle with another's.
    return this.#ask('merge', async (call) => {
      for (let i = 0; i < members.length; i += stepMembers) {
        const step = members.slice(i, i + stepMembers)
        const pairs = step.flatMap(([member, score]) => [formatScore(score), member])
        readCount(await call('zadd', this.#name(key), 'GT', ...pairs))
      }
      if (floor === -Infinity) return
      readCount(await call('zremrangebyscore', this.#name(key), '-inf', `(${formatScore(floor)}`))
    })
  }

  members(key: string, floor: number): Promise<readonly Scored[]> {
    return this.#ask('members', async (call) => {
      const found = new Map<string, number>()
      let cursor = '0'
      let steps = 0
      do {
        if (++steps > maxSteps) throw new RedisFault('too_long')
        const step = readScan(await call('zscan', this.#name(key), cursor, 'COUNT', stepMembers))
        for (const [member, score] of step.members) if (score >= floor) found.set(member, score)
        if (found.size > maxMembers) throw new RedisFault('too_long')
        cursor = step.cursor
      } while (cursor !== '0')
      return [...found]
    })
  }

  async publish(channel: string, message: string): Promise<number> {
    checkLength(message)
    return this.#ask('publish', async (call) =>
      readCount(await call('publish', this.#name(channel), message)),
    )
  }

  subscribe(...[channel, listener]: Parameters<Store['subscribe']>): void {
    this.#channels.subscribe(channel, listener)
  }

  async close(): Promise<void> {
    await Promise.all([this.#commands.close(), this.#channels.close()])
  }

  #name(name: string): string {
    return redisName(this.#settings, name)
  }

  async #ask<T>(command: StoreCommand, ask: (call: Call) => Promise<T>): Promise<T> {
    const { connection } = this.#commands
    if (connection === undefined) {
      this.#events?.onCommand(command, 'open')
      throw new StoreUnavailable('the store is away')
    }
    try {
      const answer = await ask((name, ...args) => connection.call(deadlineMs, name, ...args))
      this.#timeouts = 0
      this.#events?.onCommand(command, 'ok')
      return answer
    } catch (error) {
      const fault = faultOf(error)
      this.#blame(connection, fault)
      this.#events?.onCommand(command, fault.kind === 'timeout' ? 'timeout' : 'error')
      const message = `the store: ${fault.message}`
      if (fault.kind === 'not_permitted') throw new StoreDenied(message)
      if (fault.kind === 'too_long' && command === 'members') throw new StoreOverfull(message)
      throw new StoreUnavailable(message)
    }
  }

  #blame(connection: RedisConnection, fault: RedisFault): void {
    if (renewing.has(fault.kind)) this.#commands.renew(connection, fault)
    this.#timeouts = fault.kind === 'timeout' ? this.#timeouts + 1 : 0
    if (this.#timeouts >= timeoutsToSuspect) this.#commands.suspect()
  }

  async #beat(connection: RedisConnection): Promise<void> {
    await probe(this.#settings, connection)
    if (this.#settings.servers.kind !== 'sentinel') return
    if (performance.now() - this.#askedSentinelsMs < sentinelIntervalMs) return
    this.#askedSentinelsMs = performance.now()
    // A master that was cut off from the others answers as ever.
    const master = await findMaster(this.#settings).catch(() => connection.address)
    if (formatAddress(master) !== formatAddress(connection.address)) throw new RedisFault('moved')
  }
}

type Call = (command: string, ...args: readonly (string | number)[]) => Promise<unknown>

function formatLife(lifeMs: number): number {
  return Math.min(maxLifeMs, Math.max(1, Math.ceil(lifeMs)))
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'unknown error'
}

/** Says what is the matter once, and again when it is another matter. */
function reporter(connection: StoreConnection, log: Log, events: StoreEvents | undefined) {
  let cause: string | undefined
  let isFirst = true
  return {
    up: (server: RedisConnection): void => {
      const address = formatAddress(server.address)
      if (cause !== undefined || isFirst) log.write('info', 'the store answers', { connection, address })
      if (!isFirst) events?.onReconnect(connection)
      isFirst = false
      cause = undefined
    },
    down: (fault: RedisFault): void => {
      if (fault.message === cause) return
      cause = fault.message
      log.write('warn', 'the store is away', { connection, cause })
    },
  }
}
