// Verdicts on certificate chains that travel in `x5c`, kept both ways, with failures rate-limited per peer.
import { BoundedMap } from '../bounded-map.ts'
import { ChainFault, verifyAccountChain, type AccountKey, type Authority } from '../certificate/chain.ts'

const maxBytes = 4 * 1024 * 1024
/** A chain that certifies nothing may do so later, when its time has come. */
const rejectionLifeMs = 60_000
const maxPeers = 10_000
/** A peer may fail this often at once, and again one time each interval. */
const failureBurst = 20
const failureIntervalMs = 1_000

/** When certificates must be valid. */
export interface Moment {
  /** Milliseconds since the epoch. */
  readonly atMs: number
  /** So much later than that they may become valid. */
  readonly earlyMs: number
}

interface Verdict {
  readonly key: AccountKey | ChainFault
  /** For when the chain was judged. */
  readonly moment: Moment
}

interface Failures {
  count: number
  sinceMs: number
}

/** What is known of chains under one set of authorities. Live state: one for each {@link Trust}. */
export class AccountVerdicts {
  readonly #verdicts = new BoundedMap<string, Verdict>(maxBytes)
  readonly #texts = new WeakMap<readonly string[], { readonly issuer: string; readonly text: string }>()
  readonly #failures = new BoundedMap<string, Failures>(maxPeers)

  /**
   * The account's key that a chain certifies.
   * @param nowMs milliseconds since the epoch.
   * @param moment when the certificates must be valid: now, or when they were used to sign.
   * @returns undefined where the peer failed too often to be given another try now.
   * @throws {ChainFault} the chain certifies nothing.
   */
  accountKey(
    x5c: readonly string[],
    authority: Authority,
    peer: string,
    nowMs: number,
    moment: Moment = { atMs: nowMs, earlyMs: 0 },
  ): AccountKey | undefined {
    const text = this.#textOf(x5c, authority)
    const known = this.#verdicts.get(text)
    const verdict =
      known !== undefined && holdsAt(known, moment)
        ? known.key
        : this.#judge(text, x5c, authority, peer, nowMs, moment)
    if (verdict instanceof ChainFault) throw verdict
    return verdict
  }

  /** As JSON, for a joined text could stand for more than one list; made once for the list of a header that is known. */
  #textOf(x5c: readonly string[], { issuer }: Authority): string {
    const known = this.#texts.get(x5c)
    if (known?.issuer === issuer) return known.text
    const text = JSON.stringify([issuer, x5c])
    this.#texts.set(x5c, { issuer, text })
    return text
  }

  #judge(
    text: string,
    x5c: readonly string[],
    authority: Authority,
    peer: string,
    nowMs: number,
    moment: Moment,
  ): AccountKey | ChainFault | undefined {
    if (this.#failedTooOften(peer, nowMs)) return undefined
    const key = judgeWithin(x5c, authority, moment)
    if (key instanceof ChainFault) this.#countFailure(peer, nowMs)
    this.#verdicts.set(text, { key, moment }, text.length * 2)
    return key
  }

  #failedTooOften(peer: string, nowMs: number): boolean {
    const failures = this.#failures.get(peer)
    return failures !== undefined && remaining(failures, nowMs) >= failureBurst
  }

  #countFailure(peer: string, nowMs: number): void {
    const failures = this.#failures.get(peer)
    const count = failures === undefined ? 0 : remaining(failures, nowMs)
    this.#failures.set(peer, { count: count + 1, sinceMs: nowMs })
  }
}

/** Whether a verdict is one for this moment, too. */
function holdsAt({ key, moment }: Verdict, { atMs, earlyMs }: Moment): boolean {
  if (key instanceof ChainFault) {
    const isNear = Math.abs(atMs - moment.atMs) < rejectionLifeMs
    // What had ended may have been good before; what had not begun may be good by now.
    if (key.code === 'expired') return isNear && atMs >= moment.atMs
    if (key.code === 'not_yet_valid') return isNear && atMs + earlyMs <= moment.atMs + moment.earlyMs
    return isNear
  }
  return atMs + earlyMs >= key.notBeforeMs && atMs <= key.notAfterMs
}

function remaining(failures: Failures, nowMs: number): number {
  const forgiven = Math.floor((nowMs - failures.sinceMs) / failureIntervalMs)
  return Math.max(0, failures.count - forgiven)
}

function judgeWithin(
  x5c: readonly string[],
  authority: Authority,
  { atMs, earlyMs }: Moment,
): AccountKey | ChainFault {
  const key = judge(x5c, authority, atMs)
  const mayBeEarly = earlyMs > 0 && key instanceof ChainFault && key.code === 'not_yet_valid'
  return mayBeEarly ? judge(x5c, authority, atMs + earlyMs) : key
}

function judge(x5c: readonly string[], authority: Authority, atMs: number): AccountKey | ChainFault {
  try {
    return verifyAccountChain(x5c, authority, atMs)
  } catch (error) {
    if (error instanceof ChainFault) return error
    throw error
  }
}
