// What `onbehalf check` says of a Redis: is it reached, is it the right one, does it keep what it is given.
import type { RedisSettings, RedisUser, ServerAddress } from '../../shared/config/mesh.ts'
import { readAccess } from '../store/redis-access.ts'
import { connectRedis, type RedisAccess, type RedisConnection } from '../store/redis-connection.ts'
import { faultOf } from '../store/redis-fault.ts'
import { askSentinel, formatAddress, openServer, probeDeadlineMs } from '../store/redis-server.ts'
import { checkRules, mayRevoke, revokerRules, sidecarRules } from './check-redis-rules.ts'
import { rowsFor, type Row } from './check-row.ts'

const rows = rowsFor('redis')

/** Never throws: whatever is wrong is a row. */
export async function checkRedis(settings: RedisSettings): Promise<Row[]> {
  const addresses = await checkAddresses(settings)
  const { connection, row } = await open(settings, settings.user)
  if (connection === undefined)
    return addresses.some(({ status }) => status === 'fail') ? addresses : [...addresses, row]
  try {
    return [
      ...addresses,
      row,
      ...(await checkMode(settings, connection)),
      ...(await checkMemory(connection)),
      ...(await checkRules(settings, settings.user, connection, sidecarRules)),
      ...(await checkRevoker(settings, connection)),
    ]
  } finally {
    connection.drop()
  }
}

interface Opened {
  readonly connection?: RedisConnection
  readonly row: Row
}

async function open(settings: RedisSettings, user: RedisUser): Promise<Opened> {
  const { servers, tls } = settings
  try {
    const connection = await openServer(settings, user)
    const how =
      tls === undefined ? 'in the clear: whoever can listen on the way reads all that is shared' : 'over TLS'
    const message = `connected to ${formatAddress(connection.address)} as ${nameOf(user)}, ${how}`
    const isExposed = tls === undefined && !isLoopback(connection.address)
    return { connection, row: isExposed ? rows.warn(message) : rows.ok(message) }
  } catch (error) {
    const where = servers.kind === 'standalone' ? `${formatAddress(servers.address)}, ` : ''
    return { row: rows.fail(`${where}as ${nameOf(user)}: ${faultOf(error).message}`) }
  }
}

export function nameOf({ username }: RedisUser): string {
  return `user ${username ?? 'default'}`
}

function isLoopback({ host }: ServerAddress): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.')
}

/** Each sentinel, and each node that is named. */
async function checkAddresses({ servers, tls, user }: RedisSettings): Promise<Row[]> {
  if (servers.kind === 'standalone') return []
  const asker = servers.kind === 'sentinel' ? servers.user : user
  const access = await readAccess(tls, asker).catch((error: unknown) => rows.fail(faultOf(error).message))
  if ('status' in access) return [access]
  return servers.kind === 'sentinel'
    ? checkSentinels(servers.sentinels, servers.master, access)
    : checkNodes(servers.nodes, access)
}

async function checkSentinels(
  sentinels: readonly ServerAddress[],
  master: string,
  access: RedisAccess,
): Promise<Row[]> {
  const answers = await Promise.all(
    sentinels.map(async (sentinel): Promise<Found> => {
      const name = `sentinel ${formatAddress(sentinel)}`
      try {
        return { name, says: formatAddress(await askSentinel(sentinel, master, access)) }
      } catch (error) {
        return { name, fault: faultOf(error).message }
      }
    }),
  )
  const masters = new Set(answers.flatMap(({ says }) => says ?? []))
  const rest =
    masters.size > 1
      ? [
          rows.warn(
            `the sentinels name different masters: ${[...masters].join(', ')}; is a failover under way?`,
          ),
        ]
      : []
  return [...describeFound(answers, (says) => `says that the master ${master} is ${says}`), ...rest]
}

async function checkNodes(nodes: readonly ServerAddress[], access: RedisAccess): Promise<Row[]> {
  const answers = await Promise.all(
    nodes.map(async (node): Promise<Found> => {
      const name = `node ${formatAddress(node)}`
      try {
        const connection = await connectRedis(node, access)
        const hello = await sayHello(connection).finally(() => connection.drop())
        return { name, says: `Redis ${hello.version}, ${hello.role} in mode ${hello.mode}` }
      } catch (error) {
        return { name, fault: faultOf(error).message }
      }
    }),
  )
  return describeFound(answers, (says) => says)
}

interface Found {
  readonly name: string
  readonly says?: string
  readonly fault?: string
}

/** One of several that is away is a warning; all of them, a failure. */
function describeFound(found: readonly Found[], words: (says: string) => string): Row[] {
  const anyAnswers = found.some(({ says }) => says !== undefined)
  return found.map(({ name, says, fault }) => {
    if (says !== undefined) return rows.ok(`${name}: ${words(says)}`)
    return (anyAnswers ? rows.warn : rows.fail)(`${name}: ${fault}`)
  })
}

interface Hello {
  readonly version: string
  readonly mode: string
  readonly role: string
}

