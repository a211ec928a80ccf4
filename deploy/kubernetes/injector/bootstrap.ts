// A certificate of the injector's own making: kept in a Secret that its replicas share, and named in its webhooks.
import { setTimeout as pause } from 'node:timers/promises'
import { createAuthority, issueAccount } from '../../../sidecar/ca.ts'
import { describeError, type Log } from '../../../sidecar/telemetry/log.ts'
import { ApiFault, type ApiObject, type KubernetesApi } from './kubernetes-api.ts'
import { dataOf, readKept, type Kept, type SecretObject } from './kept-certificate.ts'
import { describePair, notAfterMs, type KeyPair, type ServingCertificate } from './serving-certificate.ts'

export interface BootstrapOptions {
  readonly api: KubernetesApi
  readonly namespace: string
  /** Of the Service by which the API server calls. */
  readonly service: string
  readonly secret: string
  /** The MutatingWebhookConfiguration. */
  readonly webhooks: string
  readonly log: Log
  /** Milliseconds since the epoch; the API server's own clock comes first. */
  readonly now: () => number
  /** How often the Secret is looked at. */
  readonly intervalMs?: number
  /** So long the webhooks have named a certificate before it is served. */
  readonly settleMs?: number
  readonly days?: number
}

interface WebhooksObject extends ApiObject {
  readonly webhooks?: readonly { readonly clientConfig: { readonly caBundle?: string } }[]
}

const lifeDays = 90
const renewAfter = 2 / 3
const dayMs = 86_400_000
const firstPauseMs = 250

/** It is the API server that judges a certificate, and its clock is the same for all replicas. */
const nowOf = ({ api, now }: BootstrapOptions) => Math.round(api.clockMs() ?? now())

/**
 * Starts keeping the certificate, and goes on until it is closed; an API server that does not answer is asked again.
 * The authority's key is thrown away once it has certified: whoever reads the Secret can serve as the injector until its
 * certificate ends, and can certify nothing.
 */
export function bootstrapCertificate(options: BootstrapOptions): ServingCertificate {
  const { log, intervalMs = 10_000 } = options
  const stopping = new AbortController()
  let listener: (() => void) | undefined
  let current: KeyPair | undefined
  let failures = 0
  const look = async (): Promise<boolean> => {
    try {
      const { pair } = await advance(options)
      if (pair.cert === current?.cert) return true
      current = pair
      log.write('info', 'serving certificate in effect', describePair(pair))
      listener?.()
      return true
    } catch (error) {
      // Another replica was faster: the next look sees what it did.
      const isLost = error instanceof ApiFault && error.status === 409
      const cause = describeError(error)
      log.write(isLost ? 'debug' : 'error', 'the certificate cannot be kept', { cause })
      return false
    }
  }
  const looking = (async () => {
    while (!stopping.signal.aborted) {
      failures = (await look()) ? 0 : failures + 1
      const waitMs = failures === 0 ? intervalMs : Math.min(intervalMs, firstPauseMs * 2 ** failures)
      // Replicas that look at the same moment get into each other's way.
      await sleep(waitMs * (0.75 + Math.random() / 2), stopping.signal)
    }
  })()
  return {
    current: () => current,
    onChange: (told) => (listener = told),
    waitingFor: () =>
      current === undefined ? 'the webhooks do not name a certificate of ours yet' : undefined,
    failedRenewals: () => failures,
    close() {
      stopping.abort()
      return looking
    },
  }
}

async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  await pause(ms, undefined, { signal, ref: false }).catch(() => undefined)
}

/**
 * One step: whatever is next is done, by whichever replica comes first. The webhooks are read before the Secret: where
 * another replica changes both meanwhile, ours is not written over what it wrote.
 * @returns what the Secret holds, which the webhooks name. @throws {ApiFault} 409: another replica was faster.
 */
