// Keeps one issuer's keys: refreshed in the background, fetched once for all who wait, usable for a bounded time.
import { setTimeout as pause } from 'node:timers/promises'
import { parseKeySet, type KeySet } from '../../shared/assertion/key-set.ts'
import type { Issuer } from '../../shared/config/mesh.ts'
import type { IssuerKeys } from '../../shared/trust.ts'
import { BoundedMap } from '../../shared/bounded-map.ts'
import type { Asked } from '../asking.ts'
import type { KeySharing } from './key-sharing.ts'
import type { SharedDocument } from './sealed-document.ts'
import { readPlainFile } from '../plain-file.ts'
import { deadlineMs } from '../store/store.ts'
import { createFetcher, type FetchedKeySet, type KeySetFetcher } from './fetch.ts'

/** Keys that could not be confirmed for so long are used no more: then it is `keys_unavailable`. */
export const maxStaleMs = 24 * 60 * 60 * 1000
/** Between two fetches that unknown keys make us do. */
export const freshMs = 1_000
/** The same, when so many of them in a row found nothing: somebody makes keys up. */
export const floodedMs = 5_000
export const floodedAfter = 5
/** So long a `kid` that was not published then is unknown without a fetch. */
export const absenceMs = 10_000
const maxAbsent = 1_000
const minRefreshMs = 60_000
const maxRefreshMs = 60 * 60 * 1000
const defaultRefreshMs = 5 * 60 * 1000
const fileRefreshMs = 500
const firstRetryMs = 500
const lastRetryMs = 30_000

export interface IssuerKeySourceOptions {
  readonly issuer: Issuer
  /** PEM of the issuer's private CA. */
  readonly ca: string | undefined
  readonly now: () => number
  /** Called when keys came that differ, or the same were confirmed. */
  readonly onKeys: (keys: IssuerKeys) => void
  readonly onFailure: (issuer: Issuer, error: unknown) => void
  /** What other sidecars know; undefined where nothing is shared. */
  readonly sharing?: KeySharing | undefined
}

/** Why keys are loaded: since it is time, since somebody said that they changed, since a request needs one. */
type Occasion = 'refresh' | 'hint' | 'request'

export class IssuerKeySource {
  readonly issuer: Issuer
  readonly #options: IssuerKeySourceOptions
  readonly #fetcher: KeySetFetcher | undefined
  #current: IssuerKeys | undefined
  #flight: Promise<boolean> | undefined
  #timer: NodeJS.Timeout | undefined
  #startedMs = -Infinity
  /** When keys were last fetched since one was unknown. */
  #askedMs = -Infinity
  /** How many such fetches in a row found nothing new. */
  #fruitless = 0
  #lastSucceeded = false
  #reachesIssuer = false
  /** When the keys in use were fetched, by whomever. */
  #fetchedMs = -Infinity
  #failures = 0
  #closed = false
  /** Until when a `kid` is unknown without a fetch. */
  readonly #absentUntilMs = new BoundedMap<string, number>(maxAbsent)

  constructor(options: IssuerKeySourceOptions) {
    this.issuer = options.issuer
    this.#options = options
    const { jwks } = options.issuer
    this.#fetcher = jwks.kind === 'url' ? createFetcher(jwks.url, options.ca) : undefined
  }

  get current(): IssuerKeys | undefined {
    return this.#current
  }

  /** Loads now, and from then on in the background. Resolves when the first try has ended, well or not. */
  start(): Promise<void> {
    return this.#refresh('refresh')
  }

