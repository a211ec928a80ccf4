// Makes the settings of the store, and sees to what needs one.
import { resolveFile } from './issuer-table.ts'
import type { RedisSettings, RedisUser, StoreSettings } from './mesh.ts'
import type { Path, ProblemSink } from './problem.ts'
import type { EffectiveSettings } from './schema.ts'
import { didYouMean } from './suggest.ts'

type RedisEntry = Extract<EffectiveSettings['store'], object>['redis']

const inRedis = (...steps: string[]): Path => ['store', 'redis', ...steps]

/** The files that a store's entry names, each with its path. */
export function storeFiles(store: EffectiveSettings['store']): { path: Path; file: string | undefined }[] {
  if (store === 'memory') return []
  // The revoker's password is not among them: whoever has it may revoke, which is not for every sidecar.
  const { tls, sentinel, password_file: passwordFile } = store.redis
  return [
    { path: inRedis('tls', 'ca'), file: tls?.ca },
    { path: inRedis('tls', 'certificate'), file: tls?.certificate },
    { path: inRedis('tls', 'key'), file: tls?.key },
    { path: inRedis('password_file'), file: passwordFile },
    { path: inRedis('sentinel', 'password_file'), file: sentinel.password_file },
  ]
}

export function makeStore(
  store: EffectiveSettings['store'],
  folder: string,
  problems: ProblemSink,
): StoreSettings {
  if (store === 'memory') return { kind: 'memory' }
  const { redis } = store
  const resolved = (file: string | undefined) => (file === undefined ? undefined : resolveFile(folder, file))
  const userOf = (given: {
    username?: string | undefined
    password_file?: string | undefined
  }): RedisUser => ({
    ...(given.username === undefined ? {} : { username: given.username }),
    ...(given.password_file === undefined ? {} : { passwordFile: resolveFile(folder, given.password_file) }),
  })
  const servers = serversOf(redis, userOf(redis.sentinel), problems)
  checkTls(redis, problems)
  if (servers === undefined) return { kind: 'memory' }
  const tls = redis.tls ?? (redis.url?.tls === true ? {} : undefined)
  const [caFile, certificateFile, keyFile] = [tls?.ca, tls?.certificate, tls?.key].map(resolved)
  return {
    kind: 'redis',
    servers,
    tls: tls && {
      ...(caFile === undefined ? {} : { caFile }),
      ...(certificateFile === undefined ? {} : { certificateFile }),
      ...(keyFile === undefined ? {} : { keyFile }),
    },
    user: userOf(redis),
    revoker: redis.revoker && userOf(redis.revoker),
    prefix: redis.prefix,
  }
}

function serversOf(
  { url, sentinels, cluster, master }: RedisEntry,
  user: RedisUser,
  problems: ProblemSink,
): RedisSettings['servers'] | undefined {
  const given = [url, sentinels, cluster].filter((each) => each !== undefined)
  if (given.length !== 1) {
    const found = given.length === 0 ? 'says none of' : 'says more than one of'
    problems.error(
      ['store', 'redis'],
      `${found} url, sentinels and cluster; write the one that it is reached by`,
    )
  }
  if (sentinels !== undefined) return { kind: 'sentinel', sentinels, master, user }
  if (cluster !== undefined) return { kind: 'cluster', nodes: cluster }
  return url && { kind: 'standalone', address: { host: url.host, port: url.port } }
}

function checkTls({ url, tls }: RedisEntry, problems: ProblemSink): void {
  if (url?.tls === false && tls !== undefined) {
    problems.error(
      ['store', 'redis', 'tls'],
      'has no effect with a redis:// URL; write rediss://, or remove it',
    )
  }
  if ((tls?.certificate === undefined) !== (tls?.key === undefined)) {
    problems.error(['store', 'redis', 'tls'], 'needs both certificate and key, or neither')
  }
}

/**
 * What is shared through a store has no effect without one; and what is revoked through one is revoked of the issuer's
 * name, which without a name is its position.
 */
export function checkSharing(settings: EffectiveSettings, problems: ProblemSink): void {
  if (settings.store === 'memory') warnWithoutStore(settings, problems)
  else {
    warnOfPositions(settings, problems)
    warnOfUnsigned(settings, problems)
  }
}

function warnOfUnsigned(
  { share_with: shareWith, credential }: EffectiveSettings,
  problems: ProblemSink,
): void {
  if (shareWith.length === 0 || credential.certificate !== undefined) return
  problems.warn(
    ['share_with'],
    'has no effect without credential.certificate: shared sessions are signed by the service',
  )
}

function warnOfPositions({ issuers = [] }: EffectiveSettings, problems: ProblemSink): void {
  for (const [index, { name }] of issuers.entries()) {
    if (name !== undefined) continue
    const message =
      'has no name: revocations in the store are of an issuer by its name, and by its position where it has none. Give it a name that stays'
    problems.warn(['issuers', index], message)
  }
}

function warnWithoutStore(settings: EffectiveSettings, problems: ProblemSink): void {
  const idle: [Path, boolean][] = [
    ['share_with', settings.share_with.length > 0] as const,
    ['revocation_max_age', settings.revocation_max_age > 0] as const,
  ].map(([key, isGiven]) => [[key], isGiven])
  for (const [index, issuer] of (settings.issuers ?? []).entries())
    idle.push([['issuers', index, 'jwks_from'], (issuer.jwks_from ?? []).length > 0])
  for (const [path, isGiven] of idle) {
    if (isGiven)
      problems.warn(path, 'has no effect with `store: memory`: it is about what sidecars share through Redis')
  }
}

/** The services that a service shares its sessions with. */
export function readShareWith(
  given: readonly string[],
  services: ReadonlySet<string>,
  problems: ProblemSink,
): ReadonlySet<string> {
  for (const [index, name] of given.entries()) {
    if (services.has(name)) continue
    problems.error(
      ['share_with', index],
      `no route belongs to a service "${name}"${didYouMean(name, [...services])}`,
    )
  }
  return new Set(given)
}
