// What sidecars tell each other of one issuer's keys through the store: that they changed, whose turn it is to fetch
// them, and, for those who trust its signer, the document itself.
import { createHash, randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { Budget } from '../budget.ts'
import { within } from '../store/deadline.ts'
import { deadlineMs, type Store } from '../store/store.ts'
import type { DocumentSeal, SharedDocument } from './sealed-document.ts'

/** So many sidecars fetch from one issuer at the same time. */
const slots = 8
/** A lease outlives its holder's death by so long; while the fetch runs it is renewed. */
const leaseMs = 2_000
const renewalMs = 500
/** Who finds all slots taken looks again after about so long, and goes without one in the end: keys matter more. */
const retryMs = 20
const patienceMs = 3_000
/** Whoever can write to the store can tell us that keys changed: we look at most this often. */
const hintBurst = 5
const hintIntervalMs = 5_000
/** How long a document is to be had. */
const documentLifeMs = 15 * 60_000
/** Where documents are shared keys are fetched so often, whatever their issuer says, for one to be there always. */
export const documentRefreshMs = 5 * 60_000

export const hintChannel = 'jwks'

export interface KeySharingOptions {
  readonly store: Store
  /** Where the issuer's keys are. */
  readonly url: string
  /** Signs and verifies documents. */
  readonly seal: DocumentSeal
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** How sidecars call an issuer among themselves, by where its keys are. */
function nameOf(url: string): string {
  return createHash('sha256').update(url).digest('hex').slice(0, 32)
}

/** Under which an issuer's document is in the store. */
export function documentKey(url: string): string {
  return `jwks:${nameOf(url)}`
}

/** One for each issuer. */
export class KeySharing {
  readonly #options: KeySharingOptions
  readonly #name: string
  readonly #holder = randomUUID()
  readonly #hints = new Budget(hintBurst, hintIntervalMs)

  constructor(options: KeySharingOptions) {
    this.#options = options
    this.#name = nameOf(options.url)
  }

  /** Whether a hint is about this issuer's keys, and not one too many. */
  heeds(hint: string): boolean {
    return hint === this.#name && this.#hints.take(this.#options.now())
  }

  /**
   * Waits for a turn to fetch.
   * @param waitMs for how long at most: less where a request waits for the keys.
   * @returns what gives the turn back.
   */
  async turn(waitMs = patienceMs): Promise<() => void> {
    const untilMs = performance.now() + waitMs
    for (let slot = Math.floor(Math.random() * slots); ; slot = (slot + 1) % slots) {
      const key = `lease:jwks:${this.#name}:${slot}`
      // One that is granted too late ends by itself.
      const isMine = await this.#lease(key, untilMs - performance.now())
      if (isMine === true) return this.#hold(key)
      if (isMine === undefined || performance.now() >= untilMs) return () => undefined
      await pause(retryMs * (0.5 + Math.random()))
    }
  }

  /** After which at the latest the keys are to be fetched again. */
  get refreshMs(): number {
    return this.#options.seal.trustsSomeone ? documentRefreshMs : Infinity
  }

  /** Tells the others that the keys changed. */
  async announce(): Promise<void> {
    await this.#options.store.publish(hintChannel, this.#name).catch(() => undefined)
  }

  /** Puts the document there for those who cannot reach the issuer, if our signature counts for them. */
  async offer(document: SharedDocument): Promise<void> {
    const { seal, store, url } = this.#options
    const signed = seal.sign(url, document)
    if (signed === undefined) return
    await store.set(documentKey(url), signed, documentLifeMs).catch(() => undefined)
  }

  /** The document that somebody put there whose signature counts here. */
  async document(): Promise<SharedDocument | undefined> {
    const { seal, store, url, now } = this.#options
    if (!seal.trustsSomeone) return undefined
    const signed = await store.get(documentKey(url)).catch(() => undefined)
    if (signed === undefined) return undefined
    const document = seal.verify(url, signed)
    const isCurrent = document !== undefined && now() - document.fetchedMs < documentLifeMs
    return isCurrent ? document : undefined
  }

  /** Undefined: the store cannot say, or not in time. */
  async #lease(key: string, waitMs = deadlineMs): Promise<boolean | undefined> {
    return within(waitMs, this.#options.store.lease(key, this.#holder, leaseMs)).catch(() => undefined)
  }

  #hold(key: string): () => void {
    const renewal = setInterval(() => void this.#lease(key), renewalMs)
    return () => {
      clearInterval(renewal)
      void this.#options.store.release(key, this.#holder).catch(() => undefined)
    }
  }
}
