// What tests of the store share.
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { RedisSettings, RedisUser } from '../../../shared/config/mesh.ts'
import { openRedis, type StoreEvents } from '../../../sidecar/store/redis.ts'
import type { Store } from '../../../sidecar/store/store.ts'
import type { Log } from '../../../sidecar/telemetry/log.ts'

export const silentLog: Log = { level: 'error', write: () => undefined }

/** Waits until it is. */
export async function whenUp(store: Store): Promise<Store> {
  for (let i = 0; !store.isUp; i++) {
    assert.ok(i < 3_000, 'the store did not come up')
    await pause(10)
  }
  return store
}

export async function whenDown(store: Store): Promise<void> {
  for (let i = 0; store.isUp; i++) {
    assert.ok(i < 1_000, 'the store did not go down')
    await pause(10)
  }
}

export interface Observed {
  readonly store: Store
  /** Log lines: message, and fields as JSON. */
  readonly lines: readonly string[]
  /** `get ok`, and how often. */
  readonly outcomes: ReadonlyMap<string, number>
  /** Waits for a line. */
  readonly line: (pattern: RegExp) => Promise<string>
}

export async function openObserved(
  t: TestContext,
  settings: RedisSettings,
  user?: RedisUser,
): Promise<Observed> {
  const lines: string[] = []
  const outcomes = new Map<string, number>()
  const count = (name: string) => outcomes.set(name, (outcomes.get(name) ?? 0) + 1)
  const events: StoreEvents = {
    onCommand: (command, outcome) => count(`${command} ${outcome}`),
    onReconnect: (connection) => count(`reconnect ${connection}`),
  }
  const log: Log = {
    level: 'debug',
    write: (level, message, fields) => void lines.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`),
  }
  const store = await openRedis(settings, { log, events, ...(user === undefined ? {} : { user }) })
  t.after(() => store.close())
  return {
    store,
    lines,
    outcomes,
    async line(pattern) {
      for (let i = 0; ; i++) {
        const found = lines.find((line) => pattern.test(line))
        if (found !== undefined) return found
        assert.ok(i < 1_000, `no line was written like ${pattern}:\n${lines.join('\n')}`)
        await pause(10)
      }
    },
  }
}

/** What a listener was told. */
export class Heard {
  readonly messages: string[] = []
  /** How often it was told that messages may have been lost. */
  gaps = 0
  readonly #kind: Store['kind']

  constructor(store: Store, channel: string) {
    this.#kind = store.kind
    store.subscribe(channel, (message) => {
      if (message === undefined) this.gaps++
      else this.messages.push(message)
    })
  }

  /** In memory it is heard at once; in Redis, when the gap before it is told. */
  async ready(): Promise<void> {
    if (this.#kind === 'redis') await this.gap(1)
  }

  async gap(count: number): Promise<void> {
    for (let i = 0; this.gaps < count; i++) {
      assert.ok(i < 3_000, `no gap was told after the first ${this.gaps}`)
      await pause(10)
    }
  }

  async until(count: number): Promise<readonly string[]> {
    for (let i = 0; this.messages.length < count; i++) {
      assert.ok(i < 1_000, `only these were heard: ${this.messages.join(', ')}`)
      await pause(10)
    }
    return this.messages
  }
}
