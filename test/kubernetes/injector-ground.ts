// An API server without a cluster, and injectors behind its webhooks.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { TestContext } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { defaultSettings, type Settings } from '../../deploy/kubernetes/injection/settings.ts'
import type { AdmissionLimits } from '../../deploy/kubernetes/injector/admission-server.ts'
import { bootstrapCertificate, type BootstrapOptions } from '../../deploy/kubernetes/injector/bootstrap.ts'
import { startInjector, type Injector } from '../../deploy/kubernetes/injector/injector.ts'
import { createApi } from '../../deploy/kubernetes/injector/kubernetes-api.ts'
import type { ServingCertificate } from '../../deploy/kubernetes/injector/serving-certificate.ts'
import { createLog, type Log, type LogFields } from '../../sidecar/telemetry/log.ts'
import { Metrics } from '../../sidecar/telemetry/metrics.ts'
import { dnsName, leafExtensions, makeLeaf, makeRoot, subjectAltName } from '../support/certificates.ts'
import { send, type Answer } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { Admission, type Pod, type Webhook } from './admission.ts'
import { startApiServer, type ApiServer, type Rights, type StoredObject } from './api-server.ts'

export const namespace = 'onbehalf-system'
const secretsPath = `/api/v1/namespaces/${namespace}/secrets`
export const secretPath = `${secretsPath}/onbehalf-injector-certificate`
export const webhooksPath =
  '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/onbehalf-injector'
export const host = `onbehalf-injector.${namespace}.svc`

const kubernetes = join(import.meta.dirname, '../../deploy/kubernetes')
const documents = (file: string): readonly unknown[] =>
  parseAllDocuments(readFileSync(join(kubernetes, file), 'utf8')).map(
    (document) => document.toJS() as unknown,
  )

interface Role {
  readonly kind: string
  readonly rules?: readonly {
    readonly resources: readonly string[]
    readonly resourceNames?: readonly string[]
    readonly verbs: readonly Rights[number][0][]
  }[]
}

/** What the overlay with own certificates grants, and nothing else. */
const rights: Rights = (documents('overlays/own-certificates/access.yaml') as readonly Role[])
  .flatMap(({ rules = [] }) => rules)
  .flatMap(({ resources, resourceNames = [''], verbs }) =>
    verbs.flatMap((verb) =>
      resources.flatMap((resource) => resourceNames.map((name) => [verb, placeOf(resource, name)] as const)),
    ),
  )

function placeOf(resource: string, name: string): string {
  const folder = resource === 'secrets' ? secretsPath : webhooksPath.replace(/\/[^/]+$/, '')
  return name === '' ? folder : `${folder}/${name}`
}

/** One for namespaces that are labelled, one for pods that are labelled elsewhere. */
export const configuration = documents('base/webhooks.yaml')[0] as StoredObject & {
  readonly webhooks: readonly Webhook[]
}

/** As the overlay brings it, and applies it again. */
export const emptySecret = {
  type: 'Opaque',
  ...(documents('overlays/own-certificates/secret.yaml')[0] as StoredObject),
}

const injectLabel = 'onbehalf.dev/inject'

export const shop = { namespace: 'shop', namespaceLabels: { [injectLabel]: 'enabled' } }

/** As a ReplicaSet creates one. */
export function podOf(changes: { metadata?: Partial<Pod['metadata']>; spec?: object } = {}): Pod {
  const app = {
    name: 'app',
    image: 'shop/web:1',
    ports: [{ containerPort: 8080 }],
    env: [{ name: 'DATABASE_PASSWORD', value: 'correct horse' }],
    readinessProbe: { httpGet: { path: '/health', port: 8080 } },
  }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: 'web-7c9d-',
      labels: { 'app.kubernetes.io/name': 'Web' },
      ...changes.metadata,
    },
    spec: { containers: [app], ...changes.spec },
  }
}

export interface Replica extends Injector {
  readonly lines: readonly LogFields[]
  probe(path: string): Promise<Answer>
  untilReady(): Promise<void>
  failedRenewals(): Promise<number>
}

export interface ReplicaOptions {
  readonly settings?: Partial<Settings>
  readonly limits?: Partial<AdmissionLimits>
  readonly drainDelayMs?: number
  readonly certificate?: (log: Log) => ServingCertificate | Promise<ServingCertificate>
}

