// Which address of a route a request goes to: of those that take connections, the one with the fewest.
import { isIPv6 } from 'node:net'
import type { Endpoint, Upstream } from '../../shared/config/mesh.ts'
import type { Names } from './names.ts'

/** An address that took no connection is set aside for so long, twice as long each time that it goes on, and some chance. */
const aside = { firstMs: 1_000, longestMs: 30_000, chance: 0.2 }
/** Addresses of one route; of more, the first are used. */
const maxAddresses = 1_000

export interface BalancerOptions {
  readonly upstreams: readonly Upstream[]
  readonly names: Names
  /** Milliseconds by a clock that is never set back. */
  readonly now: () => number
  readonly onAside: (place: string, cause: unknown, forMs: number) => void
  readonly onBack: (place: string) => void
}

interface Place {
  /** As it is called in logs. */
  readonly name: string
  readonly endpoint: Endpoint
  readonly address: string
  weight: number
  /** Requests under way. */
  load: number
  /** Among equals the least is next: it grows by one share with each request. */
  turn: number
  failures: number
  asideUntilMs: number
}

type Found = readonly (readonly string[])[]
const none: readonly string[] = []

export class Balancer {
  readonly #options: BalancerOptions
  readonly #places = new Map<string, Place>()
  /** What was found last, and its places. */
  #found: Found = []
  #listed: readonly Place[] = []

  constructor(options: BalancerOptions) {
    this.#options = options
  }

  /**
   * @param tried names that are not to be chosen again.
   * @returns undefined where there is no other; a promise where names have to be looked up, which may reject.
   */
  choose(tried: ReadonlySet<string>): Choice | undefined | Promise<Choice | undefined> {
    const { upstreams, names } = this.#options
    const found = upstreams.map(({ endpoint }) => names.addressesOf(endpoint.host))
    const known = found.map((addresses) => (addresses instanceof Promise ? none : addresses))
    const pending = found.filter((addresses) => addresses instanceof Promise)
    for (const each of pending) each.catch(() => undefined)
    const choice = this.#chooseOf(known, tried)
    // What is known is not held up by what is not.
    if (choice !== undefined || pending.length === 0) return choice
    return firstOf(pending).then(() => this.choose(tried))
  }

  #chooseOf(found: Found, tried: ReadonlySet<string>): Choice | undefined {
    const listed = this.#list(found)
    const place = leastOf(listed, tried, this.#options.now())
    return place && new Choice(place, listed, tried.size + 1 < listed.length, this.#options)
  }

  #list(found: Found): readonly Place[] {
    const isSame =
      found.length === this.#found.length && found.every((addresses, i) => addresses === this.#found[i])
    if (isSame) return this.#listed
    this.#found = found
    this.#listed = this.#options.upstreams.flatMap(({ endpoint, weight }, i) => {
      const addresses = (found[i] ?? []).slice(0, maxAddresses)
      const share = weight === undefined ? 1 : weight / addresses.length
      return addresses.map((address) => this.#placeOf(endpoint, address, share))
    })
    const kept = new Set(this.#listed)
    for (const [name, place] of this.#places) if (!kept.has(place)) this.#places.delete(name)
    return this.#listed
  }

  #placeOf(endpoint: Endpoint, address: string, weight: number): Place {
    const name = nameOf(endpoint, address)
    const known = this.#places.get(name)
    if (known !== undefined) {
      known.weight = weight
      return known
    }
    // A new one begins among the others; and not all sidecars begin with the same.
    const turns = this.#listed.map(({ turn }) => turn)
    const turn = (turns.length > 0 ? Math.min(...turns) : 0) + Math.random() / weight
    const place = { name, endpoint, address, weight, load: 0, turn, failures: 0, asideUntilMs: 0 }
    this.#places.set(name, place)
    return place
  }
}

