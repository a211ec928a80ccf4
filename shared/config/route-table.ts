// Makes the routes of the mesh from the entries of the file, and finds what is ambiguous between them.
import { compilePolicy } from '../policy/compile.ts'
import { pathMatches } from '../routes.ts'
import { isLoopback } from './address.ts'
import { resolveFile } from './issuer-table.ts'
import { decodePath, pathFault } from '../path.ts'
import type { PathMatch, Route, Upstream } from './mesh.ts'
import { parsePathRegex } from './path-regex.ts'
import { asksForNothing, ignoredPomeriumKeys, refusedPomeriumKeys } from './pomerium-keys.ts'
import type { ProblemSink } from './problem.ts'
import type { RouteEntry } from './route-schema.ts'
import { arrivingMatch, readChanges } from './route-changes.ts'
import { didYouMean } from './suggest.ts'

/** An entry of `routes` that could be read, with its place in the list. */
export interface PlacedRoute {
  readonly index: number
  readonly entry: RouteEntry
  /** False where keys had to be left out: then nothing is concluded from comparing it to others. */
  readonly isWhole: boolean
}

/** A route with its place in the list. */
interface Row {
  readonly index: number
  readonly route: Route
}

export interface RouteScope {
  /** Names of all routes of the file, those that could not be read included. */
  readonly routeNames: ReadonlySet<string>
  /** What `issuer` may name in a policy. */
  readonly issuerNames: ReadonlySet<string>
  /** That of the mesh file. */
  readonly folder: string
  readonly problems: ProblemSink
}

/** The routes in the order of the file; what is wrong with them goes to `scope.problems`. */
export function makeRoutes(placed: readonly PlacedRoute[], scope: RouteScope): Route[] {
  const hostsByName = new Map(placed.map(({ entry }) => [entry.name, entry.from.host]))
  const rows = placed.map((each) => ({ index: each.index, route: makeRoute(each, hostsByName, scope) }))
  const whole = rows.filter((_, i) => placed[i]?.isWhole === true)
  findRepeatedNames(whole, scope.problems)
  findSharedHosts(whole, scope.problems)
  findSharedAliases(whole, scope.problems)
  findUnreachable(whole, scope.problems)
  return rows.map(({ route }) => route)
}

function makeRoute(
  { index, entry }: PlacedRoute,
  hostsByName: ReadonlyMap<string, string>,
  scope: RouteScope,
): Route {
  const { problems } = scope
  reportPomeriumKeys(index, entry, problems)
  reportTokenRisks(index, entry, problems)
  const match = readMatch(index, entry, problems)
  const changes = readChanges(entry, match, index, problems)
  const policy = compilePolicy(entry, { issuerNames: scope.issuerNames }, ['routes', index], problems)
  if (changes?.path !== undefined && policy.readsPath) reportRewrittenPolicy(index, problems)
  return {
    name: entry.name,
    service: entry.service ?? entry.name,
    host: entry.from.host,
    from: entry.from,
    to: entry.to as [Upstream, ...Upstream[]],
    tls: readTls(entry, scope.folder),
    aliases: entry.aliases,
    match,
    arriving: arrivingMatch(match, changes),
    changes,
    timeouts: {
      ...(entry.timeout === undefined ? undefined : { totalMs: entry.timeout }),
      ...(entry.idle_timeout === undefined ? undefined : { idleMs: entry.idle_timeout }),
    },
    passIdentityHeaders: entry.pass_identity_headers,
    policy,
    via: entry.via,
    tokenForm: entry.token_form,
    originalUser: entry.original_user,
    acceptFor: readAcceptFor(index, entry, hostsByName, scope),
  }
}

function reportPomeriumKeys(index: number, entry: RouteEntry, problems: ProblemSink): void {
  for (const [key, value] of Object.entries(entry)) {
    if (asksForNothing(value)) continue
    const ignored = ignoredPomeriumKeys[key]
    if (ignored !== undefined) problems.warn(['routes', index, key], ignored)
    const refused = refusedPomeriumKeys[key]
    if (refused !== undefined) problems.error(['routes', index, key], refused)
  }
}

/** A rule about the path as callers write it would never deny. */
function reportRewrittenPolicy(index: number, problems: ProblemSink): void {
  const message =
    'judges the path (http_path) of a route that rewrites it, and who is called sees but what is left of it; part such paths by routes, with prefix, path or regex'
  problems.error(['routes', index, 'policy'], message)
}

function reportTokenRisks(index: number, entry: RouteEntry, problems: ProblemSink): void {
  if (entry.via === 'mesh') {
    const path = ['routes', index, 'token_form']
    if (entry.token_form !== 'header') problems.warn(path, 'has no effect without `via: pomerium`')
    return
  }
  if (entry.from.tls || isLoopback(entry.from.host)) return
  problems.error(
    ['routes', index, 'from'],
    'must be an https URL: with `via: pomerium` calls carry the token of the service account to it, readable by anyone on the way',
  )
}

function readTls(entry: RouteEntry, folder: string): Route['tls'] {
  const serverName = entry.tls_upstream_server_name ?? entry.tls_server_name
  const caFile = entry.tls_custom_ca_file
  return {
    ...(serverName === undefined ? undefined : { serverName }),
    ...(caFile === undefined ? undefined : { caFile: resolveFile(folder, caFile) }),
  }
}