  /** Another sidecar says that something of an issuer changed; it may be another issuer. */
  async hear(hint: string): Promise<void> {
    if (this.#options.sharing?.heeds(hint) === true) await this.#refresh('hint')
  }

  /**
   * Fetches once more for a `kid` that is not there; callers at the same time share one fetch. Right after a fetch that
   * found nothing a key is unknown; right after one that found some, the next is waited for: there may be more.
   */
  async refetch(keyId = ''): Promise<Asked> {
    // What is under way began before anybody asked for this key.
    if (this.#flight !== undefined && (await this.#flight) && this.#has(keyId)) return 'found'
    if (this.#flight === undefined) {
      const early = await this.#comeBack(keyId)
      if (early !== undefined) return early
    }
    if (!(await this.#ask())) return 'unavailable'
    if (!this.#has(keyId)) this.#absentUntilMs.set(keyId, this.#options.now() + absenceMs)
    return 'found'
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#fetcher?.close()
  }

  #has(keyId: string): boolean {
    return this.#current?.keys.byId.has(keyId) === true
  }

  /** The answer without a fetch, or undefined when one may be made. */
  async #comeBack(keyId: string): Promise<Asked | undefined> {
    const nowMs = this.#options.now()
    if (nowMs < (this.#absentUntilMs.get(keyId) ?? 0)) return 'unknown'
    // A clock that was set back must not keep us from asking.
    const sinceMs = Math.abs(nowMs - this.#askedMs)
    if (sinceMs >= (this.#fruitless < floodedAfter ? freshMs : floodedMs)) return undefined
    // Somebody makes keys up, and one that is not would be waited for too long: that is no verdict.
    if (!this.#lastSucceeded || sinceMs >= freshMs) return 'unavailable'
    if (this.#fruitless > 0) return 'unknown'
    await pause(freshMs - sinceMs, undefined, { ref: false })
    return this.#has(keyId) ? 'found' : undefined
  }

  /** Whoever is first makes the fetch, the others share it. */
  #ask(): Promise<boolean> {
    if (this.#flight !== undefined) return this.#flight
    this.#askedMs = this.#options.now()
    const before = this.#current?.keys
    return this.#load('request').then((isLoaded) => {
      if (isLoaded) this.#fruitless = this.#current?.keys === before ? this.#fruitless + 1 : 0
      return isLoaded
    })
  }

  /** Nobody waits for these: they wait for their turn. */
  async #refresh(occasion: 'refresh' | 'hint'): Promise<void> {
    clearTimeout(this.#timer)
    const giveBack = await this.#options.sharing?.turn()
    await this.#load(occasion)
    giveBack?.()
  }

  #load(occasion: Occasion): Promise<boolean> {
    this.#flight ??= this.#loadOnce(occasion).finally(() => {
      this.#flight = undefined
    })
    return this.#flight
  }

  async #loadOnce(occasion: Occasion): Promise<boolean> {
    clearTimeout(this.#timer)
    const { sharing } = this.#options
    const askedMs = performance.now()
    const shared = this.#reachesIssuer ? undefined : await sharing?.document()
    if (shared !== undefined) this.#acceptShared(shared)
    const leftMs = deadlineMs - (performance.now() - askedMs)
    const giveBack = occasion === 'request' ? await sharing?.turn(leftMs) : undefined
    this.#startedMs = this.#options.now()
    const before = this.#current?.keys
    const fetched = await this.#read(shared !== undefined)
    giveBack?.()
    this.#reachesIssuer = fetched !== undefined
    this.#lastSucceeded = fetched !== undefined || shared !== undefined
    this.#failures = this.#lastSucceeded ? 0 : this.#failures + 1
    // Whoever waits for the keys does not wait for the store to have them.
    if (fetched !== undefined) void this.#tell(fetched.text, occasion, before)
    this.#schedule(fetched ?? (shared && { text: '', maxAgeMs: minRefreshMs }))
    return this.#lastSucceeded
  }

  async #read(isSpare: boolean): Promise<FetchedKeySet | undefined> {
    try {
      const { jwks } = this.issuer
      const fetched =
        jwks.kind === 'file'
          ? { text: await readPlainFile(jwks.file), maxAgeMs: fileRefreshMs }
          : await (this.#fetcher as KeySetFetcher).fetch()
      if (!this.#closed) this.#accept(fetched.text, this.#startedMs)
      return fetched
    } catch (error) {
      if (!this.#closed && !isSpare) this.#options.onFailure(this.issuer, error)
      return undefined
    }
  }

  /** What an account signed that is trusted; an older document than ours is no news, whoever put it there. */
  #acceptShared({ text, fetchedMs }: SharedDocument): void {
    if (this.#closed || fetchedMs < this.#fetchedMs) return
    try {
      this.#accept(text, fetchedMs)
    } catch (error) {
      this.#options.onFailure(this.issuer, error)
    }
  }

  /** The others learn from who saw it first. */
  async #tell(text: string, occasion: Occasion, before: KeySet | undefined): Promise<void> {
    const { sharing } = this.#options
    if (sharing === undefined || this.#closed) return
    const isNews = before !== undefined && before !== this.#current?.keys
    await sharing.offer({ text, fetchedMs: this.#startedMs })
    if (isNews && occasion !== 'hint') await sharing.announce()
  }

  /** @throws {TypeError} no key set. */
  #accept(text: string, fetchedMs: number): void {
    const keys: KeySet = text === this.#current?.keys.text ? this.#current.keys : parseKeySet(text)
    this.#fetchedMs = fetchedMs
    this.#current = { issuer: this.issuer, keys, usableUntilMs: fetchedMs + maxStaleMs }
    this.#options.onKeys(this.#current)
  }

  #schedule(fetched: FetchedKeySet | undefined): void {
    if (this.#closed) return
    const delayMs = Math.min(
      fetched === undefined ? retryDelayMs(this.#failures) : refreshDelayMs(this.issuer, fetched.maxAgeMs),
      this.#options.sharing?.refreshMs ?? Infinity,
    )
    // Spread, so that a mesh that started together does not ask together.
    const spreadMs = delayMs * (0.9 + Math.random() * 0.1)
    this.#timer = setTimeout(() => void this.#refresh('refresh'), spreadMs)
    this.#timer.unref()
  }
}

function refreshDelayMs(issuer: Issuer, maxAgeMs: number | undefined): number {
  if (issuer.jwks.kind === 'file') return fileRefreshMs
  return Math.min(maxRefreshMs, Math.max(minRefreshMs, maxAgeMs ?? defaultRefreshMs))
}

function retryDelayMs(failures: number): number {
  return Math.min(lastRetryMs, firstRetryMs * 2 ** (failures - 1))
}
