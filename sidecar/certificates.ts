// Certificates by `kid`, shared through the store: ours is published before it is relied on, others' are looked up.
import { clockSkewSeconds } from '../shared/assertion/verify.ts'
import { BoundedMap } from '../shared/bounded-map.ts'
import {
  ChainFault,
  maxChainCertificates,
  maxChainLength,
  verifyAccountChain,
  type Authority,
} from '../shared/certificate/chain.ts'
import type { Trust } from '../shared/trust.ts'
import type { Asked } from './asking.ts'
import { Budget } from './budget.ts'
import type { Minter } from './credential/minter.ts'
import type { Store } from './store/store.ts'

/** So long after it was published, every sidecar that listens has had the time to look a certificate up. */
export const settlingMs = 500
/** How often ours is published again, for a store that lost it. */
const renewalMs = 15_000
/** Whoever can write to the store can tell us that we missed something: we publish again at most this often. */
const gapBurst = 5
const gapIntervalMs = 1_000
/** So long nobody is asked again for a `kid` that nobody had. */
const absenceMs = 2_000
const maxAbsent = 10_000
/** Look-ups under way: who asks for ever new ones waits for nobody's answer but his own. */
const maxLookups = 64
/** So long a callee that did not find our certificate gets it with each call. */
const travelMs = 60_000
const maxCallees = 1_000

/** So many announcements are looked into at once, and one more each interval; others' certificates are looked up when they are needed. */
const announcementBurst = 200
const announcementIntervalMs = 50

const channel = 'certificates'
/** Under which a certificate is in the store. */
export const certificateKey = (keyId: string): string => `certificate:${keyId}`

export interface CertificatesOptions {
  readonly store: Store
  readonly trust: () => Trust
  readonly minter: () => Minter | undefined
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

export class Certificates {
  /** Entries of the store that certified nothing: somebody else wrote them. */
  rejected = 0
  readonly #options: CertificatesOptions
  /** When nobody had a `kid`. */
  readonly #absentSinceMs = new BoundedMap<string, number>(maxAbsent)
  /** Until when our certificate travels to a host. */
  readonly #travelsUntilMs = new BoundedMap<string, number>(maxCallees)
  readonly #lookups = new Map<string, Promise<Asked>>()
  readonly #announcements = new Budget(announcementBurst, announcementIntervalMs)
  #published: { readonly keyId: string; readonly text: string; readonly atMs: number } | undefined
  #publishing: Promise<void> = Promise.resolve()
  #queued: Promise<void> | undefined
  readonly #gaps = new Budget(gapBurst, gapIntervalMs)
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: CertificatesOptions) {
    this.#options = options
  }

  /** Publishes ours, and from then on again; hears of others'. Resolves when the store has ours, or cannot take it. */
  async start(): Promise<void> {
    const { store } = this.#options
    if (store.kind === 'memory') return
    store.subscribe(channel, (keyId) => void (keyId === undefined ? this.#catchUp() : this.#hear(keyId)))
    await this.publish()
    this.#schedule()
  }

  /** Publishes ours now: it is a new one, or the store may have lost it. */
  publish(): Promise<void> {
    // One that has not begun will see what is ours by then.
    this.#queued ??= this.#publishing.then(() => {
      this.#queued = undefined
      return this.#publish()
    })
    this.#publishing = this.#queued
    return this.#queued
  }