function readMatch(index: number, entry: RouteEntry, problems: ProblemSink): PathMatch {
  const given = (['prefix', 'path', 'regex'] as const).filter((key) => entry[key] !== undefined)
  if (given.length > 1) {
    const message = `stands beside ${given[0]}, but a route has one of prefix, path and regex; keep one, or make another route`
    problems.error(['routes', index, given[1] as string], message)
  }
  const { prefix, path } = entry
  if (prefix !== undefined) return { kind: 'prefix', prefix: readPath(prefix, [index, 'prefix'], problems) }
  if (path !== undefined) return { kind: 'path', path: readPath(path, [index, 'path'], problems) }
  if (entry.regex === undefined) return { kind: 'any' }
  const parsed = parsePathRegex(entry.regex)
  if ('value' in parsed) return { kind: 'regex', regex: parsed.value }
  problems.error(['routes', index, 'regex'], parsed.fault)
  return { kind: 'path', path: entry.regex }
}

/** Decoded as the paths of requests are, before they are compared. */
function readPath(path: string, place: readonly [number, 'prefix' | 'path'], problems: ProblemSink): string {
  const fault = pathFault(path, place[1] === 'prefix')
  if (fault !== undefined) problems.error(['routes', ...place], fault)
  return decodePath(path)
}

function readAcceptFor(
  index: number,
  entry: RouteEntry,
  hostsByName: ReadonlyMap<string, string>,
  { routeNames, problems }: RouteScope,
): ReadonlySet<string> {
  if (entry.accept_for === undefined) return new Set(hostsByName.values())
  for (const [position, name] of entry.accept_for.entries()) {
    if (routeNames.has(name)) continue
    problems.error(['routes', index, 'accept_for', position], unknownRoute(name, routeNames))
  }
  return new Set(entry.accept_for.map((name) => hostsByName.get(name)).filter((host) => host !== undefined))
}

/** For `accept_for` and `calls`. */
export function unknownRoute(name: string, routeNames: ReadonlySet<string>): string {
  const hint = didYouMean(name, routeNames)
  return `no route is called "${name}"${hint === '' ? `; there are ${[...routeNames].join(', ')}` : hint}`
}

function findRepeatedNames(rows: readonly Row[], problems: ProblemSink): void {
  const first = new Map<string, number>()
  for (const { index, route } of rows) {
    const earlier = first.get(route.name)
    if (earlier === undefined) first.set(route.name, index)
    else {
      const message = `"${route.name}" is the name of routes[${earlier}] too; choose another, with \`service: ${route.service}\` if it is of the same service`
      problems.error(['routes', index, 'name'], message)
    }
  }
}

function findSharedHosts(rows: readonly Row[], problems: ProblemSink): void {
  const owners = new Map<string, Route>()
  for (const { index, route } of rows) {
    const owner = owners.get(route.host)
    if (owner === undefined) owners.set(route.host, route)
    if (owner === undefined || owner.service === route.service) continue
    const message = `the host ${route.host} belongs to service ${owner.service} already, by route ${owner.name}; give this route another host, or write \`service: ${owner.service}\``
    problems.error(['routes', index, 'from'], message)
  }
}

function findSharedAliases(rows: readonly Row[], problems: ProblemSink): void {
  const owners = new Map<string, Route>(rows.map(({ route }) => [route.host, route]))
  for (const { index, route } of rows) {
    for (const [position, alias] of route.aliases.entries()) {
      const owner = owners.get(alias)
      if (owner === undefined) owners.set(alias, route)
      if (owner === undefined || owner.service === route.service) continue
      const message = `the host ${alias} stands for route ${owner.name} of service ${owner.service} already; a host has one service`
      problems.error(['routes', index, 'aliases', position], message)
    }
  }
}

/** The first route that matches is taken: one that comes too late would have its policy for nothing. */
function findUnreachable(rows: readonly Row[], problems: ProblemSink): void {
  for (const [i, { index, route }] of rows.entries()) {
    const before = rows.slice(0, i).filter((row) => isBeside(row.route, route))
    const earlier = before.find((row) => covers(row.route.match, route.match))?.route
    const mistaken = before.find((row) => areMistaken(row.route, route))?.route
    if (earlier !== undefined) {
      const message = `is never reached: route ${earlier.name} before it takes all of its requests; put this one first`
      problems.error(['routes', index], message)
    } else if (mistaken !== undefined) {
      const message = `cannot be told from route ${mistaken.name} where its requests are served: paths are rewritten, and that one comes first. Give it another host, or other paths`
      problems.error(['routes', index], message)
    }
  }
}

/** Where one of two is rewritten, what is left of the path may be the other's: then its policy would decide. */
function areMistaken(earlier: Route, later: Route): boolean {
  const isRewritten = earlier.changes?.path !== undefined || later.changes?.path !== undefined
  return isRewritten && mayOverlap(earlier.arriving, later.arriving)
}

function mayOverlap(a: PathMatch, b: PathMatch): boolean {
  if (a.kind === 'path') return pathMatches(b, a.path)
  if (b.kind === 'path') return pathMatches(a, b.path)
  if (a.kind !== 'prefix' || b.kind !== 'prefix') return true
  return a.prefix.startsWith(b.prefix) || b.prefix.startsWith(a.prefix)
}

function isBeside(earlier: Route, later: Route): boolean {
  return earlier.host === later.host && earlier.service === later.service
}

function covers(earlier: PathMatch, later: PathMatch): boolean {
  switch (earlier.kind) {
    case 'any':
      return true
    case 'prefix':
      if (earlier.prefix === '/') return true
      if (later.kind === 'prefix') return later.prefix.startsWith(earlier.prefix)
      return later.kind === 'path' && later.path.startsWith(earlier.prefix)
    case 'path':
      return later.kind === 'path' && later.path === earlier.path
  }
  if (later.kind === 'path') return earlier.regex.test(later.path)
  return later.kind === 'regex' && later.regex.source === earlier.regex.source
}
