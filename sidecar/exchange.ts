// What inbound and outbound share: admission, one record for each request, and one answer to each failure.
import { randomBytes } from 'node:crypto'
import type { Limits } from '../shared/config/mesh.ts'
import type { Decision, Protocol } from '../shared/decision.ts'
import { Refusal } from '../shared/errors.ts'
import type { HeaderList, RequestHead } from '../shared/head.ts'
import { refuseLoop, type Hop } from '../shared/headers/forwarding.ts'
import { FairLimit } from './fair-limit.ts'
import { ClientGone } from './http/attempt.ts'
import type { Incoming } from './http/incoming.ts'
import { refuse } from './http/refuse.ts'
import type { OriginalDestination } from './interception/original-destination.ts'
import { newRequestId } from './request-id.ts'
import { describeError } from './telemetry/log.ts'
import type { Ending } from './telemetry/ending.ts'
import type { Recorder } from './telemetry/recorder.ts'
import type { RequestTrace } from './telemetry/tracing.ts'
import { headsRead } from './turn.ts'

/** Whether load is shed by refusing what is read now, as `LoadShedder` has it. */
export type LoadCheck = (nowMs: number, delayMs: number, connection: object) => boolean

/** Made once: what refusals cost the others lack, and a fifth of that would be to find out where each was made. */
const shed = new Refusal(
  'overloaded',
  'More requests come than this sidecar can carry (limits.queue_delay). Try again shortly.',
)

/** Requests under way on one side of the sidecar, and whether it takes new ones. */
export class Admission {
  /** Set when the sidecar is told to stop: answers say `Connection: close`. */
  closing = false
  /** Set after `timeouts.drain_delay`: new requests are refused. */
  draining = false
  readonly #isShed: LoadCheck
  readonly #active = new FairLimit()
  #onIdle: (() => void) | undefined

  constructor(isShed: LoadCheck) {
    this.#isShed = isShed
  }

  get active(): number {
    return this.#active.held
  }

  /**
   * Of one that has entered.
   * @throws {Refusal} `draining`, `overloaded`, `headers_too_large`.
   */
  admit(headers: HeaderList, limits: Limits, peer: string): void {
    if (this.draining) throw new Refusal('draining', 'This sidecar is stopping. Try again.')
    if (this.#active.isExceededBy(peer, limits.concurrentRequests)) {
      throw new Refusal(
        'overloaded',
        'Too many requests are under way (limits.concurrent_requests). Try again shortly.',
      )
    }
    if (limits.headers > 0 && headers.length / 2 > limits.headers) {
      throw new Refusal('headers_too_large', 'The request has too many header fields (limits.headers).')
    }
  }

  /**
   * To be called just before it is decided, since what that takes is measured.
   * @param nowMs when its head was read, of `performance.now`.
   * @param connection on which it came.
   * @throws {Refusal} `overloaded`.
   */
  shed({ queueDelayMs }: Limits, nowMs: number, connection: object): void {
    if (this.#isShed(nowMs, queueDelayMs, connection)) throw shed
  }

  /** @param peer its address. */
  enter(peer: string): void {
    this.#active.take(peer)
  }

  leave(peer: string): void {
    this.#active.release(peer)
    if (this.active === 0) this.#onIdle?.()
  }

  /** Resolves when no request is under way. */
  async idle(): Promise<void> {
    if (this.active === 0) return
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve
    })
  }
}

/** One request on its way through the sidecar. */
export interface Exchange {
  readonly requestId: string
  readonly incoming: Incoming
  readonly head: RequestHead
  readonly hop: Hop
  /** Undefined: the connection was not redirected here. */
  readonly originalDestination: OriginalDestination | undefined
  /** When it came; milliseconds since the epoch. */
  readonly startedAtMs: number
  /** To be called once, when it is decided. */
  readonly record: (decision: Decision, trace?: RequestTrace) => void
  /** To be called each time that it is sent to its upstream again. */
  readonly onRepeat: () => void
}

/** One side of the sidecar. */
export interface Side {
  /** Its pseudonym in `Via`. */
  readonly name: string
  readonly admission: Admission
  readonly recorder: Recorder
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly limits: () => Limits
  /** The record of a request that was refused before it was looked at. */
  readonly refusedUnseen: (exchange: Exchange, refusal: Refusal) => Decision
  /**
   * Decides, records, carries out; resolves with the answer's status when the answer has been passed on.
   * @throws {Refusal} what is to be answered instead.
   * @throws {ClientGone} nobody is there to be answered.
   */
  readonly serve: (exchange: Exchange) => Promise<number>
}

/** Serves one request from its head to its end; never rejects. */
export async function handle(side: Side, incoming: Incoming): Promise<void> {
  const { admission, recorder } = side
  const { head, reply, version, connection } = incoming
  const { peer, originalDestination } = connection
  if (peer === '') {
    // Reset already: nobody is there to be answered, and of an address that is not known no policy can judge.
    reply.breakOff()
    return
  }
  const startedMs = performance.now()
  const recorded: { decision?: Decision; trace?: RequestTrace | undefined } = {}
  let repeated = 0
  const exchange: Exchange = {
    requestId: newRequestId(),
    incoming,
    head,
    hop: { name: side.name, httpVersion: version, peer, scheme: connection.isTls ? 'https' : 'http' },
    originalDestination,
    startedAtMs: side.now(),
    record(decision, trace) {
      recorded.decision = decision
      recorded.trace = trace
      recorder.decided(decision)
    },
    onRepeat: () => void repeated++,
  }
  const end = (ending: Omit<Ending, 'durationMs' | 'repeated'>) => {
    if (recorded.decision === undefined) return
    const ended = { ...ending, repeated, durationMs: performance.now() - startedMs }
    recorder.ended(recorded.decision, ended)
    recorded.trace?.end(recorded.decision, ended)
  }
  admission.enter(peer)
  try {
    if (admission.closing) reply.closeConnection()
    const limits = side.limits()
    admission.admit(head.headers, limits, peer)
    incoming.refuseUnserved()
    refuseLoop(head.headers, exchange.hop)
    await headsRead()
    admission.shed(limits, startedMs, connection)
    end({ status: await side.serve(exchange) })
  } catch (error) {
    if (error instanceof ClientGone) {
      end({ status: undefined })
      return
    }
    if (!(error instanceof Refusal)) recorder.fault('request', error)
    const refusal = asRefusal(error)
    if (recorded.decision === undefined) exchange.record(side.refusedUnseen(exchange, refusal))
    const status = reply.hasBegun ? reply.status : refusal.status
    refuse(incoming, refusal, exchange.requestId)
    const isDecided = recorded.decision?.code === refusal.code
    end({ status, ...(isDecided ? undefined : failureOf(refusal)) })
  } finally {
    admission.leave(peer)
  }
}

/** In what a request came, as its decision has it. */
export function protocolOf({ hop }: Exchange): Protocol {
  return { scheme: hop.scheme, version: hop.httpVersion === '2.0' ? '2' : hop.httpVersion }
}

/** A pseudonym that no other side of no other sidecar has. */
export function makeHopName(): string {
  return `onbehalf-${randomBytes(4).toString('hex')}`
}

function failureOf(refusal: Refusal) {
  return {
    code: refusal.code,
    error: refusal.cause === undefined ? refusal.message : describeError(refusal.cause),
  }
}

/** A fault of our own is never a permission, and tells the client nothing. */
function asRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  return new Refusal('overloaded', 'The sidecar failed to serve this request. Its log says why.', {
    cause: error,
    // The record of what nobody had looked at has nothing else that says why.
    detail: describeError(error),
  })
}
