// Finds the route of a request among those of a host: the first whose prefix, path or regex matches.
import type { PathMatch, Route } from './config/mesh.ts'
import { Refusal } from './errors.ts'
import { decodePath, isAmbiguousPath, normalizePath } from './path.ts'

/** Where a route is looked for: where a call is made, or where it comes to be served. */
type Side = 'match' | 'arriving'

/** A route's claim on a path, and the policy's, stand on one reading of it. */
export function readPath(routes: readonly Route[], side: Side, originForm: string): string {
  const isRead = routes.some(
    (route) => route[side].kind !== 'any' || route.policy.readsPath || isRewritten(route, side),
  )
  if (isRead && isAmbiguousPath(originForm)) {
    throw new Refusal(
      'request_ambiguous',
      'The path can be read in two ways. Send it without dots, escapes and doubled slashes.',
    )
  }
  return normalizePath(originForm)
}

function isRewritten({ changes }: Route, side: Side): boolean {
  return side === 'match' && changes?.path !== undefined
}

/**
 * @param path as {@link readPath} gives it. Compared as the app will read it, every escape decoded once, or another
 * spelling of a path would pass a strict route by and reach a lax one behind it.
 */
export function matchRoute(routes: readonly Route[], side: Side, path: string): Route | undefined {
  const decoded = decodePath(path)
  return routes.find((route) => pathMatches(route[side], decoded))
}

/** @param path every escape decoded once. */
export function pathMatches(match: PathMatch, path: string): boolean {
  switch (match.kind) {
    case 'any':
      return true
    case 'prefix':
      return path.startsWith(match.prefix)
    case 'path':
      return path === match.path
    case 'regex':
      return match.regex.test(path)
  }
}
