// What this process holds: its sockets, and its timers, those included that would not keep it alive.
import { createHook } from 'node:async_hooks'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { activeInbound, activeOutbound, activeSessions, until } from '../attacks/attack.ts'

export interface Held {
  readonly sockets: number
  readonly timers: number
}

export interface Holding {
  now(): Held
  /** Resolves when no more is held than was; fails, saying what is, where that does not come. */
  untilNoMoreThan(before: Held): Promise<void>
}

/** Counts until the test ends. Of timers, those that were started from now on. */
export function countHeld(t: TestContext): Holding {
  const timers = new Set<number>()
  const hook = createHook({
    init: (id, type) => void (type === 'Timeout' && timers.add(id)),
    destroy: (id) => void timers.delete(id),
    trackPromises: false,
  }).enable()
  t.after(() => hook.disable())
  const now = () => ({ sockets: socketCount(), timers: timers.size })
  return {
    now,
    async untilNoMoreThan(before) {
      let held = now()
      const isBack = async () => {
        await turn()
        held = now()
        return held.sockets <= before.sockets && held.timers <= before.timers
      }
      await until(`${JSON.stringify(before)} is held again`, isBack).catch((error: unknown) => {
        throw new Error(`still held: ${JSON.stringify(held)}`, { cause: error })
      })
    },
  }
}

/** Sockets that are open or on their way to be. */
function socketCount(): number {
  return process.getActiveResourcesInfo().filter((name) => /^TCP(Socket|Connect)Wrap$/.test(name)).length
}

/** What a sidecar says of itself; unlike a request with a deadline, this one leaves no timer behind. */
async function metrics(probes: number): Promise<string[]> {
  const request = get({ host: '127.0.0.1', port: probes, path: '/metrics', agent: false })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return (await text(response)).split('\n')
}

export async function activeRequests(probes: number, way: 'inbound' | 'outbound'): Promise<number> {
  const sample = `onbehalf_active_requests{direction="${way}"} `
  return Number((await metrics(probes)).find((line) => line.startsWith(sample))?.slice(sample.length))
}

/** Waits until nothing is under way at a sidecar. */
export async function untilIdle(probes: number): Promise<void> {
  await until('no request is under way and no session is active', async () => {
    const lines = await metrics(probes)
    return [activeInbound, activeOutbound, activeSessions].every((sample) => lines.includes(`${sample} 0`))
  })
}
