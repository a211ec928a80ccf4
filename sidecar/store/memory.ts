// The store of one process: what `store: memory` gives, and what tests of several sidecars in one process share.
import { BoundedMap } from '../../shared/bounded-map.ts'
import { checkLength, type Listener, type Store } from './store.ts'

/** Characters of keys and values that are kept at most. */
const maxLength = 16 * 1024 * 1024

interface Kept {
  readonly value: string
  readonly untilMs: number
}

/** @param now in milliseconds since the epoch. */
export function createMemoryStore(now: () => number): Store {
  const kept = new BoundedMap<string, Kept>(maxLength)
  const sets = new Map<string, Map<string, number>>()
  const listeners = new Map<string, Set<Listener>>()

  function valueOf(key: string): string | undefined {
    const entry = kept.get(key)
    if (entry === undefined) return undefined
    if (now() < entry.untilMs) return entry.value
    kept.delete(key)
    return undefined
  }

  function put(key: string, value: string, lifeMs: number): void {
    kept.set(key, { value, untilMs: now() + lifeMs }, key.length + value.length)
  }

  return {
    kind: 'memory',
    isUp: true,
    get: async (key) => valueOf(key) || undefined,
    async set(key, value, lifeMs) {
      checkLength(value)
      put(key, value, lifeMs)
    },
    async lease(key, holder, lifeMs) {
      const current = valueOf(key)
      if (current !== undefined && current !== holder) return false
      put(key, holder, lifeMs)
      return true
    },
    async release(key, holder) {
      if (valueOf(key) === holder) kept.delete(key)
    },
    async merge(key, members, floor) {
      const scores = sets.get(key) ?? new Map<string, number>()
      sets.set(key, scores)
      for (const [member, score] of members)
        scores.set(member, Math.max(score, scores.get(member) ?? -Infinity))
      for (const [member, score] of scores) if (score < floor) scores.delete(member)
    },
    members: async (key, floor) => [...(sets.get(key) ?? [])].filter(([, score]) => score >= floor),
    async publish(channel, message) {
      checkLength(message)
      const heardBy = listeners.get(channel) ?? new Set()
      for (const listener of heardBy) queueMicrotask(() => listener(message || undefined))
      return heardBy.size
    },
    subscribe(channel, listener) {
      const others = listeners.get(channel) ?? new Set()
      listeners.set(channel, others.add(listener))
    },
    close: async () => listeners.clear(),
  }
}
