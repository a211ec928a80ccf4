// A change of protocol on the way: what is asked for, and the bytes both ways once it is granted.
import type { Duplex } from 'node:stream'

/** What a client asks for (RFC 9110 section 7.8; RFC 8441 for HTTP/2). */
export interface Upgrade {
  /** As offered, the preferred first: `websocket`. */
  readonly protocols: readonly string[]
  /**
   * Tells the client that it is granted.
   * @param headers end-to-end fields of the upstream's answer.
   * @returns the client's side of the bytes; paused.
   */
  accept(protocol: string, headers: readonly string[]): Duplex
}

/** What an upstream grants. */
export interface Granted {
  readonly protocol: string
  readonly headers: readonly string[]
  /** The upstream's side of the bytes; paused. */
  readonly bytes: Duplex
}

/** Whether what is granted was asked for; protocols are compared without regard to case. */
export function isOffered(protocols: readonly string[], granted: string): boolean {
  return protocols.some((protocol) => protocol.toLowerCase() === granted.toLowerCase())
}

export interface Joined {
  /** Resolves when both sides are closed. */
  readonly ended: Promise<void>
  /** Breaks both off. */
  breakOff(): void
}

/**
 * Carries bytes both ways at the slower side's pace, ends with ends, and breaks off with what breaks off.
 * @param idleMs after so long without a byte either way both are broken off; 0: never.
 */
export function join(client: Duplex, upstream: Duplex, idleMs: number): Joined {
  const { promise, resolve } = Promise.withResolvers<void>()
  let passed = 0
  const breakOff = () => {
    client.destroy(new Error('broken off'))
    upstream.destroy(new Error('broken off'))
  }
  const onTime = () => {
    // A process that stood still itself has heard nobody: what has arrived is read first.
    const before = passed
    setImmediate(() => {
      if (passed === before) breakOff()
      else timer?.refresh()
    })
  }
  const timer = idleMs > 0 ? setTimeout(onTime, idleMs) : undefined
  const onData = () => {
    passed++
    timer?.refresh()
  }
  // Of who is closed already nothing more is heard.
  let open = [client, upstream].filter((side) => !side.closed).length
  const onClose = () => {
    open--
    if (open > 0) return
    clearTimeout(timer)
    resolve()
  }
  for (const [from, to] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    from.on('data', onData)
    from.on('error', () => to.destroy(new Error('broken off')))
    from.once('close', () => {
      if (from.readableEnded) endSoon(to)
      else to.destroy()
      onClose()
    })
    from.pipe(to)
  }
  if (client.destroyed || upstream.destroyed) breakOff()
  if (open === 0) onClose()
  return { ended: promise, breakOff }
}

/** What was written already is still to arrive; what is said meanwhile, nobody is there to hear. */
function endSoon(side: Duplex): void {
  if (!side.writableEnded) side.end()
  if (side.writableFinished) side.destroy()
  else side.once('finish', () => side.destroy())
}
