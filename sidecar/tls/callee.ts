// How the callee of a route is verified in TLS: by whose account its certificate is.
import { randomUUID } from 'node:crypto'
import type { DetailedPeerCertificate, SecureContext } from 'node:tls'
import type { Revocations } from '../../shared/assertion/verify.ts'
import { verifyPeerCertificates, type Authority } from '../../shared/certificate/chain.ts'
import type { Security } from '../upstream/dial.ts'
import { shownCertificates } from './shown.ts'

/** A connection gets no new requests after this: then the certificate of whoever is there is looked at anew. */
const verdictMs = 60 * 60_000
/** Not all sidecars at the same moment. */
const phaseMs = Math.random() * verdictMs
/** More keys than that one service has at one time, each pod its own. */
const maxKeys = 10_000

export interface CalleeOptions {
  readonly authority: Authority
  readonly service: string
  /** Those of the service. */
  readonly accounts: ReadonlySet<string>
  readonly context: SecureContext
  readonly serverName: string | undefined
  readonly revocations: Revocations
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

export class Callee {
  readonly #options: CalleeOptions
  /** Those that were found good, and may be on connections that are kept. */
  readonly #keyIds = new Set<string>()
  #epoch = 0
  #revocationsSeen = 0
  #security: Security | undefined

  constructor(options: CalleeOptions) {
    this.#options = options
  }

  /** Good for connections to be made, and for those that were made with it. */
  get security(): Security {
    const epoch = Math.floor((this.#options.now() + phaseMs) / verdictMs)
    if (this.#security !== undefined && epoch === this.#epoch && !this.#isOneRevoked()) return this.#security
    this.#epoch = epoch
    this.#keyIds.clear()
    const { context, serverName } = this.#options
    return (this.#security = {
      key: randomUUID(),
      context,
      ...(serverName === undefined ? undefined : { serverName }),
      judge: (certificate) => this.#judge(certificate),
    })
  }

  #isOneRevoked(): boolean {
    const { revocations } = this.#options
    if (revocations.version === this.#revocationsSeen) return false
    this.#revocationsSeen = revocations.version
    return [...this.#keyIds].some((keyId) => revocations.isKeyRevoked(keyId))
  }

  #judge(certificate: DetailedPeerCertificate): Error | undefined {
    const { authority, accounts, service, revocations, now } = this.#options
    try {
      const chain = shownCertificates(certificate)
      const { account, uri, keyId } = verifyPeerCertificates(chain, authority, 'server', now())
      if (!accounts.has(account)) return new Error(`the callee is ${uri}, which is no account of ${service}`)
      if (revocations.isKeyRevoked(keyId)) return new Error('the key of the callee was revoked')
      this.#keyIds.add(keyId)
      return this.#keyIds.size > maxKeys ? new Error('too many keys of one service') : undefined
    } catch (fault) {
      return new Error('the certificate of the callee does not count', { cause: fault })
    }
  }
}
