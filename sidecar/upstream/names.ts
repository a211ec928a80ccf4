// The addresses that names stand for: found as the system finds them, and anew when their time is over.
import type { RecordWithTtl } from 'node:dns'
import { lookup as lookUpName, Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'
import { BoundedMap } from '../../shared/bounded-map.ts'

/** So long an answer counts where its records do not say: the name may be from a file. */
const defaultLifeMs = 5_000
/** What records may say. */
const lives = { shortestMs: 1_000, longestMs: 5 * 60_000 }
/** So long what was found last is used on while it cannot be found anew. */
const staleMs = 5 * 60_000
const maxNames = 1_000
/** So long a name that was not found is not asked for again. */
const faultMs = 1_000
/** For the question how long an answer counts; nobody waits for it. */
const queryMs = 2_000

export interface NamesOptions {
  /** The system's way: files, search domains and all. */
  readonly lookUp?: (host: string) => Promise<readonly string[]>
  /** Whom to ask how long the answer counts. */
  readonly resolver?: Resolver
  /** Milliseconds by a clock that is never set back. */
  readonly now?: () => number
}

interface Known {
  readonly addresses: readonly string[]
  readonly atMs: number
  /** Then it is looked up anew. */
  freshUntilMs: number
}

export class Names {
  readonly #lookUp: NonNullable<NamesOptions['lookUp']>
  readonly #resolver: Resolver
  readonly #now: () => number
  readonly #known = new BoundedMap<string, Known>(maxNames)
  /** Names that were not found a moment ago. */
  readonly #faults = new BoundedMap<string, { readonly error: Error; readonly untilMs: number }>(maxNames)
  readonly #pending = new Map<string, Promise<readonly string[]>>()

  constructor({ lookUp, resolver, now }: NamesOptions = {}) {
    this.#lookUp = lookUp ?? lookUpAll
    this.#resolver = resolver ?? new Resolver({ timeout: queryMs, tries: 1 })
    this.#now = now ?? (() => performance.now())
  }

  /**
   * In the order in which the system gives them (RFC 6724), never empty.
   * @returns a promise where they are not known; it rejects with what the system says.
   */
  addressesOf(host: string): readonly string[] | Promise<readonly string[]> {
    const known = this.#known.get(host) ?? this.#literal(host)
    const nowMs = this.#now()
    const fault = this.#faults.get(host)
    if (fault !== undefined && nowMs < fault.untilMs && !isUsable(known, nowMs))
      return Promise.reject(fault.error)
    if (known !== undefined && nowMs < known.freshUntilMs) return known.addresses
    const found = this.#find(host)
    if (known === undefined || !isUsable(known, nowMs)) return found
    // While it is looked up, and while it cannot be, what was found last is the best that there is.
    found.catch(() => {
      known.freshUntilMs = this.#now() + defaultLifeMs
    })
    return known.addresses
  }

  /** An address stands for itself, for ever. */
  #literal(host: string): Known | undefined {
    if (isIP(host) === 0) return undefined
    const known = { addresses: [host], atMs: Infinity, freshUntilMs: Infinity }
    this.#known.set(host, known)
    return known
  }

  #find(host: string): Promise<readonly string[]> {
    const pending = this.#pending.get(host)
    if (pending !== undefined) return pending
    const found = this.#ask(host).finally(() => this.#pending.delete(host))
    this.#pending.set(host, found)
    return found
  }

  async #ask(host: string): Promise<readonly string[]> {
    const addresses = await this.#lookUp(host).catch((error: Error) => {
      this.#faults.set(host, { error, untilMs: this.#now() + faultMs })
      throw error
    })
    this.#faults.delete(host)
    const atMs = this.#now()
    const known: Known = { addresses, atMs, freshUntilMs: atMs + defaultLifeMs }
    this.#known.set(host, known)
    void this.#lifeOf(host, addresses).then((lifeMs) => (known.freshUntilMs = atMs + lifeMs))
    return addresses
  }

  /** By the records that hold these addresses, where there are such. */
  async #lifeOf(host: string, addresses: readonly string[]): Promise<number> {
    const ask = { ttl: true } as const
    const answers = await Promise.allSettled([
      this.#resolver.resolve4(host, ask),
      this.#resolver.resolve6(host, ask),
    ])
    const records: RecordWithTtl[] = answers.flatMap((answer) =>
      answer.status === 'fulfilled' ? answer.value : [],
    )
    const lifeMs = Math.min(...records.map(({ ttl }) => ttl * 1000))
    const isWhole = addresses.every((address) => records.some((record) => record.address === address))
    if (!isWhole) return defaultLifeMs
    return Math.min(Math.max(lifeMs, lives.shortestMs), lives.longestMs)
  }
}

function isUsable(known: Known | undefined, nowMs: number): boolean {
  return known !== undefined && nowMs <= known.atMs + staleMs
}

async function lookUpAll(host: string): Promise<readonly string[]> {
  const found = await lookUpName(host, { all: true, order: 'verbatim' })
  return found.map(({ address }) => address)
}
