// What this sidecar knows as revoked: kept until no token that it is about can be valid any more.
import type { RevocationGap, Revocations } from '../shared/assertion/verify.ts'
import { BoundedMap } from '../shared/bounded-map.ts'
import { digestOf, type Revocable, type RevocationEntry } from '../shared/revocation.ts'
import { createUnhurriedClock } from './unhurried-clock.ts'

/** Some 30 MB. To forget one would let it pass, so beyond this nothing passes: see {@link RevocationList.gap}. */
const maxEntries = 200_000
const maxKeyDigests = 1_000

interface Times {
  readonly revokedAtSeconds: number
  readonly forgetAtSeconds: number
}

/** Computed once for each assertion and link, not for each request. */
interface Digests {
  readonly keyId: string
  readonly session: string
  readonly tokenId: string
  readonly subject: string
}

export interface RevocationListOptions {
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Milliseconds, by a clock that nobody can set; default: this process's. */
  readonly elapsedMs?: () => number
  /** Without word of revocations for so long nothing is certain; `0`: it is always. */
  readonly maxAgeMs?: () => number
  readonly maxEntries?: number
}

/** What became of an entry: whether it said something that was not known. */
export type Learned = 'new' | 'known' | 'expired' | 'too_many'

export class RevocationList implements Revocations {
  readonly #options: RevocationListOptions
  readonly #maxEntries: number
  /** By which it is forgotten. */
  readonly #unhurriedNow: () => number
  readonly #times = new Map<string, Times>()
  readonly #digests = new WeakMap<Revocable, Digests>()
  readonly #keyDigests = new BoundedMap<string, string>(maxKeyDigests)
  #listener: () => void = () => undefined
  #heardMs = -Infinity
  #isOverfull = false
  #version = 0
  /** Whether one was turned away since the last time that all were read. */
  #turnedAway = false

  constructor(options: RevocationListOptions) {
    this.#options = options
    this.#maxEntries = options.maxEntries ?? maxEntries
    this.#unhurriedNow = createUnhurriedClock(options.now, options.elapsedMs)
  }

  get version(): number {
    return this.#version
  }

  get size(): number {
    return this.#times.size
  }

  /** What may be forgotten by then is; seconds since the epoch. */
  get floorSeconds(): number {
    return this.#unhurriedNow() / 1000
  }

  /** When all revocations were last heard of; milliseconds since the epoch, `-Infinity` for never. */
  get heardMs(): number {
    return this.#heardMs
  }

  get gap(): RevocationGap | undefined {
    if (this.#isOverfull) return 'too_many'
    const maxAgeMs = this.#options.maxAgeMs?.() ?? 0
    if (maxAgeMs === 0) return undefined
    // A clock that was set back makes nothing fresh.
    return Math.abs(this.#options.now() - this.#heardMs) > maxAgeMs ? 'unheard' : undefined
  }

  /** Calls the listener each time that something new is revoked. */
  watch(listener: () => void): void {
    this.#listener = listener
  }

  /** All that are there are about to be learned. */
  hear(): void {
    this.sweep()
    this.#turnedAway = false
  }

  /** All that were there at `atMs` have been learned; or, where one was turned away, more than can be kept. */
  heard(atMs: number): void {
    this.#heardMs = atMs
    this.#isOverfull = this.#turnedAway
  }

  /** There are more than can be read: until all are learned, some may be missing here. */
  overflow(): void {
    this.#isOverfull = true
  }

  /** Keeps what was revoked here, however much is known already. */
  revoke(entry: RevocationEntry): void {
    this.#keep(entry)
  }

  /** Keeps what others say is revoked. Times are only ever raised: nobody takes back what is known. */
  learn(entry: RevocationEntry): Learned {
    if (entry.forgetAtSeconds <= this.floorSeconds) return 'expired'
    const isFull = this.#times.size >= this.#maxEntries && !this.#times.has(entry.digest)
    if (!isFull) return this.#keep(entry) ? 'new' : 'known'
    this.#turnedAway = this.#isOverfull = true
    return 'too_many'
  }

  isRevoked(signed: Revocable): boolean {
    if (this.#times.size === 0) return false
    const { keyId, session, tokenId, subject } = this.#digestsOf(signed)
    if (this.#timesOf(keyId) !== undefined) return true
    if (signed.sessionId !== '' && this.#timesOf(session) !== undefined) return true
    if (signed.tokenId !== '' && this.#timesOf(tokenId) !== undefined) return true
    const ofSubject = this.#timesOf(subject)
    return ofSubject !== undefined && signed.issuedAt <= ofSubject.revokedAtSeconds
  }

  isKeyRevoked(keyId: string): boolean {
    if (this.#times.size === 0) return false
    let digest = this.#keyDigests.get(keyId)
    if (digest === undefined) {
      digest = digestOf('kid', '', keyId)
      this.#keyDigests.set(keyId, digest)
    }
    return this.#timesOf(digest) !== undefined
  }

  *entries(): Generator<RevocationEntry> {
    const { floorSeconds } = this
    for (const [digest, times] of this.#times) {
      if (times.forgetAtSeconds > floorSeconds) yield { digest, ...times }
    }
  }

  /** Forgets what no token can be about any more. */
  sweep(): void {
    const { floorSeconds } = this
    for (const [digest, { forgetAtSeconds }] of this.#times) {
      if (forgetAtSeconds <= floorSeconds) this.#times.delete(digest)
    }
  }

  #keep({ digest, ...given }: RevocationEntry): boolean {
    const known = this.#times.get(digest)
    const revokedAtSeconds = Math.max(given.revokedAtSeconds, known?.revokedAtSeconds ?? 0)
    const forgetAtSeconds = Math.max(given.forgetAtSeconds, known?.forgetAtSeconds ?? 0)
    const isNews = revokedAtSeconds !== known?.revokedAtSeconds || forgetAtSeconds !== known.forgetAtSeconds
    if (!isNews) return false
    this.#times.set(digest, { revokedAtSeconds, forgetAtSeconds })
    this.#version++
    this.#listener()
    return true
  }

  #timesOf(digest: string): Times | undefined {
    const times = this.#times.get(digest)
    return times !== undefined && times.forgetAtSeconds > this.floorSeconds ? times : undefined
  }

  #digestsOf(signed: Revocable): Digests {
    const known = this.#digests.get(signed)
    if (known !== undefined) return known
    const { principal, sessionId, tokenId, keyId } = signed
    const digests = {
      keyId: digestOf('kid', '', keyId),
      session: digestOf('session', principal.issuer, sessionId),
      tokenId: digestOf('jti', principal.issuer, tokenId),
      subject: digestOf('subject', principal.issuer, principal.subject),
    }
    this.#digests.set(signed, digests)
    return digests
  }
}
