// The annotations of a pod that say how it is injected: each with its values, its default and its check.
import { isIP } from 'node:net'
import { didYouMean } from '../../../shared/config/suggest.ts'
import { prefix } from './names.ts'
import type { CertificateSource } from './settings.ts'

/** What a value means, or what is wrong with it. */
type Reading<T> = { readonly value: T } | { readonly wrong: string }

interface Annotation<T> {
  readonly values: string
  readonly default: string
  readonly about: string
  readonly read: (text: string) => Reading<T>
}

const right = <T>(value: T): Reading<T> => ({ value })
const wrong = (why: string): Reading<never> => ({ wrong: why })

function oneOf<const T extends string>(...words: readonly T[]) {
  return (text: string): Reading<T> => {
    const found = words.find((word) => word === text)
    return found === undefined ? wrong(`is none of ${words.join(', ')}`) : right(found)
  }
}

const flag = (text: string): Reading<boolean> => {
  if (text !== 'true' && text !== 'false') return wrong('is neither true nor false')
  return right(text === 'true')
}

const matching = (pattern: RegExp, what: string) => (text: string) =>
  pattern.test(text) ? right(text) : wrong(`is no ${what}`)

/** Each becomes a rule, or a volume. */
const maxParts = 1_000

function listOf<T>(read: (item: string) => Reading<T>) {
  return (text: string): Reading<readonly T[]> => {
    const values = new Set<T>()
    for (const item of text.split(',', maxParts + 1).map((each) => each.trim())) {
      if (values.size === maxParts) return wrong(`has more than ${maxParts} parts`)
      const reading = read(item)
      if ('wrong' in reading) return wrong(`holds "${shortened(item)}", which ${reading.wrong}`)
      if (values.has(reading.value)) return wrong(`names "${item}" twice`)
      values.add(reading.value)
    }
    return right([...values])
  }
}

/** What is wrong is shown, but not all of it. */
function shortened(text: string): string {
  return text.length <= maxShown ? text : `${text.slice(0, maxShown).toWellFormed()}…`
}

const maxShown = 200

const port = (text: string): Reading<number> => {
  const number = Number(text)
  const isPort = /^[1-9]\d{0,4}$/.test(text) && number <= 65_535
  return isPort ? right(number) : wrong('is no port from 1 to 65535')
}

/** Of Secrets and ConfigMaps: a DNS subdomain (RFC 1123). */
const objectName = matching(
  /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/,
  'name of an object',
)
/** Nothing finer than a thousandth is counted. */
const cpu = matching(/^(?=.*[1-9])(\d{1,4}(\.\d{1,3})?|\d{1,7}m)$/, 'number of CPUs, such as 100m or 0.5')
/** A unit is asked for: nobody means bytes. */
const memory = matching(/^(?=.*[1-9])\d{1,12}(\.\d{1,3})?(k|Ki|M|Mi|G|Gi)$/, 'amount of memory, such as 64Mi')

const range = (text: string): Reading<string> => {
  const [address = '', length, ...more] = text.split('/')
  const family = isIP(address)
  const isPrefix =
    length === undefined || (/^(0|[1-9]\d{0,2})$/.test(length) && Number(length) <= (family === 4 ? 32 : 128))
  const isRange = family !== 0 && !address.includes('%') && isPrefix && more.length === 0
  return isRange ? right(text) : wrong('is no address or network')
}

const seconds = (text: string): Reading<number> => {
  const number = /^(0|[1-9]\d{0,3})s$/.exec(text)?.[1]
  return number === undefined ? wrong('is no time such as 5s') : right(Number(number))
}

export function readCertificate(text: string): Reading<CertificateSource> {
  if (text === 'none' || text === 'spiffe') return right({ kind: text })
  const name = /^secret\/(.+)$/.exec(text)?.[1]
  if (name === undefined) return wrong('is none of none, spiffe, secret/NAME')
  const reading = objectName(name)
  return 'wrong' in reading ? reading : right({ kind: 'secret', name })
}

