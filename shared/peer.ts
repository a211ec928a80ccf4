// Who is at the other end of a connection, by the certificates that it showed in TLS.
import { createHash, type X509Certificate } from 'node:crypto'
import type { Revocations } from './assertion/verify.ts'
import { ChainFault, verifyPeerCertificates, type Authority, type PeerName } from './certificate/chain.ts'
import { readFields } from './certificate/fields.ts'
import { trustDomainOf } from './certificate/spiffe.ts'
import type { RefusalCode } from './errors.ts'
import type { PeerCertificate } from './head.ts'
import type { Trust } from './trust.ts'

/** What there is to judge who is at the other end by. */
export interface ConnectedPeer {
  /** The IP address, IPv4-mapped addresses in IPv4 form. */
  readonly address: string
  /** Undefined: it showed none, or does not speak TLS. */
  readonly shown?: ShownCertificates | undefined
}

/** A name that was proven, or why none was. */
export type PeerIdentity =
  | { readonly kind: 'proven'; readonly name: PeerName; readonly certificate: PeerCertificate }
  | { readonly kind: 'unproven'; readonly code: RefusalCode; readonly why: string }

type Judged =
  | Extract<PeerIdentity, { kind: 'proven' }>
  | { readonly kind: 'fault'; readonly fault: ChainFault }

/** For so long certificates that prove nothing are not judged again: their time may come. */
const faultLifeMs = 10_000

/** The certificates of one connection, leaf first, whose key its peer proved to hold; and what was last found of them. */
export class ShownCertificates {
  readonly #chain: readonly X509Certificate[]
  #authorities: Trust['authorities'] | undefined
  #judged: Judged | undefined
  /** For what was judged: when it is to be judged again. */
  #fromMs = 0
  #untilMs = 0

  constructor(chain: readonly X509Certificate[]) {
    this.#chain = chain
  }

  identify(trust: Trust, revocations: Revocations, nowMs: number): PeerIdentity {
    const judged = this.#judge(trust.authorities, nowMs)
    if (judged.kind === 'fault') return unproven(judged.fault)
    if (!revocations.isKeyRevoked(judged.name.keyId)) return judged
    return { kind: 'unproven', code: 'client_certificate_revoked', why: 'its key was revoked' }
  }

  #judge(authorities: Trust['authorities'], nowMs: number): Judged {
    const known = this.#judged
    const holds = this.#authorities === authorities && nowMs >= this.#fromMs && nowMs <= this.#untilMs
    if (known !== undefined && holds) return known
    const judged = judge(this.#chain, authorities, nowMs)
    this.#judged = judged
    this.#authorities = authorities
    const isProven = judged.kind === 'proven'
    this.#fromMs = isProven ? judged.name.notBeforeMs : nowMs
    this.#untilMs = isProven ? judged.name.notAfterMs : nowMs + faultLifeMs
    return judged
  }
}

function judge(chain: readonly X509Certificate[], authorities: Trust['authorities'], nowMs: number): Judged {
  try {
    const [leaf] = chain
    if (leaf === undefined) throw new ChainFault('malformed')
    const { uriNames } = readFields(leaf)
    const name = verifyPeerCertificates(chain, authorityOf(uriNames, authorities), 'client', nowMs)
    return { kind: 'proven', name, certificate: describe(leaf, uriNames) }
  } catch (fault) {
    if (fault instanceof ChainFault) return { kind: 'fault', fault }
    throw fault
  }
}

function authorityOf([uri, ...others]: readonly string[], authorities: Trust['authorities']): Authority {
  if (uri === undefined || others.length > 0) throw new ChainFault('leaf_uri')
  const authority = authorities.get(trustDomainOf(uri) ?? '')
  if (authority === undefined) throw new ChainFault('account_issuer')
  return authority
}

function unproven(fault: ChainFault): PeerIdentity {
  const isExpired = fault.code === 'expired'
  const code = isExpired ? 'client_certificate_expired' : 'client_certificate_invalid'
  return { kind: 'unproven', code, why: fault.message }
}

function describe({ raw, publicKey }: X509Certificate, uriNames: readonly string[]): PeerCertificate {
  return {
    fingerprint: sha256(raw),
    spkiHash: sha256(publicKey.export({ type: 'spki', format: 'der' })),
    uriNames,
  }
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