  /**
   * Whether our certificate must travel with what is sent to a host: it is not in the store yet, or the store cannot
   * be asked now, or the callee said that it did not find it.
   */
  travelsTo(host: string): boolean {
    const { store, minter, now } = this.#options
    if (store.kind === 'memory' || !store.isUp) return true
    const nowMs = now()
    const published = this.#published
    if (published === undefined || published.keyId !== minter()?.keyId) return true
    const isSettled = nowMs >= published.atMs + settlingMs
    return !isSettled || nowMs < (this.#travelsUntilMs.get(host) ?? 0)
  }

  /** A callee did not find our certificate: it travels there for a while. */
  sendTo(host: string): void {
    this.#travelsUntilMs.set(host, this.#options.now() + travelMs)
    void this.publish()
  }

  /** Looks a certificate up; what is found is in {@link Trust.certificates} then. Who asks at the same time shares one answer. */
  lookUp(keyId: string): Promise<Asked> {
    const { store, now } = this.#options
    if (!isKeyId(keyId) || store.kind === 'memory') return Promise.resolve('unknown')
    // A clock that was set back must not keep us from asking.
    if (Math.abs(now() - (this.#absentSinceMs.get(keyId) ?? -Infinity)) < absenceMs)
      return Promise.resolve('unknown')
    const known = this.#lookups.get(keyId)
    if (known !== undefined) return known
    if (this.#lookups.size >= maxLookups) return Promise.resolve('unavailable')
    const lookup = this.#lookUp(keyId).finally(() => this.#lookups.delete(keyId))
    this.#lookups.set(keyId, lookup)
    return lookup
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  async #publish(): Promise<void> {
    const { store, minter: current, now } = this.#options
    const minter = current()
    if (minter === undefined || store.kind === 'memory') return
    const lifeMs = minter.notAfterMs - now()
    if (lifeMs <= 0) return
    try {
      const { keyId } = minter
      const text = JSON.stringify(minter.x5c)
      await store.set(certificateKey(keyId), text, lifeMs)
      if (this.#published?.text === text) return
      await store.publish(channel, keyId)
      this.#published = { keyId, text, atMs: now() }
    } catch {
      // It travels until the store takes it.
    }
  }

  #schedule(): void {
    if (this.#closed) return
    this.#timer = setTimeout(
      () => {
        void this.publish()
        this.#schedule()
      },
      renewalMs * (0.8 + 0.2 * Math.random()),
    )
    this.#timer.unref()
  }

  /** The store may have lost ours; where this comes too often, the renewal will do. */
  async #catchUp(): Promise<void> {
    if (this.#gaps.take(this.#options.now())) await this.publish()
  }

  /** A certificate is new, or renewed for the key that it had. */
  async #hear(keyId: string): Promise<void> {
    if (!this.#announcements.take(this.#options.now())) return
    this.#absentSinceMs.delete(keyId)
    if (keyId !== this.#options.minter()?.keyId) await this.lookUp(keyId)
  }

  async #lookUp(keyId: string): Promise<Asked> {
    const { store, trust, now } = this.#options
    let text: string | undefined
    try {
      text = await store.get(certificateKey(keyId))
    } catch {
      return 'unavailable'
    }
    if (text === undefined) {
      this.#absentSinceMs.set(keyId, now())
      return 'unknown'
    }
    const chain = parseChain(text)
    if (chain !== undefined && certifies(chain, keyId, trust(), now())) {
      trust().certificates.set(keyId, chain, text.length + keyId.length)
      return 'found'
    }
    // Whoever wrote this must not be able to make a good key an unknown one: nothing was learned.
    this.rejected++
    return 'unavailable'
  }
}

/** A SHA-256 thumbprint in lower-case hex: a `kid` of any other form is nobody's here, and no key of the store. */
function isKeyId(keyId: string): boolean {
  return /^[0-9a-f]{64}$/.test(keyId)
}

function parseChain(text: string): readonly string[] | undefined {
  if (text.length > maxChainLength + 16 * maxChainCertificates) return undefined
  try {
    const chain: unknown = JSON.parse(text)
    if (!Array.isArray(chain) || chain.some((each) => typeof each !== 'string')) return undefined
    return chain as string[]
  } catch {
    return undefined
  }
}

function certifies(chain: readonly string[], keyId: string, trust: Trust, nowMs: number): boolean {
  // One that begins in a moment by our clock may have begun by that of who uses it.
  const moments = [nowMs, nowMs + clockSkewSeconds * 1000]
  return [...trust.authorities.values()].some((authority) =>
    moments.some((atMs) => isKeyOf(chain, authority, keyId, atMs)),
  )
}

function isKeyOf(chain: readonly string[], authority: Authority, keyId: string, atMs: number): boolean {
  try {
    return verifyAccountChain(chain, authority, atMs).keyId === keyId
  } catch (error) {
    if (error instanceof ChainFault) return false
    throw error
  }
}