/** The one table: the reference in the documentation is made of it. */
export const annotations = {
  inject: {
    values: '`true`, `false`',
    default: "the namespace's label `onbehalf.dev/inject: enabled`",
    about: 'Whether this pod gets a sidecar.',
    read: flag,
  },
  service: {
    values: 'a service of the mesh file',
    default: 'the label `app.kubernetes.io/name`',
    about: 'Which service the pod is of.',
    read: matching(/^[^\p{C}]{1,253}$/u, 'name of a service'),
  },
  'app-port': {
    values: 'a port, or the name of a container port',
    default: 'the only TCP port that the containers declare; without one, `app` of the mesh file',
    about: 'Where the app listens.',
    read: matching(
      /^([1-9]\d{0,4}|(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*)$/,
      'port and no name of one',
    ),
  },
  intercept: {
    values: '`redirect`, `none`',
    default: '`redirect`, unless the injector was told otherwise',
    about:
      'Whether the pod’s connections are redirected to the sidecar. `none` needs no capability, for namespaces under the restricted Pod Security Standard: then callers call port 15006, and the app is given `HTTP_PROXY`.',
    read: oneOf('redirect', 'none'),
  },
  sidecar: {
    values: '`native`, `classic`',
    default: '`native`, unless the injector was told otherwise',
    about: '`classic` for clusters before 1.29.',
    read: oneOf('native', 'classic'),
  },
  mesh: {
    values: 'a ConfigMap',
    default: '`onbehalf-mesh`, unless the injector was told otherwise',
    about: 'Holds `mesh.yaml` and the files that it names.',
    read: objectName,
  },
  certificate: {
    values: '`spiffe`, `secret/NAME`, `none`',
    default: '`none`, unless the injector was told otherwise',
    about:
      'The certificate of the service account: by cert-manager’s csi-driver-spiffe (the account is then `ns/NAMESPACE/sa/SERVICEACCOUNT`), or a Secret with `tls.crt` and `tls.key`.',
    read: readCertificate,
  },
  secrets: {
    values: 'Secrets, separated by commas',
    default: '',
    about:
      'Mounted for the sidecar alone at `/etc/onbehalf/secrets/NAME`, for files that the mesh file names.',
    read: listOf(objectName),
  },
  'token-audience': {
    values: 'an audience',
    default: '',
    about:
      'Gives the sidecar a token of the pod’s Kubernetes service account for this audience, as `credential.token_file` for routes with `via: pomerium`.',
    read: matching(/^[\x21-\x7e]{1,253}$/, 'audience'),
  },
  preload: {
    values: '`true`, `false`, or containers, separated by commas',
    default: '`false`',
    about: 'Gives Node apps the preload that carries the user, by `NODE_OPTIONS`: all containers, or these.',
    read: matching(/^[a-z0-9]([-a-z0-9, ]*[a-z0-9])?$/, 'list of containers'),
  },
  proxy: {
    values: '`true`, `false`',
    default: '`true` where `intercept` is `none`, else `false`',
    about:
      'Sets `HTTP_PROXY`, `http_proxy`, `NO_PROXY`, `no_proxy` and `NODE_USE_ENV_PROXY` in the app’s containers, where they are not set.',
    read: flag,
  },
  'rewrite-probes': {
    values: '`true`, `false`',
    default: '`true`',
    about:
      'Lets the sidecar ask the app’s HTTP, gRPC and TCP probes and HTTP hooks, since the kubelet has no assertion.',
    read: flag,
  },
  'hold-app': {
    values: '`true`, `false`',
    default: '`true`',
    about: 'Keeps containers that have no `preStop` hook until the sidecar has drained.',
    read: flag,
  },
  'drain-delay': {
    values: 'seconds, such as `5s`',
    default: '`5s`',
    about: 'For so long new connections are still taken when the pod is told to end: until all callers know.',
    read: seconds,
  },
  'exclude-inbound-ports': {
    values: 'ports, separated by commas',
    default: '',
    about: 'Reached around the sidecar, unverified.',
    read: listOf(port),
  },
  'exclude-outbound-ports': {
    values: 'ports, separated by commas',
    default: '',
    about: 'Called around the sidecar.',
    read: listOf(port),
  },
  'exclude-outbound-ranges': {
    values: 'addresses and networks, separated by commas',
    default: '',
    about: 'Called around the sidecar.',
    read: listOf(range),
  },
  'ipv4-only': {
    values: '`true`, `false`',
    default: '`false`',
    about:
      'Leaves IPv6 alone, for nodes whose kernel has no IPv6 NAT: where the pod has IPv6, it then goes around the sidecar.',
    read: flag,
  },
  'log-level': {
    values: '`debug`, `info`, `warn`, `error`',
    default: 'that of the mesh file',
    about: 'What the sidecar logs.',
    read: oneOf('debug', 'info', 'warn', 'error'),
  },
  'cpu-request': {
    values: 'CPUs, such as `100m` or `0.5`',
    default: '`50m`, at most the limit; none where the pod as a whole has CPUs (`spec.resources`)',
    about: 'Of the sidecar.',
    read: cpu,
  },
  'cpu-limit': {
    values: 'CPUs',
    default: '',
    about: 'Of the sidecar, and of the init container that redirects.',
    read: cpu,
  },
  'memory-request': {
    values: 'an amount, such as `64Mi`',
    default: '`96Mi`, at most the limit; none where the pod as a whole has memory',
    about: 'Of the sidecar.',
    read: memory,
  },
  'memory-limit': {
    values: 'an amount',
    default: '`256Mi`, at least the request; none where the pod as a whole has memory',
    about: 'Of the sidecar.',
    read: memory,
  },
} as const satisfies Record<string, Annotation<unknown>>

type Table = typeof annotations
export type AnnotationName = keyof Table
type ValueOf<Name extends AnnotationName> = Table[Name]['read'] extends (text: string) => Reading<infer T>
  ? T
  : never

const maxSuggestions = 20

/** What a pod's annotations ask for. */
export type Wishes = { readonly [Name in AnnotationName]?: ValueOf<Name> }

/** Those that have all of its words, as `port` is in several. */
function alike(name: string, names: readonly string[]): string {
  const words = name.split('-')
  const found = names.filter((each) => words.every((word) => word !== '' && each.includes(word)))
  return found.length === 0 ? '' : `; there is: ${found.join(', ')}`
}

/** Ours among a pod's annotations. One that is unknown is wrong: a misspelt one would otherwise be lost in silence. */
export function readAnnotations(given: Readonly<Record<string, unknown>>): {
  readonly wishes: Wishes
  readonly problems: readonly string[]
} {
  const wishes: Record<string, unknown> = {}
  const problems: string[] = []
  const names = Object.keys(annotations)
  // To find what is meant takes longer than all the rest.
  const suggest = (name: string) =>
    problems.length < maxSuggestions ? didYouMean(name, names) || alike(name, names) : ''
  for (const [key, text] of Object.entries(given)) {
    const name = key.slice(prefix.length)
    if (!key.startsWith(prefix) || name === 'injected') continue
    if (!Object.hasOwn(annotations, name)) {
      problems.push(`annotation ${shortened(key)}: is not known${suggest(name)}`)
      continue
    }
    const reading =
      typeof text === 'string'
        ? annotations[name as AnnotationName].read(text)
        : wrong('is no text: put it in quotes')
    if ('wrong' in reading)
      problems.push(`annotation ${key}: ${shortened(JSON.stringify(text))} ${reading.wrong}`)
    else wishes[name] = reading.value
  }
  return { wishes, problems }
}