/** An address as it is used for one request. */
export class Choice {
  readonly #place: Place
  readonly #listed: readonly Place[]
  readonly #options: BalancerOptions
  /** Whether there is another one to go to. */
  readonly hasOthers: boolean
  #isOver = false

  constructor(place: Place, listed: readonly Place[], hasOthers: boolean, options: BalancerOptions) {
    this.#place = place
    this.#listed = listed
    this.hasOthers = hasOthers
    this.#options = options
    place.load++
    place.turn += 1 / place.weight
  }

  get name(): string {
    return this.#place.name
  }

  get endpoint(): Endpoint {
    return this.#place.endpoint
  }

  get address(): string {
    return this.#place.address
  }

  /** It, then the others of its name, in the order in which they are to be tried. */
  get candidates(): readonly string[] {
    const nowMs = this.#options.now()
    const ready = this.#near.filter(({ asideUntilMs }) => asideUntilMs <= nowMs)
    return alternating(
      this.address,
      ready.map(({ address }) => address),
    )
  }

  get #near(): readonly Place[] {
    return this.#listed.filter(({ endpoint }) => endpoint === this.endpoint)
  }

  /** A new connection was made to one of the candidates. */
  connected(address: string): void {
    const place = this.#near.find((each) => each.address === address)
    if (place === undefined || place.failures === 0) return
    place.failures = 0
    place.asideUntilMs = 0
    this.#options.onBack(place.name)
  }

  /** One of the candidates took no connection. */
  failed(address: string, cause: unknown): void {
    const place = this.#near.find((each) => each.address === address)
    const nowMs = this.#options.now()
    // Those who failed beside each other failed once; and the only one there is cannot be set aside.
    if (place === undefined || place.asideUntilMs > nowMs || this.#listed.length === 1) return
    const longMs = Math.min(aside.firstMs * 2 ** place.failures, aside.longestMs)
    const forMs = Math.round(longMs * (1 + aside.chance * Math.random()))
    place.failures++
    place.asideUntilMs = nowMs + forMs
    this.#options.onAside(place.name, cause, forMs)
  }

  /** To be called when the request is over. */
  release(): void {
    if (!this.#isOver) this.#place.load--
    this.#isOver = true
  }
}

function nameOf({ host, port }: Endpoint, address: string): string {
  const where = isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`
  return host === address ? where : `${where} (${host})`
}

/** Where all are set aside, the one whose time is over first: to be set aside is no refusal. */
function leastOf(places: readonly Place[], tried: ReadonlySet<string>, nowMs: number): Place | undefined {
  let least: Place | undefined
  for (const place of places) {
    if (tried.size > 0 && tried.has(place.name)) continue
    if (least === undefined || isBefore(place, least, nowMs)) least = place
  }
  return least
}

function isBefore(a: Place, b: Place, nowMs: number): boolean {
  const [asideA, asideB] = [Math.max(a.asideUntilMs, nowMs), Math.max(b.asideUntilMs, nowMs)]
  if (asideA !== asideB) return asideA < asideB
  const [loadA, loadB] = [a.load / a.weight, b.load / b.weight]
  return loadA === loadB ? a.turn < b.turn : loadA < loadB
}

/** The first, then the others, of one family and the other in turn (RFC 8305 section 4). */
function alternating(first: string, addresses: readonly string[]): readonly string[] {
  const others = addresses.filter((address) => address !== first)
  const same = others.filter((address) => isIPv6(address) === isIPv6(first))
  const other = others.filter((address) => isIPv6(address) !== isIPv6(first))
  const mixed = Array.from({ length: others.length }, (_, i) => [other[i], same[i]]).flat()
  return [first, ...mixed.filter((address) => address !== undefined)]
}

/** Resolves when one is found; rejects with the first fault where none is. */
async function firstOf(pending: readonly Promise<readonly string[]>[]): Promise<void> {
  await Promise.any(pending).catch((error: AggregateError) => {
    throw error.errors[0]
  })
}
