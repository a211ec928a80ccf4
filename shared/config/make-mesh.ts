// Puts the mesh of one service together from entries that were read, and checks them against each other.
import { posix } from 'node:path'
import { canonicalName } from '../headers/names.ts'
import { meshIssuerName } from '../identity.ts'
import { makeClaimHeaders } from './claim-headers.ts'
import type { Findings } from './findings.ts'
import {
  checkEdges,
  checkMeshNames,
  checkOwnMesh,
  issuerName,
  makeIssuers,
  makeTrustDomains,
  resolveFile,
} from './issuer-table.ts'
import { isMap } from './layers.ts'
import type { Mesh, Route } from './mesh.ts'
import type { ProblemSink } from './problem.ts'
import { makeRoutes, type PlacedRoute } from './route-table.ts'
import type { EffectiveSettings } from './schema.ts'
import {
  checkApp,
  checkCredential,
  checkLoopback,
  checkPorts,
  makeCredential,
  readCalls,
} from './service-settings.ts'
import { readSettings, type Settings } from './settings.ts'
import type { FileReference, MeshSource } from './source.ts'
import { didYouMean } from './suggest.ts'
import { checkSharing, makeStore, readShareWith } from './store-settings.ts'
import { checkTls } from './tls-settings.ts'

export interface MeshParts {
  readonly source: MeshSource
  /** The whole file as plain values. */
  readonly root: Readonly<Record<string, unknown>>
  readonly placed: readonly PlacedRoute[]
  /** Undefined where it is not known; then only what all services share is checked. */
  readonly service: string | undefined
  readonly findings: Findings
}

/** The mesh is of use only where no error was found. */
export function makeMesh(parts: MeshParts): { mesh: Mesh | undefined; files: FileReference[] } {
  const { source, root, placed, service, findings } = parts
  const folder = source.folder ?? posix.dirname(source.file)
  const settings = readSettings({ root, service, overrides: source.overrides ?? [], findings })
  const routeNames = namesOf(root['routes'])
  const routes = makeRoutes(placed, {
    routeNames,
    issuerNames: issuerNamesOf(root),
    folder,
    problems: findings,
  })
  const { values, sink, broken } = settings
  const hosts = new Set(routes.map((route) => route.host))
  const issuers = makeIssuers(values.issuers ?? [], folder, hosts, sink)
  if (!broken.has('issuers')) checkEdges(values.issuers ?? [], values.mesh.evidence === 'require', sink)
  if (!broken.has('mesh')) checkOwnMesh(values.mesh, sink)
  checkMeshNames(values.mesh, issuers, routes, sink)
  checkSomeoneSigns(settings)
  const claimHeaders = makeClaimHeaders(values.jwt_claims_headers, sink)
  const accountsByService = readAccounts(placed, values.mesh.evidence === 'require', findings)
  const store = broken.has('store') ? { kind: 'memory' as const } : makeStore(values.store, folder, sink)
  if (!broken.has('store') && !broken.has('issuers')) checkSharing(values, sink)
  checkEvidence(settings, accountsByService)
  const files = [...settings.files(folder), ...routeFiles(placed, folder)]
  if (service === undefined) return { mesh: undefined, files }

  const accounts = accountsByService.get(service) ?? new Set()
  const calls = readCalls(values.calls, routeNames, sink)
  checkLoopback(values.listen, sink)
  if (!broken.has('listen')) checkPorts(values.listen, sink)
  if (!['app', 'ports', 'listen'].some((key) => broken.has(key))) checkApp(values, sink)
  if (!['credential', 'mesh', 'calls'].some((key) => broken.has(key))) {
    checkCredential({ service, settings: values, accounts, calls, routes }, sink)
  }
  if (!['credential', 'mesh', 'issuers'].some((key) => broken.has(key))) checkTls(values, sink)
  const shareWith = readShareWith(values.share_with, new Set(accountsByService.keys()), sink)
  const ownRoutes = routes.filter((route) => route.service === service)
  const mesh: Mesh = {
    service,
    issuers,
    trustDomains: makeTrustDomains(
      values.mesh,
      new Set([...accountsByService.values()].flatMap((each) => [...each])),
      folder,
    ),
    routes,
    ownRoutes: Map.groupBy(ownRoutes, (route) => route.host),
    routesByHost: byHost(routes),
    accounts,
    accountsByService,
    signersByService: readSigners(root, accountsByService),
    shareWith,
    sharedBy: readSharedBy(root, service),
    calls,
    claimHeaders,
    claimHeaderNames: new Set(claimHeaders.map(({ header }) => canonicalName(header))),
    ...listeners(values, folder),
    credential: makeCredential(values.credential, folder),
    store,
    telemetry: {
      users: values.telemetry.users,
      pseudonymKeyFile: resolveOptional(folder, values.telemetry.pseudonym_key_file),
    },
    audit: broken.has('audit') ? { to: 'off' } : makeAudit(values.audit, folder, sink),
    ...behaviour(values),
  }
  return { mesh, files }
}