/** What a server says of itself to everybody: HELLO needs no ACL rule. @throws {RedisFault} */
async function sayHello(connection: RedisConnection): Promise<Hello> {
  const reply = await connection.call(probeDeadlineMs, 'hello', 2)
  const flat = Array.isArray(reply) ? (reply as unknown[]) : []
  const field = (name: string) => {
    const value = flat[flat.indexOf(name) + 1]
    return flat.includes(name) && typeof value === 'string' ? value : 'unknown'
  }
  return { version: field('version'), mode: field('mode'), role: field('role') }
}

async function checkMode({ servers }: RedisSettings, connection: RedisConnection): Promise<Row[]> {
  try {
    const { version, mode, role } = await sayHello(connection)
    return [
      isOldVersion(version)
        ? rows.fail(
            `it is Redis ${version}, which lacks ZADD GT: revocations cannot be written. Use 6.2 or later`,
          )
        : rows.ok(`it is Redis ${version}`),
      ...wrongMode(servers.kind, mode),
      ...(role === 'replica' ? [rows.fail(replicaWords)] : []),
    ]
  } catch (error) {
    return [rows.warn(`its version cannot be told: ${faultOf(error).message}`)]
  }
}

const replicaWords =
  'it is a replica, which cannot be written to: certificates would never be published. Name the master in store.redis.url, or its sentinels'

function wrongMode(kind: RedisSettings['servers']['kind'], mode: string): Row[] {
  if (mode === 'sentinel') {
    return [rows.fail('it is a sentinel, which keeps nothing: name it in store.redis.sentinels')]
  }
  if (kind !== 'cluster' && mode === 'cluster') {
    return [
      rows.fail(
        'it is a node of a cluster: name the nodes in store.redis.cluster, or nothing is found when its slots move',
      ),
    ]
  }
  if (kind === 'cluster' && mode === 'standalone') {
    return [rows.fail('it is no node of a cluster: name it in store.redis.url')]
  }
  return []
}

function isOldVersion(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major < 6 || (major === 6 && minor < 2)
}

/** From so much of it on, memory counts as nearly full. */
const nearlyFull = 0.9

async function checkMemory(connection: RedisConnection): Promise<Row[]> {
  try {
    const reply = await connection.call(probeDeadlineMs, 'info', 'memory')
    const info = new Map(
      String(reply)
        .split('\r\n')
        .map((line) => line.split(':') as [string, string]),
    )
    const policy = info.get('maxmemory_policy') ?? 'unknown'
    return [
      describePolicy(policy),
      describeUse(Number(info.get('used_memory')), Number(info.get('maxmemory'))),
    ]
  } catch (error) {
    const { kind, message } = faultOf(error)
    if (kind !== 'not_permitted') return [rows.warn(`its memory cannot be told: ${message}`)]
    return [
      rows.info(
        'this user may not ask for memory and eviction policy (+info): see yourself that maxmemory-policy is noeviction or begins with volatile-',
      ),
    ]
  }
}

function describePolicy(policy: string): Row {
  if (policy === 'noeviction' || policy.startsWith('volatile-'))
    return rows.ok(`eviction policy ${policy} keeps revocations`)
  return rows.fail(
    `eviction policy ${policy} can lose revocations when memory is full: set maxmemory-policy to noeviction, or to volatile-ttl`,
  )
}

function describeUse(used: number, most: number): Row {
  if (!(most > 0)) return rows.ok(`${formatBytes(used)} of memory in use, without a limit (maxmemory)`)
  const words = `${formatBytes(used)} of ${formatBytes(most)} of memory in use`
  if (used >= most) return rows.fail(`${words}: it is full, and takes nothing more. Give it more (maxmemory)`)
  if (used >= most * nearlyFull) return rows.warn(`${words}: it is nearly full. Give it more (maxmemory)`)
  return rows.ok(words)
}

function formatBytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`
}

/** Who may revoke: rightly somebody else than a sidecar. */
async function checkRevoker(settings: RedisSettings, connection: RedisConnection): Promise<Row[]> {
  const { user, revoker } = settings
  const sidecarMay = await mayRevoke(settings, connection)
  if (revoker === undefined) {
    return [
      sidecarMay
        ? rows.info(
            `${nameOf(user)} may write revocations: so may whoever takes over a sidecar. Give revoking a user of its own (store.redis.revoker)`,
          )
        : rows.info(
            `${nameOf(user)} may not write revocations, as it should be; \`onbehalf revoke\` needs store.redis.revoker`,
          ),
    ]
  }
  const opened = await open(settings, revoker)
  if (opened.connection === undefined) return [opened.row]
  try {
    return [
      sidecarMay
        ? rows.warn(
            `${nameOf(user)} may write revocations too, beside ${nameOf(revoker)}: take that from it, as deploy/redis/README.md shows`,
          )
        : rows.ok(`only ${nameOf(revoker)} may write revocations, not ${nameOf(user)}`),
      ...(await checkRules(settings, revoker, opened.connection, revokerRules)),
    ]
  } finally {
    opened.connection.drop()
  }
}