/** One that is stopped with the test, if it was not before. */
export async function startReplica(
  t: Pick<TestContext, 'after'>,
  certificate: (log: Log) => ServingCertificate | Promise<ServingCertificate>,
  { settings, limits, drainDelayMs = 0 }: ReplicaOptions = {},
): Promise<Replica> {
  const lines: LogFields[] = []
  const output = { write: (line: string) => void lines.push(JSON.parse(line) as LogFields) }
  const log = createLog(
    { level: 'debug', format: 'json', access: 'off', linesPerSecond: 0 },
    output,
    Date.now,
  )
  const injector = await startInjector({
    listen: { host: '127.0.0.1', port: 0 },
    listenProbes: { host: '127.0.0.1', port: 0 },
    settings: { ...defaultSettings('1.2.3'), ...settings },
    certificate: await certificate(log),
    drainDelayMs,
    metrics: new Metrics(),
    log,
    now: Date.now,
    limits: { farewellMs: 2_000, ...limits },
  })
  let stopped: Promise<void> | undefined
  const stop = () => (stopped ??= injector.stop())
  t.after(stop)
  const probe = (target: string) => send({ port: injector.probes.port, target })
  return {
    ...injector,
    lines,
    stop,
    probe,
    failedRenewals: async () =>
      Number(/^onbehalf_injector_failed_renewals (\d+)$/m.exec((await probe('/metrics')).body)?.[1]),
    untilReady: () => eventually(async () => (await probe('/ready')).status === 200),
  }
}

export interface Ground {
  readonly api: ApiServer
  readonly admission: Admission
  /** Whom the Service leads to. */
  readonly endpoints: number[]
  /** With a certificate of its own making; not behind the Service until it is ready. */
  replica(bootstrap?: Partial<BootstrapOptions>, options?: ReplicaOptions): Promise<Replica>
}

export interface GroundOptions {
  /** How late the part of the API server that asks webhooks hears of a change. */
  readonly lagMs?: number
  readonly validate?: (pod: Pod) => readonly string[]
}

export async function startGround(
  t: Pick<TestContext, 'after'>,
  { lagMs = 0, validate = () => [] }: GroundOptions = {},
): Promise<Ground> {
  const api = await startApiServer(t, rights)
  api.put(webhooksPath, configuration)
  api.put(secretPath, emptySecret)
  const endpoints: number[] = []
  const admission = new Admission(t, {
    webhooks: () => (api.get(webhooksPath, lagMs) ?? configuration)['webhooks'] as readonly Webhook[],
    endpoints: () => endpoints,
    validate,
  })
  return {
    api,
    admission,
    endpoints,
    async replica(bootstrap = {}, options = {}) {
      const certificate = (log: Log) =>
        bootstrapCertificate({
          // A test that sets the one clock sets both.
          api: { ...createApi(api.place), clockMs: bootstrap.now ?? Date.now },
          namespace,
          service: 'onbehalf-injector',
          secret: 'onbehalf-injector-certificate',
          webhooks: 'onbehalf-injector',
          log,
          now: Date.now,
          intervalMs: 40,
          settleMs: 150,
          ...bootstrap,
        })
      return startReplica(t, certificate, options)
    },
  }
}

export const hourMs = 3_600_000
export const bundlesOf = ({ api }: Ground) =>
  ((api.get(webhooksPath)?.['webhooks'] ?? []) as readonly Webhook[]).map(
    ({ clientConfig }) => clientConfig.caBundle ?? '',
  )
export const secretOf = ({ api }: Ground) =>
  (api.get(secretPath)?.['data'] ?? {}) as Readonly<Record<string, string | undefined>>
export const create = ({ admission }: Ground) => admission.create({ pod: podOf(), ...shop })

/** Creates pods until it is told to end. @returns what was not let in. */
export function createOn(ground: Ground) {
  const faults: string[] = []
  let count = 0
  const ending = new AbortController()
  const creating = (async () => {
    while (!ending.signal.aborted) {
      await create(ground).then(
        () => count++,
        (error: Error) => faults.push(error.message),
      )
      await pause(10)
    }
  })()
  return async () => {
    ending.abort()
    await creating
    return { faults, count }
  }
}

export const served = (lines: readonly Readonly<Record<string, unknown>>[]) =>
  lines.filter(({ message }) => message === 'serving certificate in effect').length

export const named = (caBundle: string) => ({
  ...configuration,
  webhooks: configuration.webhooks.map((webhook) => ({
    ...webhook,
    clientConfig: { ...webhook.clientConfig, caBundle },
  })),
})

export const base64 = (text: string) => Buffer.from(text).toString('base64')

/** Under an authority of its own. */
export function makeServing(name: string, notAfterMs = Date.now() + hourMs) {
  const root = makeRoot({ notAfterMs: Date.now() + hourMs })
  const extensions = leafExtensions('', subjectAltName(dnsName(name)))
  const { pem, keyPem } = makeLeaf(root, '', { notAfterMs, extensions })
  return { ca: root.pem, cert: pem, key: keyPem }
}
