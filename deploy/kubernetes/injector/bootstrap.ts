// A certificate of the injector's own making: kept in a Secret that its replicas share, and named in its webhooks.
import { setTimeout as pause } from 'node:timers/promises'
import { createAuthority, issueAccount } from '../../../sidecar/ca.ts'
import { describeError, type Log } from '../../../sidecar/telemetry/log.ts'
import { ApiFault, type ApiObject, type KubernetesApi } from './kubernetes-api.ts'
import { checkPair, notAfterMs, type KeyPair, type ServingCertificate } from './serving-certificate.ts'

export interface BootstrapOptions {
  readonly api: KubernetesApi
  readonly namespace: string
  /** Of the Service by which the API server calls. */
  readonly service: string
  readonly secret: string
  /** The MutatingWebhookConfiguration. */
  readonly webhooks: string
  readonly log: Log
  readonly now: () => number
  /** How often the Secret is looked at. */
  readonly intervalMs?: number
  /** So long the webhooks have named a certificate before it is served. */
  readonly settleMs?: number
  readonly days?: number
}

interface SecretObject extends ApiObject {
  readonly data?: Readonly<Record<string, string>>
}

interface WebhooksObject extends ApiObject {
  readonly webhooks?: readonly { readonly clientConfig: { readonly caBundle?: string } }[]
}

/** What the Secret holds. `next` waits until the webhooks name its authority. */
interface Kept {
  readonly pair: KeyPair
  readonly next: (KeyPair & { readonly sinceMs: number }) | undefined
  /** The authorities of both, as PEM. */
  readonly bundle: string
  readonly object: SecretObject
}

const lifeDays = 90
const renewAfter = 2 / 3
const dayMs = 86_400_000

/**
 * Starts keeping the certificate; resolves when there is one to serve, which need not be in the webhooks yet.
 * The authority's key is thrown away once it has certified: whoever reads the Secret can serve as the injector until its
 * certificate ends, and can certify nothing.
 */
export async function bootstrapCertificate(
  options: BootstrapOptions,
): Promise<ServingCertificate & { reconcile(): Promise<void> }> {
  const { log, now, intervalMs = 10_000 } = options
  const stopping = new AbortController()
  let listener: (() => void) | undefined
  let current: KeyPair | undefined
  let isNamed = false
  const reconcile = async () => {
    const kept = await advance(options)
    isNamed = true
    if (kept.pair.cert === current?.cert) return
    current = kept.pair
    log.write('info', 'serving certificate in effect', {
      not_after: new Date(notAfterMs(kept.pair.cert)).toISOString(),
    })
    listener?.()
  }
  const attempt = async () => {
    try {
      await reconcile()
    } catch (error) {
      // Another replica was faster: the next look sees what it did.
      const isLost = error instanceof ApiFault && error.status === 409
      log.write(isLost ? 'debug' : 'error', 'the certificate cannot be kept', { error: describeError(error) })
    }
  }
  const wait = (ms: number) =>
    pause(ms, undefined, { signal: stopping.signal, ref: false }).catch(() => undefined)
  const isServing = () => current !== undefined
  for (let tries = 0; !isServing(); tries++) {
    if (tries > 0) await wait(Math.min(intervalMs, 250 * 2 ** Math.min(tries, 6)))
    await attempt()
  }
  void (async () => {
    while (!stopping.signal.aborted) {
      await wait(intervalMs * (0.75 + Math.random() / 2))
      if (!stopping.signal.aborted) await attempt()
    }
  })()
  const pair = () => current as KeyPair
  return {
    reconcile,
    current: pair,
    notAfterMs: () => notAfterMs(pair().cert),
    onChange: (told) => (listener = told),
    waitingFor: () => {
      if (notAfterMs(pair().cert) <= now()) return 'the serving certificate has expired'
      return isNamed ? undefined : 'the webhooks do not name the certificate yet'
    },
    close: () => stopping.abort(),
  }
}

