// What an injection adds to the app's own containers: the preload, the proxy's address, and the wait for the drain.
import { places, ports } from './names.ts'
import { pointer, type Operation } from './patch.ts'
import type { Container, EnvironmentVariable } from './pod.ts'
import { preloadVolume } from './volumes.ts'

const require = `--require=${places.preload}/preload.cjs`
const proxy = `http://127.0.0.1:${ports.outbound}`
const around = 'localhost,127.0.0.1,::1'
/** Both spellings or none: clients differ in which they read first. */
const proxyVariables: readonly (readonly [names: readonly string[], value: string])[] = [
  [['HTTP_PROXY', 'http_proxy'], proxy],
  [['NO_PROXY', 'no_proxy'], around],
  [['NODE_USE_ENV_PROXY'], '1'],
]

export interface Additions {
  readonly preload: boolean
  readonly proxy: boolean
  readonly hold: boolean
}

/** @param at the container's place in the pod. */
export function addToApp(
  container: Container,
  at: string,
  { preload, proxy: isProxied, hold }: Additions,
): Operation[] {
  const env = container.env ?? []
  const variables = isProxied && otherProxies(container).length === 0 ? proxyFor(env) : []
  // Of two with one name, the last counts.
  const options = env.findLastIndex(({ name }) => name === 'NODE_OPTIONS')
  const isNew = preload && options < 0
  const added = isNew ? [...variables, { name: 'NODE_OPTIONS', value: require }] : variables
  return [
    ...(preload && options >= 0 ? [appendOption(env, options, at)] : []),
    ...append(at, 'env', env, added),
    ...(preload ? append(at, 'volumeMounts', container.volumeMounts ?? [], [mount]) : []),
    ...(hold ? holdUntilDrained(container, at) : []),
  ]
}

function proxyFor(env: readonly EnvironmentVariable[]): EnvironmentVariable[] {
  const given = new Set(env.map(({ name }) => name))
  return proxyVariables
    .filter(([names]) => !names.some((name) => given.has(name)))
    .flatMap(([names, value]) => names.map((name) => ({ name, value })))
}

/** What is called by another proxy is not called through the sidecar. */
export function otherProxies({ name: container, env }: Container): string[] {
  return (env ?? [])
    .filter(({ name, value }) => /^http_proxy$/i.test(name) && value !== proxy)
    .map(({ name }) => `container ${container}: ${name} is set already, so its calls go around the sidecar`)
}

/** What is set is over what comes by envFrom, which is not known here. */
export function hiddenProxies({ name, env, envFrom }: Container): string[] {
  const isSet = env?.some((variable) => /^http_proxy$/i.test(variable.name)) === true
  return isSet || (envFrom ?? []).length === 0
    ? []
    : [`container ${name}: an HTTP_PROXY that comes by envFrom is replaced by the sidecar's`]
}

const mount = { name: preloadVolume, mountPath: places.preload, readOnly: true }

function appendOption(env: readonly EnvironmentVariable[], index: number, at: string): Operation {
  const value = [env[index]?.value ?? '', require].filter((part) => part !== '').join(' ')
  return {
    op: env[index]?.value === undefined ? 'add' : 'replace',
    path: at + pointer('env', index, 'value'),
    value,
  }
}

/** A list that is not there, or empty, is put there whole. */
export function append(
  at: string,
  key: string,
  existing: readonly unknown[],
  added: readonly unknown[],
): Operation[] {
  if (added.length === 0) return []
  if (existing.length === 0) return [{ op: 'add', path: at + pointer(key), value: added }]
  return added.map((value, i) => ({ op: 'add', path: at + pointer(key, existing.length + i), value }))
}

/** The kubelet asks `/drained` and sends SIGTERM to the container when that is answered. */
function holdUntilDrained({ lifecycle }: Container, at: string): Operation[] {
  if (lifecycle?.preStop !== undefined && lifecycle.preStop !== null) return []
  const preStop = { httpGet: { path: '/drained', port: ports.probes } }
  return lifecycle === undefined || lifecycle === null
    ? [{ op: 'add', path: at + pointer('lifecycle'), value: { preStop } }]
    : [{ op: 'add', path: at + pointer('lifecycle', 'preStop'), value: preStop }]
}