function makeAudit(
  { to, file }: EffectiveSettings['audit'],
  folder: string,
  sink: ProblemSink,
): Mesh['audit'] {
  if (to !== 'file') {
    if (file !== undefined) sink.warn(['audit', 'file'], `has no effect with \`to: ${to}\`; say \`to: file\``)
    return { to }
  }
  if (file !== undefined) return { to, file: resolveFile(folder, file) }
  sink.error(['audit'], 'needs `file`, the file that the lines go to')
  return { to: 'off' }
}

function resolveOptional(folder: string, file: string | undefined): string | undefined {
  return file === undefined ? undefined : resolveFile(folder, file)
}

function routeFiles(placed: readonly PlacedRoute[], folder: string): FileReference[] {
  return placed.flatMap(({ index, entry: { tls_custom_ca_file: file } }) =>
    file === undefined
      ? []
      : [{ path: ['routes', index, 'tls_custom_ca_file'], file: resolveFile(folder, file) }],
  )
}

function listeners(
  values: EffectiveSettings,
  folder: string,
): Pick<Mesh, 'app' | 'appByPort' | 'listen' | 'adminTokenFile'> {
  return {
    app: values.app,
    appByPort: new Map(Object.entries(values.ports).map(([port, endpoint]) => [Number(port), endpoint])),
    listen: values.listen,
    adminTokenFile: resolveOptional(folder, values.admin_token_file),
  }
}

function behaviour(
  values: EffectiveSettings,
): Pick<
  Mesh,
  | 'mode'
  | 'egress'
  | 'tls'
  | 'limits'
  | 'timeouts'
  | 'log'
  | 'evidence'
  | 'maxHops'
  | 'originalUserGraceMs'
  | 'revocationMaxAgeMs'
  | 'streamsEndAt'
> {
  const { limits, timeouts } = values
  return {
    mode: values.mode,
    egress: values.egress,
    tls: values.mesh.tls,
    limits: {
      headerBytes: limits.header_bytes,
      headers: limits.headers,
      bodyBytes: limits.body_bytes,
      connections: limits.connections,
      concurrentRequests: limits.concurrent_requests,
      queueDelayMs: limits.queue_delay,
      sessionBytes: limits.session_bytes,
    },
    timeouts: {
      headersMs: timeouts.headers,
      idleMs: timeouts.idle,
      connectMs: timeouts.connect,
      responseMs: timeouts.response,
      drainMs: timeouts.drain,
      drainDelayMs: timeouts.drain_delay,
      lingerMs: timeouts.linger,
    },
    log: {
      level: values.log.level,
      format: values.log.format,
      access: values.log.access,
      linesPerSecond: values.log.lines_per_second,
    },
    evidence: values.mesh.evidence,
    maxHops: values.mesh.max_hops,
    originalUserGraceMs: values.mesh.original_user_grace,
    revocationMaxAgeMs: values.revocation_max_age,
    streamsEndAt: values.streams.end_at,
  }
}

/** What evidence and signed keys rest on. */
function checkEvidence(
  { values, sink, broken }: Settings,
  accountsByService: ReadonlyMap<string, ReadonlySet<string>>,
): void {
  const { evidence, original_user_grace: graceMs } = values.mesh
  if (evidence === 'off' && graceMs > 0) {
    const message = 'has no effect with `evidence: off`: nothing else shows when the user came in'
    sink.warn(['mesh', 'original_user_grace'], message)
  }
  if (broken.has('issuers')) return
  const accounts = [...accountsByService.values()].flatMap((each) => [...each])
  for (const [index, { jwks_from: given = [] }] of (values.issuers ?? []).entries()) {
    for (const [i, account] of given.entries()) {
      if (accounts.includes(account)) continue
      const message = `no route has an account "${account}"${didYouMean(account, accounts)}`
      sink.error(['issuers', index, 'jwks_from', i], message)
    }
  }
}

