// A sidecar between raw clients and a raw upstream, which is both the app and the service that the app calls.
import type { TestContext } from 'node:test'
import { asUser, until } from '../attacks/attack.ts'
import { hosts, startMesh } from '../support/mesh.ts'
import type { Trial } from './break-off.ts'
import { activeRequests, countHeld, untilIdle } from './held.ts'

export type Way = 'inbound' | 'outbound'

export interface Ground {
  /** By which listener a client comes, and with what. */
  readonly ways: Readonly<Record<Way, Pick<Trial, 'port' | 'head'>>>
  /** Waits until the sidecar has nothing under way, and this process holds no more than at the start. */
  readonly untilAsBefore: () => Promise<void>
  /** Waits until so many requests, or more, are under way. */
  readonly untilUnderWay: (way: Way, count: number) => Promise<void>
}

/** @param upstreamPort on 127.0.0.1 */
export async function startGround(t: TestContext, upstreamPort: number): Promise<Ground> {
  const held = countHeld(t)
  const origin = `http://127.0.0.1:${upstreamPort}`
  const mesh = await startMesh(t, {
    run: ['App'],
    settings: { timeouts: { connect: '60s', linger: '0s', drain: '5s' }, egress: { local: 'allow' } },
    services: { App: { app: origin } },
    routes: { API: { to: origin } },
  })
  const { inbound, outbound, probes } = mesh.sidecars.App
  const [name, token] = await asUser(mesh, 'alice')
  // An answer that has just been dated: for each second Node keeps the date, and a timer.
  await untilIdle(probes)
  let before = held.now()
  return {
    ways: {
      inbound: { port: inbound, head: `Host: a\r\n${name}: ${token}\r\n` },
      outbound: { port: outbound, head: `Host: ${hosts.API}\r\n` },
    },
    untilUnderWay: (way, count) =>
      until(`${count} requests are under way`, async () => (await activeRequests(probes, way)) >= count),
    untilAsBefore: async () => {
      // Kept for tests that read it.
      mesh.sidecars.App.logs.length = 0
      try {
        await untilIdle(probes)
        await held.untilNoMoreThan(before)
      } catch (error) {
        // So that what one row holds is not laid to the next.
        before = held.now()
        throw error
      }
    },
  }
}

/** Does it so often, some at a time. */
export async function repeat(count: number, act: (i: number) => Promise<void>): Promise<void> {
  for (let done = 0; done < count; done += atOnce) {
    await Promise.all(Array.from({ length: Math.min(atOnce, count - done) }, (_, i) => act(done + i)))
  }
}

const atOnce = 10

/** What Node warns of until the test ends: listeners that pile up, above all. */
export function collectWarnings(t: TestContext): readonly Error[] {
  const warnings: Error[] = []
  const onWarning = (warning: Error) => void warnings.push(warning)
  process.on('warning', onWarning)
  t.after(() => process.off('warning', onWarning))
  return warnings
}
