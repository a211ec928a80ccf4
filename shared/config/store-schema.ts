// The schema of the store: nothing but memory, or the Redis that the sidecars of a mesh share.
import * as v from 'valibot'
import type { Parsed } from './address.ts'
import { expected, fileName, list, parsed, section, text } from './fields.ts'
import type { ServerAddress } from './mesh.ts'

const defaultPort = 6379
const sentinelPort = 26379

const address = (about: string, port: number) =>
  parsed<ServerAddress>(about, 'an address such as redis.example.com:6379', (given) =>
    parseServerAddress(given, port),
  )

const addresses = (about: string, item: string, port: number) =>
  v.pipe(list(about, address(item, port), 'a list of addresses'), v.nonEmpty('names no address'))

const user = {
  username: v.optional(text('The ACL user. Default: the one that Redis calls default.')),
  password_file: v.optional(fileName('File with the password; it is read anew at each connection.')),
}

/** A connection of Redis' own scheme; where it says a user or a database, that would have no effect or be a secret. */
export interface RedisUrl extends ServerAddress {
  readonly tls: boolean
}

const redis = section('The Redis that sidecars share; exactly one of url, sentinels and cluster.', {
  url: v.optional(
    parsed<RedisUrl>('A single Redis: redis:// or, with TLS, rediss://.', 'a URL', parseRedisUrl, {
      examples: ['rediss://redis.example.com:6379'],
    }),
  ),
  sentinels: v.optional(
    addresses('The sentinels that know where the master is.', 'A sentinel.', sentinelPort),
  ),
  master: v.optional(text('The name under which the sentinels know it.'), 'mymaster'),
  sentinel: v.optional(section('Who asks the sentinels, where they ask who asks.', user), {}),
  cluster: v.optional(
    addresses('Nodes of a cluster, from which the others are found.', 'A node.', defaultPort),
  ),
  tls: v.optional(
    section('TLS, with verification always; for sentinels and cluster this key turns it on.', {
      ca: v.optional(fileName("PEM file of a private CA. Default: the system's CAs.")),
      certificate: v.optional(fileName('PEM file with a client certificate.')),
      key: v.optional(fileName('PEM file with its private key.')),
    }),
  ),
  ...user,
  revoker: v.optional(
    section(
      'Who may write revocations, where that is somebody else than who may write the rest. A sidecar that can read the password writes back what is missing; one that cannot, only reads.',
      user,
    ),
  ),
  prefix: v.optional(parsed('What all keys and channels begin with.', 'a name', parsePrefix), 'onbehalf'),
})

export const storeSchema = v.pipe(
  v.union(
    [v.literal('memory'), section('A Redis.', { redis })],
    expected('memory, or redis with how to reach it'),
  ),
  v.metadata({
    description:
      'Where sidecars share certificates, keys, sessions and revocations: `memory` (nowhere) or a Redis.',
  }),
)

export type StoreEntry = v.InferOutput<typeof storeSchema>

/** `redis://` before it says nothing more; whether TLS is spoken, `tls` says for all of them. */
function parseServerAddress(written: string, port: number): Parsed<ServerAddress> {
  const given = written.replace(/^redis:\/\//, '')
  const url = /[\s/?#@\\]/.test(given) ? null : URL.parse(`redis://${given}`)
  if (url === null || url.hostname === '' || url.port === '0') {
    return { fault: 'must be a host and a port, such as redis.example.com:6379' }
  }
  return { value: { host: bareHost(url), port: url.port === '' ? port : Number(url.port) } }
}

function parseRedisUrl(given: string): Parsed<RedisUrl> {
  const url = URL.parse(given)
  if (url === null || !['redis:', 'rediss:'].includes(url.protocol) || url.hostname === '') {
    return { fault: 'must be a URL such as rediss://redis.example.com:6379' }
  }
  if (url.username !== '' || url.password !== '') {
    return { fault: 'must not hold a user name or password: write username and password_file' }
  }
  if (!['', '/'].includes(url.pathname) || url.search !== '' || url.hash !== '') {
    return { fault: 'must end after the host and port: a database or query has no effect here' }
  }
  if (url.port === '0') return { fault: 'must not have port 0' }
  const port = url.port === '' ? defaultPort : Number(url.port)
  return { value: { tls: url.protocol === 'rediss:', host: bareHost(url), port } }
}

function bareHost({ hostname }: URL): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
}

function parsePrefix(given: string): Parsed<string> {
  const isName = /^[A-Za-z0-9._-]{1,64}$/.test(given)
  return isName ? { value: given } : { fault: 'must be letters, digits, dots, dashes and underscores' }
}
