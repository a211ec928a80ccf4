// Finds the one server that keeps what sidecars share, and connects to it. The hash tag of the prefix puts all of it
// into one slot, so that in a cluster too there is exactly one, and a connection to it is all that is needed.
import { isIPv6 } from 'node:net'
import type { RedisSettings, RedisUser, ServerAddress } from '../../shared/config/mesh.ts'
import { readAccess } from './redis-access.ts'
import { connectRedis, type OnMessage, type RedisAccess, type RedisConnection } from './redis-connection.ts'
import { faultOf, RedisFault, type RedisFaultKind } from './redis-fault.ts'

/** Within which a server must say whether it is well; longer than a command may take, since nobody waits for it. */
export const probeDeadlineMs = 1_000

/** Nodes that send us on to each other are asked no further. */
const maxMoves = 4

/** All names of a mesh in one slot of a cluster. */
export function redisName(settings: RedisSettings, name: string): string {
  return `{${settings.prefix}}:${name}`
}

/** How a server is said in a message. */
export function formatAddress({ host, port }: ServerAddress): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`
}

/**
 * Connects to the server and sees that it serves our keys.
 * @throws {RedisFault} of the last server that was tried.
 */
export async function openServer(
  settings: RedisSettings,
  user: RedisUser,
  onMessage?: OnMessage,
): Promise<RedisConnection> {
  const access = await readAccess(settings.tls, user)
  const { servers } = settings
  if (servers.kind === 'cluster') {
    return firstOf(servers.nodes, (node) => openNode(settings, node, access, onMessage))
  }
  const address = servers.kind === 'standalone' ? servers.address : await findMaster(settings)
  return openProbed(settings, address, access, onMessage)
}

/**
 * Where the sentinels say that the master is.
 * @throws {RedisFault} none says so.
 */
export async function findMaster({ servers, tls }: RedisSettings): Promise<ServerAddress> {
  if (servers.kind !== 'sentinel') throw new RedisFault('no_master')
  const access = await readAccess(tls, servers.user)
  return firstOf(servers.sentinels, (sentinel) => askSentinel(sentinel, servers.master, access))
}

/** @throws {RedisFault} */
export async function askSentinel(
  sentinel: ServerAddress,
  master: string,
  access: RedisAccess,
): Promise<ServerAddress> {
  const connection = await connectRedis(sentinel, access)
  try {
    const reply = await connection.call(probeDeadlineMs, 'sentinel', 'get-master-addr-by-name', master)
    if (reply === null) throw new RedisFault('unknown_master')
    if (!Array.isArray(reply)) throw new RedisFault('unexpected')
    const [host, port] = reply as unknown[]
    if (typeof host !== 'string' || !isPort(Number(port))) throw new RedisFault('unexpected')
    return { host, port: Number(port) }
  } catch (error) {
    // It knows no such command.
    throw faultOf(error).kind === 'error_reply' ? new RedisFault('no_sentinel') : error
  } finally {
    connection.drop()
  }
}

/** A node of the cluster, or the one to which it sends us. */
async function openNode(
  settings: RedisSettings,
  node: ServerAddress,
  access: RedisAccess,
  onMessage: OnMessage | undefined,
): Promise<RedisConnection> {
  let address = node
  for (let moves = 0; ; moves++) {
    try {
      return await openProbed(settings, address, access, onMessage)
    } catch (error) {
      const { movedTo, kind, message } = faultOf(error)
      if (movedTo === undefined) throw new RedisFault(kind, address === node ? '' : formatAddress(address))
      if (moves === maxMoves || !isPort(movedTo.port)) throw new RedisFault('cluster_down', message)
      address = { host: movedTo.host === '' ? address.host : movedTo.host, port: movedTo.port }
    }
  }
}

async function openProbed(
  settings: RedisSettings,
  address: ServerAddress,
  access: RedisAccess,
  onMessage: OnMessage | undefined,
): Promise<RedisConnection> {
  const connection = await connectRedis(address, access, onMessage)
  try {
    await probe(settings, connection)
    return connection
  } catch (error) {
    connection.drop()
    throw error
  }
}

/** What a server answers that is well and serves somebody else, or nobody. */
const unserved: ReadonlySet<RedisFaultKind> = new Set([
  'timeout',
  'closed',
  'failed',
  'not_redis',
  'too_long',
  'tls_perhaps',
  'tls_wanted',
  'no_password',
  'denied',
  'full_house',
  'moved',
  'cluster_down',
  'loading',
  'master_down',
])

/**
 * Asks for what each user of ours may read. Any answer that is about the key and not about the server will do.
 * @throws {RedisFault}
 */
export async function probe(settings: RedisSettings, connection: RedisConnection): Promise<void> {
  try {
    await connection.call(probeDeadlineMs, 'zcard', redisName(settings, 'revocations'))
  } catch (error) {
    const fault = faultOf(error)
    if (unserved.has(fault.kind)) throw fault
  }
}

/** The first that succeeds, asked one after the other; else the fault that says most. */
async function firstOf<T>(
  addresses: readonly ServerAddress[],
  ask: (address: ServerAddress) => Promise<T>,
): Promise<T> {
  const faults: RedisFault[] = []
  for (const address of addresses) {
    try {
      return await ask(address)
    } catch (error) {
      faults.push(faultOf(error))
    }
  }
  // One that answers with a reason knows more than one that is not there.
  throw faults.find(({ kind }) => !isAway.has(kind)) ?? faults[0] ?? new RedisFault('failed')
}

const isAway: ReadonlySet<RedisFaultKind> = new Set(['refused', 'dns', 'unreachable', 'timeout', 'closed'])

function isPort(port: number): boolean {
  return Number.isInteger(port) && port > 0 && port < 65_536
}
