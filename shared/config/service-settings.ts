// Makes what concerns one service alone: where it listens, its app, what it attaches and to whose calls.
import { isIP } from 'node:net'
import { isIpv6Only, isLoopback } from './address.ts'
import { resolveFile } from './issuer-table.ts'
import type { Endpoint, ListenAddress, Mesh, Route } from './mesh.ts'
import type { ProblemSink } from './problem.ts'
import { unknownRoute } from './route-table.ts'
import type { EffectiveSettings } from './schema.ts'

type Listen = Mesh['listen']

/** Whoever reaches these acts as the service, or reads what it decided. */
export function checkLoopback(listen: Listen, problems: ProblemSink): void {
  for (const name of ['outbound', 'admin'] as const) {
    for (const { host, port } of listen[name]) {
      if (isLoopback(host)) continue
      const message = `must be a loopback address such as 127.0.0.1:${port}: whoever reaches it acts as this service`
      problems.error(['listen', name], message)
    }
  }
}

/** Refuses two listeners on one port. */
export function checkPorts(listen: Listen, problems: ProblemSink): void {
  const seen: { name: string; address: Claim }[] = []
  for (const name of ['inbound', 'outbound', 'admin', 'probes'] as const) {
    for (const own of listen[name]) {
      const address = { ...own, ipv6Only: isIpv6Only(own, listen[name]) }
      const other = seen.find((each) => clashes(each.address, address))
      seen.push({ name, address })
      if (other === undefined) continue
      problems.error(
        ['listen', name],
        `listens on port ${address.port} like ${other.name}; give it another port`,
      )
    }
  }
}

interface Claim extends ListenAddress {
  readonly ipv6Only: boolean
}

/** One port of one address, or of all addresses. Port 0 is a different one each time. */
function clashes(a: Claim, b: Claim): boolean {
  if (a.port !== b.port || a.port === 0) return false
  return a.host === b.host || takes(a, b) || takes(b, a)
}

/** `::` takes the addresses of both families where it does not stand beside one of IPv4, `0.0.0.0` those of its own. */
function takes(all: Claim, other: Claim): boolean {
  if (all.host === '::') return !all.ipv6Only || isIP(other.host) !== 4
  return all.host === '0.0.0.0' && isIP(other.host) !== 6
}

export function checkApp(settings: EffectiveSettings, problems: ProblemSink): void {
  const { app, listen } = settings
  const ports = new Set(Object.keys(settings.ports).map(Number))
  const inboundPorts = new Set(listen.inbound.map((address) => address.port))
  if (app === undefined && !inboundPorts.isSubsetOf(ports)) {
    problems.warn(
      ['app'],
      'is missing: requests that are let through have nowhere to go. Write for example app: http://127.0.0.1:8080',
    )
  }
  if (app !== undefined && isOwnListener(app, listen)) {
    problems.error(
      ['app'],
      `is one of this sidecar's own listeners, so requests would go round in circles; give the port of the application`,
    )
  }
  for (const [key, endpoint] of Object.entries(settings.ports)) {
    const path = ['ports', key]
    if (!/^[1-9][0-9]{0,4}$/.test(key) || Number(key) > 65_535)
      problems.error(path, 'must be a port from 1 to 65535')
    else if (!inboundPorts.has(Number(key)))
      problems.warn(
        path,
        `counts only for connections that are redirected here: nothing listens on port ${key}`,
      )
    if (isOwnListener(endpoint, listen))
      problems.error(path, `is one of this sidecar's own listeners; give the port of the application`)
  }
}

function isOwnListener(endpoint: Endpoint, listen: Listen): boolean {
  if (!isLoopback(endpoint.host)) return false
  return Object.values(listen).some((addresses) =>
    addresses.some((address) => address.port === endpoint.port),
  )
}

export function makeCredential(given: EffectiveSettings['credential'], folder: string): Mesh['credential'] {
  return {
    ...(given.certificate === undefined ? {} : { certificateFile: resolveFile(folder, given.certificate) }),
    ...(given.key === undefined ? {} : { keyFile: resolveFile(folder, given.key) }),
    ...(given.token_file === undefined ? {} : { tokenFile: resolveFile(folder, given.token_file) }),
  }
}

/** The names of the routes that the service may call with identity. */
export function readCalls(
  given: EffectiveSettings['calls'],
  routeNames: ReadonlySet<string>,
  problems: ProblemSink,
): ReadonlySet<string> {
  if (given === undefined) return routeNames
  for (const [index, name] of given.entries()) {
    if (!routeNames.has(name)) problems.error(['calls', index], unknownRoute(name, routeNames))
  }
  return new Set(given)
}

export interface Caller {
  readonly service: string
  readonly settings: EffectiveSettings
  readonly accounts: ReadonlySet<string>
  readonly calls: ReadonlySet<string>
  /** All routes of the mesh. */
  readonly routes: readonly Route[]
}

/** Warns of calls for which there is nothing to attach; such a sidecar still verifies. */
export function checkCredential(caller: Caller, problems: ProblemSink): void {
  const { certificate, key, token_file: tokenFile } = caller.settings.credential
  if (certificate !== undefined && key === undefined) {
    problems.error(
      ['credential', 'certificate'],
      'stands without credential.key, the file with its private key',
    )
  }
  if (certificate === undefined && key !== undefined) {
    problems.error(
      ['credential', 'key'],
      'stands without credential.certificate, the file with its certificate',
    )
  }
  const called = caller.routes.filter(
    (route) => route.service !== caller.service && caller.calls.has(route.name),
  )
  const overMesh = called.filter((route) => route.via === 'mesh')
  const overPomerium = called.filter((route) => route.via === 'pomerium')
  const lacking = overMesh.length > 0 ? lackingForMesh(caller) : undefined
  if (lacking !== undefined) {
    problems.warn(['credential', 'certificate'], `${lacking}; ${refused(overMesh)}`)
  }
  if (overPomerium.length > 0 && tokenFile === undefined) {
    const message = `there is no token to attach, and routes with \`via: pomerium\` need one; ${refused(overPomerium)}`
    problems.warn(['credential', 'token_file'], message)
  }
}

function lackingForMesh({ service, settings, accounts }: Caller): string | undefined {
  if (settings.credential.certificate === undefined)
    return 'there is no certificate, so nothing to attach to calls'
  if (settings.mesh.issuer === undefined)
    return 'mesh.issuer and mesh.ca are missing, so nothing can be signed'
  if (accounts.size === 0) return `no route of service ${service} has an account, so nothing can be signed`
  return undefined
}

function refused(routes: readonly Route[]): string {
  const names = routes.slice(0, 3).map((route) => route.name)
  const more = routes.length > names.length ? ` and ${routes.length - names.length} more` : ''
  return `calls to ${names.join(', ')}${more} will be refused with credential_unavailable. Write \`calls: []\` if this service calls nobody`
}
