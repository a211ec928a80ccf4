// Whether the ACL of a Redis lets a user do what it needs: by doing it, on names or in ways that change nothing.
import { randomUUID } from 'node:crypto'
import type { RedisSettings, RedisUser } from '../../shared/config/mesh.ts'
import { connectRedis, type RedisConnection } from '../store/redis-connection.ts'
import { readAccess } from '../store/redis-access.ts'
import { faultOf, type RedisFault } from '../store/redis-fault.ts'
import { leaseScript, releaseScript } from '../store/redis-scripts.ts'
import { probeDeadlineMs, redisName } from '../store/redis-server.ts'
import { rowsFor, type Row } from './check-row.ts'

const rows = rowsFor('redis')

/** One thing that is done, and the rules that it takes. */
export interface Rule {
  readonly rules: string
  readonly command: string
  readonly args: (name: (relative: string) => string) => readonly (string | number)[]
}

const lifeMs = 1_000
/** No other has it, and it is gone in a second. */
const scratch = (family: string) => `${family}:check-${randomUUID()}`

const families = ['certificate', 'jwks', 'lease', 'session'] as const
const channels = ['certificates', 'jwks', 'revocations'] as const

/** What a sidecar does. */
export const sidecarRules: readonly Rule[] = [
  ...families.flatMap((family): Rule[] => [
    {
      rules: `+set ~{…}:${family}:*`,
      command: 'set',
      args: (name) => [name(scratch(family)), '', 'PX', lifeMs],
    },
    {
      rules: `+getrange ~{…}:${family}:*`,
      command: 'getrange',
      args: (name) => [name(scratch(family)), 0, 0],
    },
  ]),
  {
    rules: '+eval +get +set ~{…}:lease:*',
    command: 'eval',
    args: (name) => [leaseScript, 1, name(scratch('lease')), 'check', lifeMs],
  },
  {
    rules: '+eval +get +del ~{…}:lease:*',
    command: 'eval',
    args: (name) => [`redis.call('DEL', KEYS[1])\n${releaseScript}`, 1, name(scratch('lease')), 'check'],
  },
  { rules: '+zcard %R~{…}:revocations', command: 'zcard', args: (name) => [name('revocations')] },
  {
    rules: '+zscan %R~{…}:revocations',
    command: 'zscan',
    args: (name) => [name('revocations'), 0, 'COUNT', 1],
  },
  // An empty message tells who hears it to look, no more.
  ...(['certificates', 'jwks'] as const).map((channel): Rule => publishing(channel)),
  ...channels.map((channel): Rule => ({
    rules: `+subscribe &{…}:${channel}`,
    command: 'subscribe',
    args: (name) => [name(channel)],
  })),
  { rules: '+ping', command: 'ping', args: () => [] },
]

function publishing(channel: (typeof channels)[number]): Rule {
  return { rules: `+publish &{…}:${channel}`, command: 'publish', args: (name) => [name(channel), ''] }
}

/** Raises nothing, since it adds nothing (XX). */
const addRevocation: Rule = {
  rules: '+zadd ~{…}:revocations',
  command: 'zadd',
  args: (name) => [name('revocations'), 'XX', 'GT', 0, scratch('check')],
}

/** What `onbehalf revoke` does. */
export const revokerRules: readonly Rule[] = [
  addRevocation,
  {
    rules: '+zremrangebyscore ~{…}:revocations',
    command: 'zremrangebyscore',
    args: (name) => [name('revocations'), '-inf', '(-inf'],
  },
  { rules: '+zcard ~{…}:revocations', command: 'zcard', args: (name) => [name('revocations')] },
  publishing('revocations'),
]

export async function mayRevoke(settings: RedisSettings, connection: RedisConnection): Promise<boolean> {
  return (await attempt(settings, connection, addRevocation))?.kind !== 'not_permitted'
}

/** One row for all rules that are there, and one for each that is missing. */
export async function checkRules(
  settings: RedisSettings,
  user: RedisUser,
  connection: RedisConnection,
  rules: readonly Rule[],
): Promise<Row[]> {
  const who = `user ${user.username ?? 'default'}`
  const faults = new Map<string, RedisFault>()
  const listening = await listen(settings, user, connection)
  try {
    for (const rule of rules) {
      // On the one where a subscription is, nothing else may be done.
      const fault = await attempt(settings, isListening(rule) ? listening : connection, rule)
      if (fault !== undefined) faults.set(rule.rules, fault)
    }
  } catch (error) {
    return [rows.fail(`${who}: ${faultOf(error).message}`)]
  } finally {
    listening.drop()
  }
  if (faults.size === 0) return [rows.ok(`the ACL lets ${who} do what it needs`)]
  return [...faults].map(([rule, fault]) => describe(who, rule.replaceAll('…', settings.prefix), fault))
}

const isListening = ({ command }: Rule) => command === 'subscribe' || command === 'ping'

async function listen(
  settings: RedisSettings,
  user: RedisUser,
  { address }: RedisConnection,
): Promise<RedisConnection> {
  return connectRedis(address, await readAccess(settings.tls, user))
}

function describe(who: string, rules: string, fault: RedisFault): Row {
  if (fault.kind === 'not_permitted')
    return rows.fail(`the ACL keeps ${who} from what it needs: add ${rules}`)
  return rows.fail(`what needs ${rules} is refused to ${who}: ${fault.message}`)
}

async function attempt(
  settings: RedisSettings,
  connection: RedisConnection,
  { command, args }: Rule,
): Promise<RedisFault | undefined> {
  try {
    await connection.call(probeDeadlineMs, command, ...args((name) => redisName(settings, name)))
    return undefined
  } catch (error) {
    return faultOf(error)
  }
}