/** One step: whatever is next is done, by whichever replica comes first. @throws {ApiFault} */
async function advance(options: BootstrapOptions): Promise<Kept> {
  const { now, settleMs = 10_000 } = options
  const kept = await readOrCreate(options)
  const isChanged = await nameInWebhooks(options, kept.bundle)
  if (kept.next !== undefined) {
    if (isChanged || now() < kept.next.sinceMs + settleMs) return kept
    return write(options, kept, { pair: kept.next, next: undefined, bundle: kept.bundle })
  }
  const { days = lifeDays } = options
  const renewAtMs = notAfterMs(kept.pair.cert) - days * dayMs * (1 - renewAfter)
  if (now() < renewAtMs) return kept
  const made = await certify(options)
  const [latest = ''] = kept.bundle.split(/(?<=-----END CERTIFICATE-----\n)/)
  return write(options, kept, {
    pair: kept.pair,
    next: { ...made.pair, sinceMs: now() },
    bundle: made.authority + latest,
  })
}

const secretsOf = ({ namespace }: BootstrapOptions) => `/api/v1/namespaces/${namespace}/secrets`

async function readOrCreate(options: BootstrapOptions): Promise<Kept> {
  const place = `${secretsOf(options)}/${options.secret}`
  const found = await options.api.get<SecretObject>(place)
  if (found !== undefined) return read(found)
  const { pair, authority } = await certify(options)
  const object = { apiVersion: 'v1', kind: 'Secret', type: 'Opaque', metadata: { name: options.secret } }
  await options.api.create(secretsOf(options), {
    ...object,
    data: dataOf({ pair, next: undefined, bundle: authority }),
  })
  const made = await options.api.get<SecretObject>(place)
  if (made === undefined) throw new ApiFault(404, `GET ${place}: it is gone again`)
  return read(made)
}

function read(object: SecretObject): Kept {
  const of = (key: string) => Buffer.from(object.data?.[key] ?? '', 'base64').toString()
  const pair = { cert: of('tls.crt'), key: of('tls.key') }
  checkPair(pair)
  const next = { cert: of('next.crt'), key: of('next.key'), sinceMs: Number(of('next-since')) }
  if (next.cert === '') return { pair, next: undefined, bundle: of('ca.crt'), object }
  checkPair(next)
  return { pair, next, bundle: of('ca.crt'), object }
}

function dataOf({ pair, next, bundle }: Omit<Kept, 'object'>): Record<string, string> {
  const files = {
    'tls.crt': pair.cert,
    'tls.key': pair.key,
    'ca.crt': bundle,
    ...(next === undefined
      ? {}
      : { 'next.crt': next.cert, 'next.key': next.key, 'next-since': String(next.sinceMs) }),
  }
  return Object.fromEntries(
    Object.entries(files).map(([key, text]) => [key, Buffer.from(text).toString('base64')]),
  )
}

async function write(
  options: BootstrapOptions,
  { object }: Kept,
  content: Omit<Kept, 'object'>,
): Promise<Kept> {
  await options.api.replace(`${secretsOf(options)}/${options.secret}`, { ...object, data: dataOf(content) })
  return { ...content, object }
}

/** @returns whether they named others before. */
async function nameInWebhooks({ api, webhooks: name }: BootstrapOptions, bundle: string): Promise<boolean> {
  const place = `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${name}`
  const found = await api.get<WebhooksObject>(place)
  if (found === undefined) throw new ApiFault(404, `GET ${place}: there is none`)
  const caBundle = Buffer.from(bundle).toString('base64')
  const { webhooks = [] } = found
  if (webhooks.every(({ clientConfig }) => clientConfig.caBundle === caBundle)) return false
  const named = webhooks.map((webhook) => ({
    ...webhook,
    clientConfig: { ...webhook.clientConfig, caBundle },
  }))
  await api.replace(place, { ...found, webhooks: named })
  return true
}

async function certify({ namespace, service, now, days = lifeDays }: BootstrapOptions) {
  const issuer = 'onbehalf-injector'
  const authority = await createAuthority({ issuer, days, nowMs: now() })
  const { certificatePem: cert, keyPem: key } = await issueAccount({
    caPem: authority.certificatePem,
    caKeyPem: authority.keyPem,
    issuer,
    account: service,
    dnsNames: [`${service}.${namespace}.svc`, `${service}.${namespace}.svc.cluster.local`],
    days,
    nowMs: now(),
  })
  return { pair: { cert, key }, authority: authority.certificatePem }
}
