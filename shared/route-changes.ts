// What a route changes of a call and of its answer, on the way to where it is served: what a Pomerium there would change.
import { Refusal } from './errors.ts'
import { filterHeaders, headerValues, type HeaderList } from './head.ts'
import { isAmbiguousPath } from './path.ts'

/** Text, and the numbers of groups whose text goes in between. */
export type Substitution = readonly (string | number)[]

/** A pattern at the beginning of a path, and what it becomes. */
export interface Rewrite {
  readonly pattern: RegExp
  readonly substitution: Substitution
}

export type PathRewrite =
  | { readonly kind: 'prefix'; readonly prefix: string; readonly replacement: string }
  | { readonly kind: 'path'; readonly replacement: string }
  | ({ readonly kind: 'regex' } & Rewrite)

export type HostRewrite =
  | { readonly kind: 'literal'; readonly host: string }
  /** In lower case. */
  | { readonly kind: 'header'; readonly name: string }
  | ({ readonly kind: 'path' } & Rewrite)

type Fields = readonly (readonly [name: string, value: string])[]

export interface RouteChanges {
  readonly path: PathRewrite | undefined
  readonly host: HostRewrite | undefined
  readonly setRequest: Fields
  /** In lower case. */
  readonly removeRequest: ReadonlySet<string>
  readonly setResponse: Fields
  readonly rewriteResponse: readonly {
    /** In lower case. */
    readonly name: string
    readonly prefix: string
    readonly value: string
  }[]
}

/** A host and a port, as `Host` has them (RFC 9110 section 7.2). */
export const hostPattern = /^(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/

/**
 * @param originForm path and query, or `*`.
 * @throws {Refusal} `request_ambiguous` where it is not certain what becomes of the path.
 */
export function changedPath({ path: rewrite }: RouteChanges, originForm: string): string {
  if (rewrite === undefined || originForm === '*') return originForm
  const [path, query] = partsOf(originForm)
  const changed = rewritten(path, rewrite)
  if (!changed.startsWith('/') || changed.includes('?') || isAmbiguousPath(changed)) {
    throw new Refusal('request_ambiguous', 'What the route makes of the path can be read in two ways.')
  }
  return `${changed}${query}`
}

function partsOf(originForm: string): [path: string, query: string] {
  const at = originForm.indexOf('?')
  return at < 0 ? [originForm, ''] : [originForm.slice(0, at), originForm.slice(at)]
}

function rewritten(path: string, rewrite: PathRewrite): string {
  switch (rewrite.kind) {
    case 'path':
      return rewrite.replacement
    case 'regex':
      return substituted(path, rewrite)
    case 'prefix':
      return joined(rewrite, path)
  }
}

/** One slash stays one, and none is lost between what was put in and what stays. */
function joined({ prefix, replacement }: Extract<PathRewrite, { kind: 'prefix' }>, path: string): string {
  // The route was found by the path as the app will read it; here it is as it was written.
  const written = [prefix, encodeURI(prefix)].find((each) => path.startsWith(each))
  if (written === undefined) {
    throw new Refusal('request_ambiguous', 'The route rewrites this path: send its prefix without escapes.')
  }
  const rest = path.slice(written.length)
  if (replacement.endsWith('/') && rest.startsWith('/')) return `${replacement}${rest.slice(1)}`
  const isParted = replacement.endsWith('/') || rest.startsWith('/') || rest === ''
  return isParted || !prefix.endsWith('/') ? `${replacement}${rest}` : `${replacement}/${rest}`
}

function substituted(text: string, { pattern, substitution }: Rewrite): string {
  const found = pattern.exec(text)
  if (found === null) return text
  const parts = substitution.map((part) => (typeof part === 'string' ? part : (found[part] ?? '')))
  return `${parts.join('')}${text.slice(found[0].length)}`
}

/**
 * Removals come last, as in Pomerium.
 * @throws {Refusal} `request_malformed` where what is made of the path is no host.
 */
export function changedRequest(
  { host, setRequest, removeRequest }: RouteChanges,
  headers: HeaderList,
  originForm: string,
): string[] {
  const fields = withFields(withHost(headers, hostFor(host, headers, originForm)), setRequest)
  return removeRequest.size === 0 ? fields : filterHeaders(fields, (name) => !removeRequest.has(name))
}

function hostFor(
  rewrite: HostRewrite | undefined,
  headers: HeaderList,
  originForm: string,
): string | undefined {
  if (rewrite === undefined) return undefined
  if (rewrite.kind === 'literal') return rewrite.host
  const made =
    rewrite.kind === 'header'
      ? headerValues(headers, rewrite.name)[0]
      : substituted(partsOf(originForm)[0], rewrite)
  if (made === undefined || hostPattern.test(made)) return made
  throw new Refusal('request_malformed', 'The route takes the host from this request, and it is none.')
}

function withHost(headers: HeaderList, host: string | undefined): string[] {
  if (host === undefined) return [...headers]
  return headers.map((value, i) => (i % 2 === 1 && headers[i - 1]?.toLowerCase() === 'host' ? host : value))
}

function withFields(headers: readonly string[], fields: Fields): string[] {
  if (fields.length === 0) return [...headers]
  const set = new Set(fields.map(([name]) => name.toLowerCase()))
  return [...filterHeaders(headers, (name) => !set.has(name)), ...fields.flat()]
}

export function changedResponse(
  { setResponse, rewriteResponse }: RouteChanges,
  headers: readonly string[],
): string[] {
  const fields = withFields(headers, setResponse)
  if (rewriteResponse.length === 0) return fields
  return fields.map((value, i) => {
    const name = i % 2 === 1 ? fields[i - 1]?.toLowerCase() : undefined
    const rule = rewriteResponse.find((each) => each.name === name && value.startsWith(each.prefix))
    return rule === undefined ? value : `${rule.value}${value.slice(rule.prefix.length)}`
  })
}
