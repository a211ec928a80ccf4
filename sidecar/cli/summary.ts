// What a sidecar will do by its mesh file, in words and as data.
import type {
  Endpoint,
  ListenAddress,
  Mesh,
  PathMatch,
  RedisSettings,
  Route,
} from '../../shared/config/mesh.ts'

export interface Summary {
  readonly service: string
  readonly mode: Mesh['mode']
  readonly listen: Readonly<Record<keyof Mesh['listen'], readonly string[]>>
  /** Undefined where there is none for all ports. */
  readonly app: string | undefined
  readonly routes: readonly {
    readonly route: string
    readonly host: string
    readonly paths: string
    readonly admits: string
  }[]
  /** Who may sign what is accepted. */
  readonly accepts: readonly string[]
  readonly calls: readonly {
    readonly route: string
    readonly hosts: readonly string[]
    readonly to: string
    readonly via: Route['via']
  }[]
  /** What is spoken inbound. */
  readonly speaks: string
  readonly attaches: readonly string[]
  /** When a call on behalf of a user must show how it came. */
  readonly evidence: string
  /** What goes through the store. */
  readonly shares: readonly string[]
}

/** `policyKinds` say by a route's name whom it admits. */
export function summarize(mesh: Mesh, policyKinds: ReadonlyMap<string, string>): Summary {
  const own = mesh.routes.filter((route) => route.service === mesh.service)
  const called = mesh.routes.filter((route) => route.service !== mesh.service && mesh.calls.has(route.name))
  const { inbound, outbound, admin, probes } = mesh.listen
  return {
    service: mesh.service,
    mode: mesh.mode,
    listen: {
      inbound: inbound.map(formatAddress),
      outbound: outbound.map(formatAddress),
      admin: admin.map(formatAddress),
      probes: probes.map(formatAddress),
    },
    app: mesh.app === undefined ? undefined : formatEndpoint(mesh.app),
    routes: own.map((route) => ({
      route: route.name,
      host: route.host,
      // Its requests come here as they are rewritten.
      paths: formatMatch(route.arriving),
      admits: policyKinds.get(route.name) ?? 'nobody',
    })),
    accepts: [
      ...mesh.issuers.map((issuer) => `users signed by issuer ${issuer.name}`),
      ...mesh.trustDomains.map((domain) => `accounts of ${domain.issuer}`),
    ],
    calls: called.map((route) => ({
      route: route.name,
      hosts: [route.host, ...route.aliases],
      to: (route.via === 'mesh' ? route.to.map(({ endpoint }) => endpoint) : [route.from])
        .map(formatEndpoint)
        .join(', '),
      via: route.via,
    })),
    speaks: describeTls(mesh),
    attaches: describeCredential(mesh),
    evidence: evidenceWords[mesh.evidence],
    shares: describeSharing(mesh),
  }
}

function describeTls({ tls, credential, trustDomains }: Mesh): string {
  if (tls === 'strict') return 'mutual TLS alone'
  const hasCertificate = credential.certificateFile !== undefined && trustDomains.length > 0
  return tls === 'off' || !hasCertificate ? 'clear text alone' : 'clear text, TLS and mutual TLS'
}

function describeCredential(mesh: Mesh): string[] {
  const { certificateFile, tokenFile } = mesh.credential
  const accounts = [...mesh.accounts].join(', ')
  const hasMesh = mesh.trustDomains.some((domain) => domain.name === 'mesh')
  return [
    ...(certificateFile !== undefined && hasMesh && accounts !== '' ? [`assertions as ${accounts}`] : []),
    ...(tokenFile === undefined ? [] : ["Pomerium's token"]),
  ]
}

const evidenceWords: Readonly<Record<Mesh['evidence'], string>> = {
  off: 'none: links are neither sent nor read',
  verify: 'needed where an account of the mesh calls on behalf of a user',
  require: 'needed for each call on behalf of a user',
}

function describeSharing({ store, shareWith, sharedBy, service }: Mesh): string[] {
  if (store.kind === 'memory') return []
  const others = [...shareWith].filter((name) => name !== service)
  return [
    `certificates, word of keys, and revocations through ${formatServers(store)}`,
    ...(shareWith.size === 0 ? [] : [`sessions with ${['its own pods', ...others].join(', ')}`]),
    ...(sharedBy.size === 0 ? [] : [`sessions of ${[...sharedBy].join(', ')}`]),
  ]
}

function formatServers({ servers, tls }: RedisSettings): string {
  const secured = tls === undefined ? '' : ' over TLS'
  switch (servers.kind) {
    case 'standalone':
      return `the Redis at ${formatAddress(servers.address)}${secured}`
    case 'sentinel':
      return `the Redis ${servers.master} of the sentinels ${servers.sentinels.map(formatAddress).join(', ')}${secured}`
    case 'cluster':
      return `the Redis cluster at ${servers.nodes.map(formatAddress).join(', ')}${secured}`
  }
}

export function formatSummary(summary: Summary): string {
  const { listen, routes, calls } = summary
  const mode =
    summary.mode === 'enforce'
      ? 'refuses what its policies do not allow'
      : 'reports only, and lets everything through'
  const lines: [string, string][] = [
    ...Object.entries(listen).map(([name, addresses], i): [string, string] => [
      i === 0 ? 'listens' : '',
      `${name} on ${addresses.join(', ')}`,
    ]),
    ['speaks', summary.speaks],
    ['forwards', summary.app === undefined ? 'to no app' : `to ${summary.app}`],
    ...titled('accepts', summary.accepts),
    ...titled(
      'serves',
      routes.map((each) => `${each.route}: ${each.host}${each.paths}, admits ${each.admits}`),
    ),
    ...titled(
      'calls',
      calls.map(
        (each) =>
          `${each.route}: ${each.hosts.join(', ')} at ${each.to}${each.via === 'pomerium' ? ' by way of Pomerium' : ''}`,
      ),
    ),
    ...titled('attaches', summary.attaches),
    ['evidence', summary.evidence],
    ...titled('shares', summary.shares),
  ]
  const body = lines.map(([title, text]) => `  ${title.padEnd(9)} ${text}\n`).join('')
  return `${summary.service} ${mode}\n${body}`
}

function titled(title: string, items: readonly string[]): [string, string][] {
  return items.length === 0 ? [[title, 'nothing']] : items.map((item, i) => [i === 0 ? title : '', item])
}

function formatMatch(match: PathMatch): string {
  switch (match.kind) {
    case 'any':
      return ''
    case 'prefix':
      return ` (paths beginning with ${match.prefix})`
    case 'path':
      return ` (path ${match.path})`
  }
  return ` (paths matching ${match.regex.source})`
}

function formatAddress({ host, port }: ListenAddress): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

function formatEndpoint(endpoint: Endpoint): string {
  const standardPort = endpoint.tls ? 443 : 80
  const host = endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host
  return `${endpoint.tls ? 'https' : 'http'}://${host}${endpoint.port === standardPort ? '' : `:${endpoint.port}`}`
}
