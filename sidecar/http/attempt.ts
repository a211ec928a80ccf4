// One attempt to have a request answered by its upstream: connect, send, pass the answer on; one outcome.
import type { Duplex } from 'node:stream'
import { Refusal } from '../../shared/errors.ts'
import { beginAnswer, passBody, passInformation } from './answer.ts'
import { type Contained } from './containment.ts'
import { brokenOff, invalidAnswer, startTimer, timedOut } from './failures.ts'
import type { Forwarding } from './forwarding.ts'
import type { Answer, Outgoing, OutgoingEvents } from './outgoing.ts'
import { isOffered, join, type Granted } from './upgrade.ts'
import { bodyTooLarge, type Upload } from './upload.ts'

const switchingProtocols = 101

type Open = (events: OutgoingEvents) => Outgoing

/** The client ended its connection before it had the whole answer. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone'
}

/** The upstream carried nothing out, and told for want of what. */
export class Rejected extends Error {
  override readonly name = 'Rejected'
  /** What is to be sent in place of the headers. */
  readonly amended: () => readonly string[]

  constructor(amended: () => readonly string[]) {
    super('the upstream carried nothing out')
    this.amended = amended
  }
}

/**
 * Resolves with the answer's status when its body has been passed on whole.
 * @throws {Refusal} {@link Unanswered} where it may be worth another attempt.
 * @throws {Rejected} where it is to be sent again as {@link Forwarding.amend} says.
 * @throws {ClientGone} the client left.
 */
export function attempt(forwarding: Forwarding, upload: Upload, open: Open): Promise<number> {
  // Who left while we decided will not be heard of again.
  if (forwarding.incoming.reply.isGone) return Promise.reject(new ClientGone('the client left'))
  const interrupted = forwarding.interruption?.reason
  if (interrupted !== undefined) return Promise.reject(interrupted)
  return new Attempt(forwarding, upload, open).outcome
}

class Attempt implements Contained {
  readonly #forwarding: Forwarding
  readonly #upload: Upload
  readonly #upstream: Outgoing
  readonly #settled = Promise.withResolvers<number>()
  readonly #onClientGone = () => this.#fail(new ClientGone('the client left'))
  readonly #responseTimer: NodeJS.Timeout | undefined
  #phase: 'connecting' | 'sending' | 'answering' | 'settled' = 'connecting'

  constructor(forwarding: Forwarding, upload: Upload, open: Open) {
    this.#forwarding = forwarding
    this.#upload = upload
    const { incoming, timeouts } = forwarding
    incoming.reply.onceClosed(this.#onClientGone)
    forwarding.interruption?.listen((reason) => this.#interrupt(reason))
    this.#responseTimer = startTimer(timeouts.responseMs, () => this.#fail(timedOut('response')))
    this.#upstream = this.#opened(open)
  }

  /** @throws what cannot be sent: then nothing of this attempt is left. */
  #opened(open: Open): Outgoing {
    const { incoming } = this.#forwarding
    const events: OutgoingEvents = {
      onReady: () => this.#send(),
      onInformation: (status, headers) => passInformation(status, headers, incoming.reply, this.#forwarding),
      onAnswer: (answer) => this.#begin(answer),
      onUpgrade: (granted) => this.#change(granted),
      onFailure: (refusal) => this.#fail(refusal),
      onBroken: () => this.#breakOff(brokenOff()),
      onIdle: () => this.#onIdle(),
      onFault: (error) => this.fault(error),
    }
    try {
      return open(events)
    } catch (error) {
      this.#settle(() => undefined)
      throw error
    }
  }

  fault(error: unknown): void {
    this.#fail(error)
  }

  get outcome(): Promise<number> {
    return this.#settled.promise
  }

  /** Nothing of a body is taken from the client before there is somebody to take it. */
  #send(): void {
    if (this.#phase !== 'connecting') return
    this.#phase = 'sending'
    if (this.#upload.framing === 'none') return
    this.#upload.sendTo(this.#upstream, {
      within: this,
      onTooLarge: () => this.#fail(bodyTooLarge()),
      onBroken: this.#onClientGone,
    })
  }

  #begin(answer: Answer): void {
    const { incoming } = this.#forwarding
    clearTimeout(this.#responseTimer)
    if (this.#phase === 'settled') return
    const amended = this.#upload.isKept ? this.#forwarding.amend?.(answer) : undefined
    if (amended !== undefined) {
      this.#fail(new Rejected(amended))
      return
    }
    this.#phase = 'answering'
    this.#upload.release()
    if (!beginAnswer(answer, incoming, this.#forwarding)) {
      this.#fail(invalidAnswer())
      return
    }
    passBody(answer, incoming.reply, this.#forwarding, {
      within: this,
      onEnd: () => this.#end(),
      onClientGone: this.#onClientGone,
      onBroken: () => this.#breakOff(brokenOff()),
    })
  }

  /** From here on bytes pass; what they are is the business of the two sides. */
  #change({ protocol, headers, bytes }: Granted): void {
    clearTimeout(this.#responseTimer)
    const { incoming, interruption, siftResponse, timeouts } = this.#forwarding
    const { upgrade } = incoming
    if (this.#phase === 'settled' || upgrade === undefined || !isOffered(upgrade.protocols, protocol)) {
      bytes.destroy()
      this.#fail(invalidAnswer())
      return
    }
    let client: Duplex
    try {
      client = upgrade.accept(protocol, siftResponse(headers))
    } catch {
      bytes.destroy()
      this.#fail(invalidAnswer())
      return
    }
    this.#settle(() => undefined)
    const joined = join(client, bytes, timeouts.idleMs)
    let reason: Refusal | undefined
    interruption?.listen((why) => {
      reason = why
      joined.breakOff()
    })
    void joined.ended.then(() => {
      interruption?.listen(undefined)
      if (reason === undefined) this.#settled.resolve(switchingProtocols)
      else this.#settled.reject(reason)
    })
  }

  #interrupt(reason: Refusal): void {
    if (this.#phase === 'answering') this.#breakOff(reason)
    else this.#fail(reason)
  }

  #breakOff(reason: Refusal): void {
    if (this.#phase === 'settled') return
    this.#forwarding.incoming.reply.breakOff()
    this.#fail(reason)
  }

  #end(): void {
    // An answer may come before the whole request was sent: then nobody wants the rest.
    if (!this.#upstream.isEnded) this.#upstream.abandon()
    this.#settle(() => this.#settled.resolve(this.#forwarding.incoming.reply.status))
  }

  #onIdle(): void {
    // A client that stops sending has a timeout of its own.
    if (!this.#upload.awaitsClient) this.#fail(timedOut('idle'))
  }

  #fail(error: unknown): void {
    if (this.#phase === 'settled') return
    this.#settle(() => this.#settled.reject(error))
    this.#upstream.abandon(error instanceof Refusal && error.code === 'upstream_timeout')
  }

  #settle(outcome: () => void): void {
    if (this.#phase === 'settled') return
    this.#phase = 'settled'
    clearTimeout(this.#responseTimer)
    this.#forwarding.incoming.reply.offClosed(this.#onClientGone)
    this.#forwarding.interruption?.listen(undefined)
    this.#upload.detach()
    outcome()
  }
}
