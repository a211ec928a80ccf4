// What the Secret of an injector with its own certificate holds: the one that is served, the one that comes next, and by whom.
import { X509Certificate } from 'node:crypto'
import type { ApiObject } from './kubernetes-api.ts'
import { checkPair, notAfterMs, type KeyPair } from './serving-certificate.ts'

export interface SecretObject extends ApiObject {
  /** In base64. */
  readonly data?: Readonly<Record<string, string>> | null
}

export interface Kept {
  readonly pair: KeyPair
  /** Waits until the webhooks have named its authority for a while, since `sinceMs`. */
  readonly next: (KeyPair & { readonly sinceMs: number | undefined }) | undefined
  /** The authorities of both, as PEM; that of the later one first. */
  readonly bundle: string
  readonly object: SecretObject
}

/** Undefined where it is of no use: what it holds does not fit together, is for another host, or its time is over or to come. */
export function readKept(object: SecretObject, host: string, nowMs: number): Kept | undefined {
  const of = (key: string) => Buffer.from(object.data?.[key] ?? '', 'base64').toString()
  const pair = { cert: of('tls.crt'), key: of('tls.key') }
  const next = { cert: of('next.crt'), key: of('next.key'), sinceMs: timeOf(of('next-since'), nowMs) }
  const bundle = of('ca.crt')
  const hasNext = next.cert !== ''
  try {
    const authorities = bundle.match(/-----BEGIN[^]*?-----END CERTIFICATE-----/g) ?? []
    const roots = authorities.map((pem) => new X509Certificate(pem))
    checkServes(pair, roots, host, nowMs)
    if (hasNext) checkServes(next, roots, host, nowMs)
  } catch {
    return undefined
  }
  return { pair, next: hasNext ? next : undefined, bundle, object }
}

/** What is to come, by a clock that was set back, would be waited for: it counts from anew. */
function timeOf(text: string, nowMs: number): number | undefined {
  const ms = Number(text)
  return text === '' || !(ms <= nowMs + clockSkewMs) ? undefined : ms
}

const clockSkewMs = 60_000

/** @throws {Error} an API server that trusts these roots would not take it. */
function checkServes(pair: KeyPair, roots: readonly X509Certificate[], host: string, nowMs: number): void {
  checkPair(pair)
  const certificate = new X509Certificate(pair.cert)
  const isCertified = roots.some(
    (root) => certificate.checkIssued(root) && certificate.verify(root.publicKey),
  )
  // One that a clock made which was ahead.
  const hasBegun = certificate.validFromDate.getTime() <= nowMs + clockSkewMs
  const isOfUse = certificate.checkHost(host) !== undefined && hasBegun && notAfterMs(pair.cert) > nowMs
  if (!isCertified || !isOfUse) throw new Error('it does not serve')
}

export function dataOf({ pair, next, bundle }: Omit<Kept, 'object'>): Record<string, string> {
  const files = {
    'tls.crt': pair.cert,
    'tls.key': pair.key,
    'ca.crt': bundle,
    ...(next === undefined
      ? {}
      : { 'next.crt': next.cert, 'next.key': next.key, 'next-since': String(next.sinceMs ?? '') }),
  }
  return Object.fromEntries(
    Object.entries(files).map(([key, text]) => [key, Buffer.from(text).toString('base64')]),
  )
}
