// Whether what an injection reads of a pod has the form that Kubernetes' API gives it: of a file nobody has checked that yet.

type Word = 'name' | 'text' | 'number' | 'flag' | 'port'
type Form = Word | readonly [Form] | { readonly [key: string]: Form }

const handler: Form = {
  httpGet: {
    path: 'text',
    port: 'port',
    host: 'text',
    scheme: 'text',
    httpHeaders: [{ name: 'name', value: 'text' }],
  },
  tcpSocket: { port: 'port', host: 'text' },
  grpc: { port: 'number', service: 'text' },
}
const probe: Form = { ...handler, timeoutSeconds: 'number' }
const container: Form = {
  name: 'name',
  restartPolicy: 'text',
  ports: [{ name: 'text', containerPort: 'number', protocol: 'text' }],
  env: [{ name: 'name', value: 'text' }],
  envFrom: [{}],
  volumeMounts: [{ name: 'name', mountPath: 'name' }],
  startupProbe: probe,
  readinessProbe: probe,
  livenessProbe: probe,
  lifecycle: { postStart: handler, preStop: handler },
  securityContext: { runAsUser: 'number', privileged: 'flag', capabilities: { add: ['text'] } },
}
const resources: Form = { requests: {}, limits: {} }
const pod: Form = {
  metadata: { labels: {}, annotations: {} },
  spec: {
    containers: [container],
    initContainers: [container],
    volumes: [{ name: 'name' }],
    hostNetwork: 'flag',
    hostPID: 'flag',
    shareProcessNamespace: 'flag',
    restartPolicy: 'text',
    os: { name: 'text' },
    nodeSelector: {},
    resources,
    securityContext: { runAsUser: 'number' },
    terminationGracePeriodSeconds: 'number',
  },
}

/** As `path: what is wrong`. Fields that are missing, or null, are none of its concern, but for names. */
export function faultsOfForm(template: unknown): string[] {
  return faultsIn(template, pod, '')
}

function faultsIn(value: unknown, form: Form, path: string): string[] {
  if (value === undefined || value === null) return form === 'name' ? [`${path}: is no name`] : []
  if (typeof form === 'string') return isOf(form, value) ? [] : [`${path}: is no ${form}`]
  if (isList(form)) {
    if (!isList(value)) return [`${path}: is no list`]
    return value.flatMap((item, i) => faultsIn(item ?? false, form[0] as Form, `${path}[${i}]`))
  }
  if (typeof value !== 'object' || isList(value)) return [`${path}: is no object`]
  const fields = value as Readonly<Record<string, unknown>>
  return Object.entries(form).flatMap(([key, each]) =>
    faultsIn(fields[key], each, path === '' ? key : `${path}.${key}`),
  )
}

function isOf(form: Word, value: unknown): boolean {
  if (form === 'port') return typeof value === 'string' || typeof value === 'number'
  return typeof value === { name: 'string', text: 'string', number: 'number', flag: 'boolean' }[form]
}

function isList<T>(value: T): value is T & readonly unknown[] {
  return Array.isArray(value)
}
