// Pomerium's keys that change a call on its way: read, and refused where they would touch what is not theirs.
import { isIdentityName, isFixedName } from '../headers/names.ts'
import { decodePath, pathFault } from '../path.ts'
import { hostPattern, type HostRewrite, type PathRewrite, type RouteChanges } from '../route-changes.ts'
import type { PathMatch } from './mesh.ts'
import { parsePathRewrite } from './path-rewrite.ts'
import type { Path, ProblemSink } from './problem.ts'
import type { RouteEntry } from './route-schema.ts'

interface Place {
  readonly index: number
  readonly problems: ProblemSink
}

/** Undefined where the entry asks for no change. */
export function readChanges(
  entry: RouteEntry,
  match: PathMatch,
  index: number,
  problems: ProblemSink,
): RouteChanges | undefined {
  const place = { index, problems }
  checkNames(entry, place)
  const changes: RouteChanges = {
    path: readPathRewrite(entry, match, place),
    host: readHostRewrite(entry, place),
    setRequest: readFields(entry.set_request_headers, ['routes', index, 'set_request_headers'], problems),
    removeRequest: new Set(entry.remove_request_headers?.map((name) => name.toLowerCase())),
    setResponse: readFields(entry.set_response_headers, ['routes', index, 'set_response_headers'], problems),
    rewriteResponse: readRewrites(entry, place),
  }
  const { path, host, setRequest, removeRequest, setResponse, rewriteResponse } = changes
  const asksForNone =
    path === undefined &&
    host === undefined &&
    [setRequest, [...removeRequest], setResponse, rewriteResponse].every(({ length }) => length === 0)
  return asksForNone ? undefined : changes
}

/** What a route's requests are matched by where they are served: by what is left of the path when it comes there. */
export function arrivingMatch(match: PathMatch, changes: RouteChanges | undefined): PathMatch {
  const rewrite = changes?.path
  switch (rewrite?.kind) {
    case undefined:
      return match
    case 'prefix':
      return { kind: 'prefix', prefix: decodePath(rewrite.replacement) }
    case 'path':
      return { kind: 'path', path: decodePath(rewrite.replacement) }
    case 'regex':
      return { kind: 'any' }
  }
}

function readPathRewrite(entry: RouteEntry, match: PathMatch, place: Place): PathRewrite | undefined {
  const { prefix_rewrite: given, regex_rewrite_pattern: pattern } = entry
  const replacement = given?.replaceAll(/[^\u0021-\u007e]+/g, encodeURIComponent)
  const { index, problems } = place
  const at = (key: string): Path => ['routes', index, key]
  if (pattern !== undefined || entry.regex_rewrite_substitution !== undefined) {
    if (replacement !== undefined) {
      problems.error(
        at('regex_rewrite_pattern'),
        'stands beside prefix_rewrite; a path is rewritten in one way',
      )
    }
    const keys = ['regex_rewrite_pattern', 'regex_rewrite_substitution'] as const
    const rewrite = readRegexRewrite(entry, keys, place)
    return rewrite && { kind: 'regex', ...rewrite }
  }
  if (replacement === undefined) return undefined
  const fault = pathFault(given ?? '', match.kind !== 'path')
  if (fault !== undefined) problems.error(at('prefix_rewrite'), fault)
  if (match.kind === 'path') return { kind: 'path', replacement }
  if (match.kind === 'regex') {
    problems.error(
      at('prefix_rewrite'),
      'needs prefix or path: of a regex nobody can tell what the prefix is',
    )
  }
  return { kind: 'prefix', prefix: match.kind === 'prefix' ? match.prefix : '/', replacement }
}

type RegexKeys = readonly [
  'regex_rewrite_pattern' | 'host_path_regex_rewrite_pattern',
  'regex_rewrite_substitution' | 'host_path_regex_rewrite_substitution',
]

function readRegexRewrite(
  entry: RouteEntry,
  [patternKey, substitutionKey]: RegexKeys,
  { index, problems }: Place,
) {
  const [pattern, substitution] = [entry[patternKey], entry[substitutionKey]]
  if (pattern === undefined || substitution === undefined) {
    const [given, missing] =
      pattern === undefined ? [substitutionKey, patternKey] : [patternKey, substitutionKey]
    problems.error(['routes', index, given], `needs ${missing} beside it`)
    return undefined
  }
  const parsed = parsePathRewrite(pattern, substitution)
  if ('value' in parsed) return parsed.value
  const { key, fault } = parsed
  problems.error(['routes', index, key === 'pattern' ? patternKey : substitutionKey], fault)
  return undefined
}