type Root = MeshParts['root']

/** The services that say in their own entries that they share their sessions with this one. */
function readSharedBy(root: Root, service: string): ReadonlySet<string> {
  const names = isMap(root['services']) ? Object.keys(root['services']) : []
  return new Set(names.filter((name) => name !== service && sharesOf(root, name).includes(service)))
}

/** None without a store to share them through. */
function sharesOf(root: Root, name: string): readonly unknown[] {
  const entry = isMap(root['services']) ? root['services'][name] : undefined
  if (!isMap(entry) || !isMap(entry['store'] ?? root['store'])) return []
  const shareWith: unknown = entry['share_with']
  return Array.isArray(shareWith) ? shareWith : []
}

/** A worker that redeems a session makes the calls of the service that shared it. */
function readSigners(
  root: Root,
  accounts: ReadonlyMap<string, ReadonlySet<string>>,
): Map<string, ReadonlySet<string>> {
  return new Map(
    [...accounts].map(([name, own]) => {
      const sharing = [...accounts].filter(([other]) => sharesOf(root, name).includes(other))
      return [name, new Set([...own, ...sharing.flatMap(([, theirs]) => [...theirs])])]
    }),
  )
}

function byHost(routes: readonly Route[]): Map<string, Route[]> {
  const table = new Map<string, Route[]>()
  for (const route of routes) {
    for (const host of new Set([route.host, ...route.aliases])) {
      const others = table.get(host)
      if (others === undefined) table.set(host, [route])
      else others.push(route)
    }
  }
  return table
}

/** The names of all entries that have one, also of those that could not be read. */
function namesOf(entries: unknown): ReadonlySet<string> {
  const list: readonly unknown[] = Array.isArray(entries) ? entries : []
  return new Set(
    list
      .map((entry) => (isMap(entry) ? entry['name'] : undefined))
      .filter((name) => typeof name === 'string'),
  )
}

/** Of all services: a policy is the same, whichever sidecar reads it. */
function issuerNamesOf(root: Readonly<Record<string, unknown>>): ReadonlySet<string> {
  const names = new Set([meshIssuerName])
  const layers: readonly unknown[] = [
    root,
    ...(isMap(root['services']) ? Object.values(root['services']) : []),
  ]
  for (const layer of layers.filter(isMap)) {
    const issuers: readonly unknown[] = Array.isArray(layer['issuers']) ? layer['issuers'] : []
    for (const [index, entry] of issuers.entries()) {
      const name = isMap(entry) ? entry['name'] : undefined
      names.add(issuerName({ name: typeof name === 'string' ? name : undefined }, index))
    }
    const trust: unknown = isMap(layer['mesh']) ? layer['mesh']['trust'] : undefined
    for (const entry of Array.isArray(trust) ? (trust as readonly unknown[]) : []) {
      if (isMap(entry) && typeof entry['issuer'] === 'string') names.add(entry['issuer'])
    }
  }
  return names
}

function checkSomeoneSigns({ values, sink, broken }: Settings): void {
  if (broken.has('issuers') || broken.has('mesh') || (values.issuers ?? []).length > 0) return
  if (values.mesh.ca !== undefined || values.mesh.trust.length > 0) {
    sink.warn(
      ['issuers'],
      'is missing: only service accounts are admitted, since no one may sign assertions about users',
    )
    return
  }
  sink.error(
    ['issuers'],
    'is missing: no one may sign assertions, so nobody could be admitted. Name your Pomerium, with issuer: [hostOnly, uri] and the URL of its keys in jwks',
  )
}

/** The accounts of each service. One that two services share cannot tell which of them is calling. */
function readAccounts(
  placed: readonly PlacedRoute[],
  mustDiffer: boolean,
  problems: ProblemSink,
): Map<string, Set<string>> {
  const accounts = new Map<string, Set<string>>()
  const owners = new Map<string, string>()
  for (const { index, entry } of placed) {
    const service = entry.service ?? entry.name
    const own = accounts.get(service) ?? new Set()
    accounts.set(service, own)
    for (const account of entry.account) {
      own.add(account)
      const owner = owners.get(account) ?? service
      owners.set(account, owner)
      if (owner === service) continue
      const message = `account ${account} is that of service ${owner} too, so who is called cannot tell the two apart; give each its own`
      if (mustDiffer) problems.error(['routes', index, 'account'], message)
      else problems.warn(['routes', index, 'account'], message)
    }
  }
  return accounts
}
