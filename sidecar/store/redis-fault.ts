// What goes wrong with a Redis, by kind and in words for whoever runs it. What a server said is never repeated: some
// repeat a password in their errors.
import type { ServerAddress } from '../../shared/config/mesh.ts'

/** The closed list of kinds. Each has its words in {@link faultWords}. */
export type RedisFaultKind = keyof typeof faultWords

const faultWords = {
  refused: 'nothing listens there; is it running, and is this its port?',
  dns: 'its name is not known to DNS',
  unreachable: 'there is no way to it from here; is a network policy or a firewall between?',
  timeout: 'no answer in time; is it overloaded or frozen, or is a firewall between?',
  closed: 'it closed the connection',
  file: 'a file that is needed to connect cannot be read',
  tls_ca: 'its certificate is of a CA that is not known here; name the CA file in store.redis.tls.ca',
  tls_name:
    'its certificate is not for this name; use a name of the certificate, or have one issued for this name',
  tls_expired: 'its certificate is not valid now; renew it, and look at the clocks of both sides',
  tls_plain: 'it does not speak TLS on this port; use its TLS port, or redis:// where TLS is not wanted',
  tls_silent:
    'it takes the connection, and does not answer in TLS; is this its TLS port? Use redis:// where TLS is not wanted',
  tls_perhaps: 'it closed the connection before it said anything; where it wants TLS, use rediss://',
  tls_wanted: 'it speaks TLS on this port; use rediss://',
  tls_client:
    'it wants a client certificate that it knows; name certificate and key in store.redis.tls, of a CA that it trusts',
  tls: 'TLS cannot be set up with it',
  wrong_password: 'it does not know this username with this password, or the user is off',
  no_password:
    'it wants a username and password; name both in store.redis, or for who revokes in store.redis.revoker',
  denied: 'it takes no connections from elsewhere without a password (protected mode)',
  full_house: 'it has as many clients as it takes (maxclients)',
  not_permitted: 'an ACL rule is missing for this user',
  read_only: 'it is a replica, which cannot be written to; name the master, or its sentinels',
  moved:
    'it is one node of a cluster that keeps this prefix elsewhere; name the nodes in store.redis.cluster',
  cluster_down: 'its cluster does not serve all slots now',
  no_sentinel: 'it is no sentinel; name the sentinels, or one Redis in store.redis.url',
  unknown_master: 'the sentinel knows no master of that name; see store.redis.master',
  no_master: 'no sentinel says where the master is',
  loading: 'it is still loading its data',
  master_down: 'it is a replica without its master',
  out_of_memory: 'its memory is full (maxmemory): nothing can be written',
  not_writable: 'it refuses to write, since it cannot persist or replicate (MISCONF, NOREPLICAS)',
  wrong_type: 'somebody else keeps something of another type under this key',
  too_long: 'its answer is longer than any that is expected',
  not_redis: 'what it answers is not the protocol of Redis; is this the port of something else?',
  unexpected: 'it answers with something else than it is asked for',
  error_reply: 'it answers with an error',
  failed: 'the connection failed',
} as const

export class RedisFault extends Error {
  override readonly name = 'RedisFault'
  readonly kind: RedisFaultKind
  /** Where a node of a cluster says that the key is. An empty host is the node's own. */
  readonly movedTo: ServerAddress | undefined

  constructor(kind: RedisFaultKind, detail = '', movedTo?: ServerAddress) {
    super(detail === '' ? faultWords[kind] : `${faultWords[kind]} (${detail})`)
    this.kind = kind
    this.movedTo = movedTo
  }
}

const kindBySystemCode: Readonly<Record<string, RedisFaultKind>> = {
  ECONNREFUSED: 'refused',
  ENOTFOUND: 'dns',
  EAI_AGAIN: 'dns',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  ETIMEDOUT: 'timeout',
  ECONNRESET: 'closed',
  EPIPE: 'closed',
  SELF_SIGNED_CERT_IN_CHAIN: 'tls_ca',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'tls_ca',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'tls_ca',
  UNABLE_TO_GET_ISSUER_CERT: 'tls_ca',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'tls_ca',
  CERT_SIGNATURE_FAILURE: 'tls_ca',
  ERR_TLS_CERT_ALTNAME_INVALID: 'tls_name',
  CERT_HAS_EXPIRED: 'tls_expired',
  CERT_NOT_YET_VALID: 'tls_expired',
  ERR_SSL_WRONG_VERSION_NUMBER: 'tls_plain',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'tls_plain',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'tls_client',
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: 'tls_client',
  ERR_SSL_SSL_TLS_ALERT_HANDSHAKE_FAILURE: 'tls_client',
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: 'tls_client',
  ERR_SSL_TLS_ALERT_UNKNOWN_CA: 'tls_client',
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: 'tls_client',
  ERR_SSL_SSL_TLS_ALERT_BAD_CERTIFICATE: 'tls_client',
}

const kindByReplyCode: Readonly<Record<string, RedisFaultKind>> = {
  WRONGPASS: 'wrong_password',
  NOAUTH: 'no_password',
  DENIED: 'denied',
  READONLY: 'read_only',
  MOVED: 'moved',
  ASK: 'moved',
  TRYAGAIN: 'moved',
  CLUSTERDOWN: 'cluster_down',
  LOADING: 'loading',
  MASTERDOWN: 'master_down',
  OOM: 'out_of_memory',
  MISCONF: 'not_writable',
  NOREPLICAS: 'not_writable',
  WRONGTYPE: 'wrong_type',
}

/** Brings whatever was thrown under one kind. */
export function faultOf(error: unknown): RedisFault {
  if (error instanceof RedisFault) return error
  if (!(error instanceof Error)) return new RedisFault('failed')
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  if (code !== undefined) return faultOfCode(code)
  return faultOfReply(error.message)
}

function faultOfCode(code: string): RedisFault {
  const kind = kindBySystemCode[code]
  if (kind !== undefined) return new RedisFault(kind, code)
  return /^(?:ERR_)?(?:SSL|TLS|CERT|UNABLE_TO|EPROTO)/.test(code)
    ? new RedisFault('tls', code)
    : new RedisFault('failed', code)
}

function faultOfReply(message: string): RedisFault {
  // Of an error that answers no command, ioredis says more before the server's words.
  const reply = /(?:^|Last error: )(?:-)?([A-Z]{2,20})(?= )/.exec(message)?.[1]
  if (reply === undefined)
    return message.startsWith('Connection is closed') ? new RedisFault('closed') : new RedisFault('failed')
  const moved = /^MOVED \d+ (\S*):(\d{1,5})$/.exec(message)
  if (moved !== null) {
    return new RedisFault('moved', '', { host: moved[1] as string, port: Number(moved[2]) })
  }
  if (reply === 'NOPERM' || /The user executing the script/.test(message)) return missingRule(message)
  const kind = kindByReplyCode[reply]
  if (kind !== undefined) return new RedisFault(kind)
  if (/max number of clients/.test(message)) return new RedisFault('full_house')
  if (/invalid password|no password is set|without any password configured/i.test(message))
    return new RedisFault('wrong_password')
  return new RedisFault('error_reply', reply)
}

function missingRule(message: string): RedisFault {
  const what = /\b(key|channel)s?\b/.exec(message)?.[1] ?? 'command'
  return new RedisFault('not_permitted', what)
}