function readHostRewrite(entry: RouteEntry, place: Place): HostRewrite | undefined {
  const { index, problems } = place
  const keys = ['host_rewrite', 'host_rewrite_header', 'host_path_regex_rewrite_pattern'] as const
  const [first, second] = keys.filter((key) => entry[key] !== undefined)
  if (second !== undefined) {
    problems.error(['routes', index, second], `stands beside ${first}; a host is rewritten in one way`)
  }
  const { host_rewrite: host, host_rewrite_header: header } = entry
  if (host !== undefined) {
    if (!hostPattern.test(host)) {
      problems.error(
        ['routes', index, 'host_rewrite'],
        'must be a host such as api.example.com or api.example.com:8443',
      )
    }
    return { kind: 'literal', host }
  }
  if (header !== undefined) return { kind: 'header', name: header.toLowerCase() }
  const isByPath = entry.host_path_regex_rewrite_pattern ?? entry.host_path_regex_rewrite_substitution
  if (isByPath === undefined) return undefined
  const regexKeys = ['host_path_regex_rewrite_pattern', 'host_path_regex_rewrite_substitution'] as const
  const rewrite = readRegexRewrite(entry, regexKeys, place)
  return rewrite && { kind: 'path', ...rewrite }
}

function readFields(
  given: Readonly<Record<string, string>> = {},
  path: Path,
  problems: ProblemSink,
): [name: string, value: string][] {
  return Object.entries(given).map(([name, value]) => {
    const fault = valueFault(value)
    if (fault !== undefined) problems.error([...path, name], fault)
    return [name, value.replaceAll('$$', '$')]
  })
}

function readRewrites(
  { rewrite_response_headers: given = [] }: RouteEntry,
  { index, problems }: Place,
): RouteChanges['rewriteResponse'] {
  return given.map(({ header, prefix = '', value }, i) => {
    const fault = charactersFault(value)
    const path = ['routes', index, 'rewrite_response_headers', i, 'value']
    if (fault !== undefined) problems.error(path, fault)
    return { name: header.toLowerCase(), prefix, value }
  })
}

function valueFault(value: string): string | undefined {
  if (/(?:^|[^$])(?:\$\$)*\$(?:[^$]|$)/.test(value)) {
    return 'has a variable, which only Pomerium knows; write $$ for a dollar sign'
  }
  return charactersFault(value)
}

function charactersFault(value: string): string | undefined {
  const isFine = !/[^\t\u0020-\u007e\u0080-\u00ff]/.test(value)
  return isFine ? undefined : 'must be of visible characters, without line breaks'
}

const secretNames: ReadonlySet<string> = new Set(['authorization', 'cookie'])

function checkNames(entry: RouteEntry, { index, problems }: Place): void {
  const check = (key: string, name: string, path: Path) => {
    const fault = nameFault(name, key === 'set_request_headers')
    if (fault !== undefined) problems.error(['routes', index, key, ...path], fault)
  }
  for (const key of ['set_request_headers', 'set_response_headers'] as const) {
    for (const name of Object.keys(entry[key] ?? {})) check(key, name, [name])
  }
  for (const [i, name] of (entry.remove_request_headers ?? []).entries()) {
    check('remove_request_headers', name, [i])
  }
  for (const [i, { header }] of (entry.rewrite_response_headers ?? []).entries()) {
    check('rewrite_response_headers', header, [i, 'header'])
  }
  if (entry.host_rewrite_header !== undefined) check('host_rewrite_header', entry.host_rewrite_header, [])
}

function nameFault(name: string, isSent: boolean): string | undefined {
  const lower = name.toLowerCase()
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) return 'must be the name of a header'
  if (isIdentityName(name, new Set())) return 'is an identity header, which sidecars alone set'
  if (isFixedName(lower)) return 'concerns the connection or the form of the message, which no route changes'
  if (isSent && secretNames.has(lower))
    return 'is a secret, and every sidecar reads this file; have the app send it'
  return undefined
}
