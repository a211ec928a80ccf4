// Waits until the app beside a sidecar is gone: nothing listens where it did.
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { Endpoint, Mesh } from '../../shared/config/mesh.ts'

const askAgainMs = 200
const answerMs = 1_000

/** @returns false where one still listens when the deadline (of `performance.now`) is over. */
export async function untilAppEnds({ app, appByPort }: Mesh, deadlineMs: number): Promise<boolean> {
  const endpoints = [...(app === undefined ? [] : [app]), ...appByPort.values()]
  for (;;) {
    const listening = await Promise.all(endpoints.map(isListening))
    if (!listening.includes(true)) return true
    if (performance.now() > deadlineMs) return false
    await pause(askAgainMs)
  }
}

async function isListening({ host, port }: Endpoint): Promise<boolean> {
  const socket = connect({ host, port })
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(answerMs) })
    return true
  } catch (error) {
    // One that is only slow has not ended.
    return (error as NodeJS.ErrnoException).code !== 'ECONNREFUSED'
  } finally {
    socket.destroy()
  }
}