async function advance(options: BootstrapOptions): Promise<Kept> {
  const { settleMs = 10_000 } = options
  const now = () => nowOf(options)
  const webhooks = await options.api.get<WebhooksObject>(placeOf(options))
  const kept = await readOrFill(options)
  const isChanged = await nameInWebhooks(options, webhooks, kept.bundle)
  const { next } = kept
  if (next !== undefined) {
    // The time counts from when the webhooks were seen to name it, by whichever replica.
    if (isChanged || next.sinceMs === undefined)
      return write(options, kept.object, { ...kept, next: { ...next, sinceMs: now() } })
    if (now() < next.sinceMs + settleMs) return kept
    return write(options, kept.object, { pair: next, next: undefined, bundle: kept.bundle })
  }
  const { days = lifeDays } = options
  const renewAtMs = notAfterMs(kept.pair.cert) - days * dayMs * (1 - renewAfter)
  if (now() < renewAtMs) return kept
  const made = await certify(options)
  // That of the certificate which is still served, and none before it.
  const [latest = ''] = kept.bundle.split(/(?<=-----END CERTIFICATE-----\n)/)
  const bundle = made.authority + latest
  return write(options, kept.object, { pair: kept.pair, next: { ...made.pair, sinceMs: undefined }, bundle })
}

/** It is there from the start: to create Secrets is a right that cannot be had for one name alone. */
const secretOf = ({ namespace, secret }: BootstrapOptions) =>
  `/api/v1/namespaces/${namespace}/secrets/${secret}`
const hostOf = ({ service, namespace }: BootstrapOptions) => `${service}.${namespace}.svc`

/** An empty Secret is filled; one that somebody damaged, or that outlived its certificate, is filled anew. */
async function readOrFill(options: BootstrapOptions): Promise<Kept> {
  const found = await options.api.get<SecretObject>(secretOf(options))
  const kept = readKept(found, hostOf(options), nowOf(options))
  if (kept !== undefined) return kept
  const { pair, authority: bundle } = await certify(options)
  const made = { pair, next: undefined, bundle }
  if (Object.keys(found.data ?? {}).length > 0)
    options.log.write('warn', 'what the Secret holds cannot be used, and is replaced', {
      secret: options.secret,
    })
  await write(options, found, made)
  const written = await options.api.get<SecretObject>(secretOf(options))
  const read = readKept(written, hostOf(options), nowOf(options))
  if (read === undefined) throw new ApiFault(409, `Secret ${options.secret}: it was changed again`)
  return read
}

async function write(
  options: BootstrapOptions,
  object: SecretObject,
  content: Omit<Kept, 'object'>,
): Promise<Kept> {
  await options.api.replace(secretOf(options), { ...object, data: dataOf(content) })
  return { ...content, object }
}

const placeOf = ({ webhooks }: BootstrapOptions) =>
  `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${webhooks}`

/** @returns whether they named others before. */
async function nameInWebhooks(
  options: BootstrapOptions,
  found: WebhooksObject,
  bundle: string,
): Promise<boolean> {
  const caBundle = Buffer.from(bundle).toString('base64')
  const { webhooks = [] } = found
  if (webhooks.every(({ clientConfig }) => clientConfig.caBundle === caBundle)) return false
  const named = webhooks.map((webhook) => ({
    ...webhook,
    clientConfig: { ...webhook.clientConfig, caBundle },
  }))
  await options.api.replace(placeOf(options), { ...found, webhooks: named })
  return true
}

async function certify(options: BootstrapOptions) {
  const { service, days = lifeDays } = options
  const issuer = 'onbehalf-injector'
  const nowMs = nowOf(options)
  const authority = await createAuthority({ issuer, days, nowMs })
  const { certificatePem: cert, keyPem: key } = await issueAccount({
    caPem: authority.certificatePem,
    caKeyPem: authority.keyPem,
    issuer,
    account: service,
    dnsNames: [hostOf(options), `${hostOf(options)}.cluster.local`],
    days,
    nowMs,
  })
  return { pair: { cert, key }, authority: authority.certificatePem }
}
