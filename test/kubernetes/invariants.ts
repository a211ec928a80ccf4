// What an injection did to what was there before, beyond what it may: it adds, and lets the sidecar ask the app's probes.
import { isDeepStrictEqual } from 'node:util'
import type { Fields } from './rules/structure.ts'

const probesPort = 15_021
const probes = ['startupProbe', 'readinessProbe', 'livenessProbe'] as const
const hooks = ['postStart', 'preStop'] as const
const handlers = ['httpGet', 'tcpSocket', 'grpc'] as const
const ours: ReadonlySet<unknown> = new Set(['onbehalf', 'onbehalf-redirect'])

/** As `path: what`; none where only what is allowed was done. */
export function touched(before: object, after: object): string[] {
  const [was, is] = [before as Fields, after as Fields]
  const [specWas, specIs] = [fieldsOf(was['spec']), fieldsOf(is['spec'])]
  return [
    ...markTouched(fieldsOf(was['metadata']), fieldsOf(is['metadata'])),
    ...othersTouched(specWas, specIs, ['containers', 'initContainers', 'volumes'], 'spec'),
    ...listTouched(specWas, specIs, 'containers'),
    ...listTouched(specWas, specIs, 'initContainers'),
    ...prefixTouched(specWas['volumes'], specIs['volumes'], 'spec.volumes'),
  ]
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {}
}

function asList(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? (value as Fields[]) : []
}

/** Fields that nothing may change. */
function othersTouched(was: Fields, is: Fields, but: readonly string[], path: string): string[] {
  const names = new Set([...Object.keys(was), ...Object.keys(is)])
  return [...names]
    .filter((name) => !but.includes(name) && !isDeepStrictEqual(was[name], is[name]))
    .map((name) => `${path}.${name}: is another`)
}

/** Labels and annotations are added. */
function markTouched(was: Fields, is: Fields): string[] {
  const marks = ['labels', 'annotations'] as const
  const changed = marks.flatMap((mark) =>
    Object.entries(fieldsOf(was[mark]))
      .filter(([name, value]) => fieldsOf(is[mark])[name] !== value)
      .map(([name]) => `metadata.${mark}.${name}: is another`),
  )
  return [...changed, ...othersTouched(was, is, marks, 'metadata')]
}

/** All that were there are there in their order, and but for ours no others. */
function listTouched(was: Fields, is: Fields, key: string): string[] {
  const before = asList(was[key])
  const after = asList(is[key]).filter(({ name }) => !ours.has(name))
  if (after.length !== before.length) return [`spec.${key}: ${before.length} became ${after.length}`]
  return before.flatMap((container, i) =>
    containerTouched(container, after[i] as Fields, `spec.${key}[${i}]`),
  )
}

function containerTouched(was: Fields, is: Fields, path: string): string[] {
  return [
    ...othersTouched(was, is, ['env', 'volumeMounts', 'lifecycle', ...probes], path),
    ...prefixTouched(withoutNodeOptions(was['env']), withoutNodeOptions(is['env']), `${path}.env`),
    ...nodeOptionsTouched(was['env'], is['env'], path),
    ...prefixTouched(was['volumeMounts'], is['volumeMounts'], `${path}.volumeMounts`),
    ...probes.flatMap((probe) => handlerTouched(was[probe], is[probe], `${path}.${probe}`)),
    ...lifecycleTouched(fieldsOf(was['lifecycle']), fieldsOf(is['lifecycle']), `${path}.lifecycle`),
  ]
}

/** What comes is behind what was there. */
function prefixTouched(was: unknown, is: unknown, path: string): string[] {
  const before = asList(was)
  return isDeepStrictEqual(before, asList(is).slice(0, before.length))
    ? []
    : [`${path}: what was there is another`]
}

/** Its value may grow; it keeps its place. */
function withoutNodeOptions(env: unknown): readonly Fields[] {
  return asList(env).map((variable) =>
    variable['name'] === 'NODE_OPTIONS' ? { name: 'NODE_OPTIONS' } : variable,
  )
}

function nodeOptionsTouched(was: unknown, is: unknown, path: string): string[] {
  const [before, after] = [was, is].map((env) => asList(env).find(({ name }) => name === 'NODE_OPTIONS'))
  if (before === undefined) return []
  const { value, ...rest } = before
  const { value: grown, ...restAfter } = after ?? {}
  const isKept =
    typeof grown === 'string' &&
    (grown === value || `${grown} `.startsWith(`${value as string} `) || value === '')
  return (isKept || isDeepStrictEqual(before, after)) && isDeepStrictEqual(rest, restAfter)
    ? []
    : [`${path}.env.NODE_OPTIONS: lost what it was`]
}

/** A handler may have become a question to the sidecar; times and thresholds stay. */
function handlerTouched(was: unknown, is: unknown, path: string): string[] {
  if (isDeepStrictEqual(was, is)) return []
  const [before, after] = [fieldsOf(was), fieldsOf(is)]
  const hadOne = handlers.some((handler) => before[handler] !== undefined)
  const { port, path: place, ...more } = fieldsOf(after['httpGet'])
  const isOurs =
    port === probesPort && /^\/app-(probes|lifecycle)\//.test(String(place)) && Object.keys(more).length === 0
  const rest = othersTouched(before, after, handlers, path)
  const left = handlers.filter((handler) => handler !== 'httpGet' && after[handler] !== undefined)
  return hadOne && isOurs && left.length === 0 ? rest : [`${path}: is another`]
}

function lifecycleTouched(was: Fields, is: Fields, path: string): string[] {
  const hold = { httpGet: { path: '/drained', port: probesPort } }
  return [
    ...othersTouched(was, is, hooks, path),
    ...hooks.flatMap((hook) => {
      const isAdded =
        hook === 'preStop' && (was[hook] ?? undefined) === undefined && isDeepStrictEqual(is[hook], hold)
      return isAdded ? [] : handlerTouched(was[hook] ?? undefined, is[hook] ?? undefined, `${path}.${hook}`)
    }),
  ]
}
