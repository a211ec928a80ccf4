// A map with a bound in weight: what was used longest ago goes first.
import { LinkedList, type Link } from './linked-list.ts'

interface Entry<K, V> {
  readonly key: K
  readonly value: V
  readonly weight: number
}

/** Least recently used first out. Weight is in whatever unit the owner counts in: bytes, entries. */
export class BoundedMap<K, V> {
  readonly #links = new Map<K, Link<Entry<K, V>>>()
  readonly #byUse = new LinkedList<Entry<K, V>>()
  readonly #maxWeight: number
  #weight = 0

  constructor(maxWeight: number) {
    this.#maxWeight = maxWeight
  }

  get size(): number {
    return this.#links.size
  }

  get weight(): number {
    return this.#weight
  }

  get(key: K): V | undefined {
    const link = this.#links.get(key)
    if (link === undefined) return undefined
    this.#byUse.moveToEnd(link)
    return link.value.value
  }

  /** What was used longest ago comes first; to look at it is not to use it. */
  *entries(): Iterable<readonly [key: K, value: V]> {
    for (const { key, value } of this.#byUse) yield [key, value]
  }

  set(key: K, value: V, weight = 1): void {
    this.delete(key)
    if (weight > this.#maxWeight) return
    this.#links.set(key, this.#byUse.add({ key, value, weight }))
    this.#weight += weight
    while (this.#weight > this.#maxWeight) this.delete((this.#byUse.first as Entry<K, V>).key)
  }

  delete(key: K): void {
    const link = this.#links.get(key)
    if (link === undefined) return
    this.#links.delete(key)
    this.#byUse.remove(link)
    this.#weight -= link.value.weight
  }
}
