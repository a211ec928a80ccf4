// Keeps one issuer's keys: refreshed in the background, fetched once for all who wait, usable for a bounded time.
import { readFile } from 'node:fs/promises'
import { parseKeySet, type KeySet } from '../../shared/assertion/key-set.ts'
import type { Issuer } from '../../shared/config/mesh.ts'
import type { IssuerKeys } from '../../shared/trust.ts'
import type { Asked } from '../asking.ts'
import { createFetcher, type FetchedKeySet, type KeySetFetcher } from './fetch.ts'

/** Keys that could not be confirmed for so long are used no more: then it is `keys_unavailable`. */
export const maxStaleMs = 24 * 60 * 60 * 1000
/** An unknown `kid` makes us fetch at most this often, however many tokens name one. */
export const refetchCooldownMs = 5_000
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
}

export class IssuerKeySource {
  readonly issuer: Issuer
  readonly #options: IssuerKeySourceOptions
  readonly #fetcher: KeySetFetcher | undefined
  #current: IssuerKeys | undefined
  #flight: Promise<boolean> | undefined
  #timer: NodeJS.Timeout | undefined
  #startedMs = -Infinity
  #lastSucceeded = false
  #failures = 0
  #closed = false

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
  async start(): Promise<void> {
    await this.#load()
  }

  /** Fetches once more for a `kid` that is not there; callers at the same time share one fetch. */
  async refetch(): Promise<Asked> {
    // A clock that was set back must not keep us from asking.
    const cooling = Math.abs(this.#options.now() - this.#startedMs) < refetchCooldownMs
    if (this.#flight === undefined && cooling) return this.#lastSucceeded ? 'unknown' : 'unavailable'
    return (await this.#load()) ? 'found' : 'unavailable'
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#fetcher?.close()
  }

  #load(): Promise<boolean> {
    this.#flight ??= this.#loadOnce().finally(() => {
      this.#flight = undefined
    })
    return this.#flight
  }

  async #loadOnce(): Promise<boolean> {
    clearTimeout(this.#timer)
    this.#startedMs = this.#options.now()
    const fetched = await this.#read()
    this.#lastSucceeded = fetched !== undefined
    this.#failures = fetched === undefined ? this.#failures + 1 : 0
    this.#schedule(fetched)
    return fetched !== undefined
  }

  async #read(): Promise<FetchedKeySet | undefined> {
    try {
      const { jwks } = this.issuer
      const fetched =
        jwks.kind === 'file'
          ? { text: await readFile(jwks.file, 'utf8'), maxAgeMs: fileRefreshMs }
          : await (this.#fetcher as KeySetFetcher).fetch()
      if (!this.#closed) this.#accept(fetched.text)
      return fetched
    } catch (error) {
      if (!this.#closed) this.#options.onFailure(this.issuer, error)
      return undefined
    }
  }

  #accept(text: string): void {
    const keys: KeySet = text === this.#current?.keys.text ? this.#current.keys : parseKeySet(text)
    this.#current = { issuer: this.issuer, keys, usableUntilMs: this.#startedMs + maxStaleMs }
    this.#options.onKeys(this.#current)
  }

  #schedule(fetched: FetchedKeySet | undefined): void {
    if (this.#closed) return
    const delayMs =
      fetched === undefined ? retryDelayMs(this.#failures) : refreshDelayMs(this.issuer, fetched.maxAgeMs)
    // Spread, so that a mesh that started together does not ask together.
    const spreadMs = delayMs * (0.9 + Math.random() * 0.1)
    this.#timer = setTimeout(() => void this.#load(), spreadMs)
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
