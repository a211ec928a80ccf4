// Bytes that pass untouched: connects to where they go, and carries them both ways.
import { connect, type LookupFunction, type Socket } from 'node:net'
import { Refusal } from '../shared/errors.ts'
import { ifSilent } from './http/silence.ts'

export interface Destination {
  readonly host: string
  readonly port: number
  /** Resolves the name of the host; undefined: it is an address. */
  readonly lookup?: LookupFunction
}

/**
 * Resolves when it is connected.
 * @throws {Refusal} `upstream_timeout`, and what `lookup` refuses; or another error, where it cannot be reached.
 */
export function dial(destination: Destination, connectMs: number, leaving: AbortSignal): Promise<Socket> {
  const upstream = connect({ ...destination, allowHalfOpen: true })
  return new Promise((resolve, reject) => {
    const timer = connectMs > 0 ? setTimeout(() => upstream.destroy(timedOut()), connectMs) : undefined
    const onLeft = () => upstream.destroy(new Error('the client left'))
    if (leaving.aborted) onLeft()
    leaving.addEventListener('abort', onLeft, { once: true })
    upstream.once('connect', () => {
      clearTimeout(timer)
      resolve(upstream)
    })
    upstream.once('close', () => {
      clearTimeout(timer)
      leaving.removeEventListener('abort', onLeft)
    })
    // Also what fails before anybody else listens.
    upstream.on('error', reject)
  })
}

function timedOut(): Refusal {
  return new Refusal('upstream_timeout', 'The upstream did not answer in time (timeouts.connect).')
}

/** What becomes of an upstream that cannot be reached. */
export function asUpstreamRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  return new Refusal('upstream_refused', 'The upstream cannot be reached.', { cause: error })
}

/**
 * Passes on what the upstream says, and ties the two together: when one side is gone, so is the other, and a reset
 * stays one. What the client says is passed on by {@link passOn}.
 */
export function relay(client: Socket, upstream: Socket, idleMs: number): void {
  upstream.on('error', () => client.resetAndDestroy())
  client.on('error', () => upstream.resetAndDestroy())
  upstream.once('close', () => client.destroySoon())
  client.once('close', () => upstream.destroy())
  if (client.destroyed) {
    upstream.destroy()
    return
  }
  if (upstream.destroyed) {
    client.resetAndDestroy()
    return
  }
  for (const socket of [client, upstream])
    socket.setTimeout(idleMs, () => ifSilent(socket, () => socket.destroy()))
  upstream.pipe(client)
}

/** @param head what was read of it already. */
export function passOn(client: Socket, upstream: Socket, head: Buffer): void {
  if (client.destroyed || upstream.destroyed) return
  if (head.length > 0) upstream.write(head)
  client.pipe(upstream)
}
