// Finds the key of a service account that signed something: by the certificates that travel with it, or by its `kid`.
import { ChainFault, type AccountKey, type Authority } from '../certificate/chain.ts'
import { Refusal } from '../errors.ts'
import type { Peer } from '../head.ts'
import { Needed, type MissingRule, type Need } from '../needed.ts'
import type { Trust } from '../trust.ts'

export interface AccountKeyQuestion {
  readonly keyId: string | undefined
  /** `x5c`, where it came along. */
  readonly certificates: readonly string[] | undefined
  readonly authority: Authority
  readonly trust: Trust
  readonly peer: Peer
  readonly missing: MissingRule
  /** Milliseconds since the epoch. */
  readonly nowMs: number
  /** When the certificate must have been valid; default: now. */
  readonly atMs?: number
  /** So much later than that it may have become valid; default: 0. */
  readonly earlyMs?: number
}

/** No certificate shows that a key is an account's. The reason is for logs. */
export interface NoAccountKey {
  readonly why: string
  readonly cause?: ChainFault
}

/**
 * The certificates that travel with what was signed go first. Those that are known by the `kid` alone may have been
 * renewed since: where they do not serve, others are asked for.
 * @throws {Refusal} `keys_unavailable`: whoever may know the certificate cannot be asked; `overloaded` for a peer that
 * sends bad certificates without end.
 * @throws {Needed} where `missing` answers `ask`.
 */
export function findAccountKey(question: AccountKeyQuestion): AccountKey | NoAccountKey {
  const { keyId, certificates, trust, nowMs } = question
  if (keyId === undefined) return { why: 'it has no kid' }
  if (certificates !== undefined) {
    const found = judge(question, certificates)
    // One that has ended since a link was signed must not take the place of the one that came after it.
    const kept = trust.certificates.get(keyId)
    const isOfUse = isKey(found) && kept !== certificates && (nowMs <= found.notAfterMs || kept === undefined)
    if (isOfUse) trust.certificates.set(keyId, certificates, keyId.length + lengthOf(certificates))
    return found
  }
  const known = trust.certificates.get(keyId)
  const found = known === undefined ? { why: 'no certificate is known for its kid' } : judge(question, known)
  if (isKey(found)) return found
  const need: Need = { kind: 'certificates', keyIds: [keyId] }
  const missing = question.missing(need)
  if (missing === 'ask') throw new Needed(need)
  if (missing === 'unknown') return found
  throw new Refusal(
    'keys_unavailable',
    'The certificate of the calling account cannot be looked up now. Send it along (x5c), or try again shortly.',
  )
}

export function isKey(found: AccountKey | NoAccountKey): found is AccountKey {
  return 'key' in found
}

function judge(question: AccountKeyQuestion, certificates: readonly string[]): AccountKey | NoAccountKey {
  const { authority, trust, peer, nowMs, atMs = nowMs, earlyMs = 0 } = question
  try {
    const key = trust.accountVerdicts.accountKey(certificates, authority, peer.address, nowMs, {
      atMs,
      earlyMs,
    })
    if (key === undefined) {
      throw new Refusal('overloaded', 'Too many bad certificates came from this address. Try again shortly.')
    }
    return key.keyId === question.keyId ? key : { why: 'its certificate is of another key' }
  } catch (error) {
    if (error instanceof ChainFault) return { why: error.message, cause: error }
    throw error
  }
}

function lengthOf(certificates: readonly string[]): number {
  return certificates.reduce((sum, each) => sum + each.length, 0)
}
